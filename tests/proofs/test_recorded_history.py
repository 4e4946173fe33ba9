"""Real CI histories, replayed by the lab as Perfecto clouds, through the whole pipeline."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from simlab.server import LabConfig
from tests.proofs.conftest import REPOSITORY, Served, serve

RECORDED = Path(os.environ.get("FLAKEHOUSE_TEST_DATA", REPOSITORY.parent / "shared" / "data")) / "dune-common"
UBUNTU, DEBIAN = "ubuntu_20_04_clang_10", "debian_11_gcc_10"
AS_OF = date(2020, 11, 16)

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded CI histories in {RECORDED.name}/")


def recorded(name: str) -> pd.DataFrame:
    with gzip.open(RECORDED / f"{name}.csv.gz", "rt") as file:
        frame = pd.read_csv(file, sep=";", usecols=["Name", "BuildId", "Duration", "LastRun", "Verdict"])
    frame["day"] = pd.to_datetime(frame["LastRun"]).dt.date
    return frame


def history(frame: pd.DataFrame, path: Path) -> Path:
    """The lab's history file of a recorded one."""
    pd.DataFrame({
        "test": frame["Name"], "build": frame["BuildId"], "device": "",
        "started_at": pd.to_datetime(frame["LastRun"]).dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "duration_seconds": frame["Duration"],
        "verdict": frame["Verdict"].map({0: "pass", 1: "fail"}), "message": "",
    }).to_csv(path, index=False)  # fmt: skip
    return path


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(31, id="31_days"),
        pytest.param(None, id="whole", marks=pytest.mark.proof),
    ],
)
def replayed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Both histories, each its own connection; the small size reads the window before AS_OF, without commands."""
    folder = tmp_path_factory.mktemp("recorded")
    frames = {name: recorded(name) for name in (UBUNTU, DEBIAN)}
    histories = tuple(history(frame, folder / f"{name}.csv") for name, frame in frames.items())
    days = sorted(day for frame in frames.values() for day in frame["day"])
    first, last = (
        (days[0], days[-1]) if request.param is None else (AS_OF - timedelta(request.param - 1), AS_OF)
    )
    config = LabConfig(histories=histories, days=1, end=AS_OF)
    for served in serve(folder, config, first, last):
        small = ["--select", "perfecto_reporting.test_executions"] if request.param else []
        served.home.ingest(first, last, *small)
        served.home.flakehouse("build", "--as-of", str(AS_OF))
        yield served


def expected(name: str, first: date, last: date) -> Counter[tuple[str, str]]:
    frame = recorded(name)
    frame = frame[(frame["day"] >= first) & (frame["day"] <= last)]
    return Counter(
        zip(frame["Name"].astype(str), frame["Verdict"].map({0: "PASSED", 1: "FAILED"}), strict=True)
    )


@pytest.mark.parametrize("name", [UBUNTU, DEBIAN])
def test_every_count_equals_the_files(replayed: Served, figures: list[str], name: str) -> None:
    landed = Counter(
        (test, status)
        for connection, test, status in replayed.home.lake(
            "perfecto_reporting", "test_executions", "connection, name, status"
        )
        if connection == name
    )
    assert landed == expected(name, replayed.first_day, replayed.last_day)
    with replayed.home.warehouse() as warehouse:
        built = Counter(
            {
                (test, status): runs
                for test, status, runs in warehouse.sql(f"""
                select test_name, upper(run_status), count(*) from core.fct_test_runs
                where connection = '{name}' group by all
            """).fetchall()
            }
        )
    assert built == expected(name, replayed.first_day, min(replayed.last_day, AS_OF))
    figures.append(f"{name}: {sum(landed.values()):,} runs of {len({t for t, _ in landed})} tests, all equal")


def flakiness(served: Served, name: str) -> dict[str, tuple[str, int, int]]:
    with served.home.warehouse() as warehouse:
        return {
            test: (state, runs, failures)
            for test, state, runs, failures in warehouse.sql(
                f"select test_name, state, runs, failures from marts.test_flakiness where connection = '{name}'"
            ).fetchall()
        }


def test_ubuntu_tests_that_come_and_go_are_neither_stable_nor_broken(
    replayed: Served, figures: list[str]
) -> None:
    measured = flakiness(replayed, UBUNTU)
    counts = expected(UBUNTU, AS_OF - timedelta(days=29), AS_OF)
    for test in ("43", "105", "109"):
        state, runs, failures = measured[test]
        assert state not in {"stable", "broken"}
        assert failures == counts[test, "FAILED"] > 0
        assert runs == counts[test, "FAILED"] + counts[test, "PASSED"]
        figures.append(f"Ubuntu {test} as of {AS_OF}: {state}, {failures} of {runs} failed, as in the file")


def test_ubuntu_172_is_broken(replayed: Served) -> None:
    state, runs, failures = flakiness(replayed, UBUNTU)["172"]
    assert (state, failures) == ("broken", runs)


@pytest.mark.parametrize("test", ["43", "172"])
def test_the_same_tests_never_fail_on_debian(replayed: Served, test: str) -> None:
    _, runs, failures = flakiness(replayed, DEBIAN)[test]
    assert runs > 0
    assert failures == 0
