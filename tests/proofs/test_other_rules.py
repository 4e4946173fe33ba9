"""Which tests are called flaky, by our marts and by three rules in use elsewhere, on the same runs.

Each test's newest 20, 50, 100 and 200 counted runs are judged as if they were all there are: ours by the very models, the
others as their code or documents have them. Flaky in truth is a test that fails by chance at one rate throughout; not
flaky one that never or always fails, outages and broken builds aside. Tests whose rate changed are neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import duckdb
import pytest

from tests.proofs.conftest import KnownLab
from tests.proofs.some_models import build_models, query
from tests.warehouse.fixture_lake import write_segments

SIZES = (20, 50, 100, 200)
BEFORE_SEGMENTS = ("fct_counted_runs", "fct_test_days")
AFTER_SEGMENTS = (
    *(
        "stg_derived__test_segments",
        "fct_test_segments",
        "fct_test_changes",
        "fct_test_builds",
        "fct_returns",
    ),
    *("fct_test_devices", "test_flakiness"),
)


@dataclass(frozen=True)
class Sample:
    """A test's runs, in order: the verdict that each is of, and whether it failed."""

    is_flaky: bool
    runs: list[tuple[str, bool]]
    state: str


def luci(sample: Sample) -> bool:
    """LUCI Analysis: at least 2 flaky source verdicts, and at least 1% of the verdicts."""
    verdicts = [
        {failed for _, failed in runs} for _, runs in groupby(sorted(sample.runs), key=lambda run: run[0])
    ]
    flaky = sum(len(results) == 2 for results in verdicts)
    return flaky >= 2 and flaky >= 0.01 * len(verdicts)


def codecov(sample: Sample) -> bool:
    """Codecov: any failure opens a flake, and only 30 passes in a row close it."""
    failures = [place for place, (_, failed) in enumerate(sample.runs) if failed]
    return bool(failures) and len(sample.runs) - 1 - failures[-1] < 30


def flip_rate(sample: Sample) -> float:
    return sum(a != b for (_, a), (_, b) in pairwise(sample.runs)) / (len(sample.runs) - 1)


def ours(sample: Sample) -> bool:
    return sample.state == "flaky"


@pytest.fixture(scope="module")
def samples(
    known_labs: list[KnownLab], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, dict[int, list[Sample]]]:
    """By the lab's seed, and by how many of the newest runs were judged."""
    return {lab.seed: samples_of(lab, tmp_path_factory.mktemp("samples")) for lab in known_labs}


def samples_of(known_lab: KnownLab, folder: Path) -> dict[int, list[Sample]]:
    database = folder / "flakehouse.duckdb"
    with known_lab.home.warehouse() as warehouse, duckdb.connect(database) as aside:
        aside.execute("create schema core")
        for table in ("dim_connections", "fct_test_runs"):
            found = warehouse.sql(f"select * from core.{table}").to_arrow_table()
            aside.execute(f"create table core.{table} as select * from found")
        truth = warehouse.sql(f"select * from {known_lab.truth('tests')}").to_arrow_table()  # noqa: F841
        aside.execute("create table truth as select * from truth")
        aside.execute(f"""
            create table newest as
            select *, row_number() over (partition by test_id order by started_at desc, test_run_id desc) as place,
                count(*) over (partition by test_id) as runs
            from core.fct_test_runs
            where is_counted and started_at is not null and started_date > date '{known_lab.last_day}' - 30;
            delete from core.fct_test_runs;
        """)
        for size in SIZES:
            aside.execute(f"""
                insert into core.fct_test_runs by name
                select * exclude (place, runs) replace (test_id || '/{size}' as test_id, test_run_id || '/{size}' as test_run_id)
                from newest where place <= {size} and runs >= {size}
            """)
    build_models(database, *BEFORE_SEGMENTS)
    write_segments(folder / "derived", lambda sql: query(database, sql))
    build_models(database, *AFTER_SEGMENTS)
    with duckdb.connect(database, read_only=True) as aside:
        rows = aside.execute("""
            select split_part(runs.test_id, '/', 2)::int, any_value(truth.state), any_value(flakiness.state),
                list(runs.variant_id || runs.build_key order by runs.ordered_at, runs.test_run_id),
                list(runs.is_failure order by runs.ordered_at, runs.test_run_id)
            from core.fct_counted_runs as runs
            join truth using (source_name, connection, project_name, test_name)
            join marts.test_flakiness as flakiness using (test_id)
            where truth.state in ('never_fails', 'flaky', 'broken')
            group by runs.test_id
        """).fetchall()
    found: dict[int, list[Sample]] = {size: [] for size in SIZES}
    for size, true_state, state, verdicts, failed in rows:
        found[size].append(Sample(true_state == "flaky", list(zip(verdicts, failed, strict=True)), state))
    return found


def score(samples: list[Sample], rule: Callable[[Sample], bool]) -> tuple[int, int]:
    """Truly flaky tests that the rule calls flaky, and others that it does."""
    called = [sample.is_flaky for sample in samples if rule(sample)]
    return sum(called), len(called) - sum(called)


def best_threshold(samples: list[Sample], false_alarms: int) -> float:
    """The flip rate from which on most flaky tests are found without more false alarms."""
    rates = sorted({flip_rate(sample) for sample in samples} - {0.0})
    scores = {rate: score(samples, lambda s, t=rate: flip_rate(s) >= t) for rate in rates}
    allowed = {rate: found for rate, (found, wrong) in scores.items() if wrong <= false_alarms}
    return max(allowed, key=allowed.__getitem__, default=1.0)


def test_more_is_found_than_by_other_rules_and_less_of_it_is_false(
    samples: dict[int, dict[int, list[Sample]]], known_labs: list[KnownLab], figures: list[str]
) -> None:
    """A site has one threshold for all of its tests, so the flip rate has one here: the best that any could be, chosen
    with the truth of all labs known. Chosen anew for each lab and size, it may find as many as ours, and no more."""
    by_size = {size: [s for of_lab in samples.values() for s in of_lab[size]] for size in SIZES}
    by_lab = {seed: [s for tests in of_lab.values() for s in tests] for seed, of_lab in samples.items()}
    everything = [sample for tests in by_size.values() for sample in tests]
    threshold = best_threshold(everything, score(everything, ours)[1])
    rules: dict[str, Callable[[Sample], bool]] = {
        "ours": ours,
        "LUCI": luci,
        "Codecov": codecov,
        f"flip rate from {threshold:.3f}": lambda sample: flip_rate(sample) >= threshold,
    }

    def scores(tests: list[Sample]) -> list[tuple[int, int]]:
        return [score(tests, rule) for rule in rules.values()]

    named = {f"newest {size} runs": by_size[size] for size in SIZES} | {"all": everything}
    for name, tests in named.items():
        flaky = sum(sample.is_flaky for sample in tests)
        figures.append(
            f"{name}, {flaky} flaky and {len(tests) - flaky} other tests, found and false: "
            + ", ".join(f"{rule} {a} and {b}" for rule, (a, b) in zip(rules, scores(tests), strict=True))
        )
    named |= {f"lab {seed}": tests for seed, tests in by_lab.items()}
    for name, tests in named.items():
        (found, wrong), (found_by_luci, wrong_by_luci), *_ = scores(tests)
        assert found >= found_by_luci
        assert wrong <= wrong_by_luci
        own = best_threshold(tests, wrong)
        found_by_flips, _ = score(tests, lambda sample, own=own: flip_rate(sample) >= own)
        figures.append(
            f"{name}: ours {found} and {wrong}, the flip rate from {own:.3f}, the best there, {found_by_flips}"
        )
        assert (
            found >= found_by_flips or known_labs[0].days < 30
        )  # so few days have too few runs of some sizes
    (found, wrong), (found_by_luci, _), (_, wrong_by_codecov), (found_by_flips, _) = scores(everything)
    assert wrong <= 0.1 * wrong_by_codecov
    assert found > found_by_luci
    assert found > found_by_flips
