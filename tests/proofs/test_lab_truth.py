"""The marts against what the simulated lab's world knows and no API shows."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from tests.proofs.conftest import KnownLab


def busy_by_device_day(known_lab: KnownLab) -> dict[tuple[str, str, date], float]:
    """Union of the true occupancies of each device, clipped to UTC days, by brute force."""
    rows = duckdb.sql(
        "select connection, lower(device_id), epoch_ms(started_at), epoch_ms(ended_at) "
        f"from {known_lab.truth('device_occupancy')} order by 1, 2, 3"
    ).fetchall()
    pieces: dict[tuple[str, str, date], list[tuple[int, int]]] = defaultdict(list)
    for connection, device, started, ended in rows:
        moment = started
        while moment < ended:
            day = datetime.fromtimestamp(moment / 1000, UTC).date()
            midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000) + 86_400_000
            pieces[connection, device, day].append((moment, min(ended, midnight)))
            moment = midnight
    busy = {}
    for key, intervals in pieces.items():
        total, reach = 0, 0
        for begin, finish in sorted(intervals):
            total += max(0, finish - max(begin, reach))
            reach = max(reach, finish)
        busy[key] = total / 1000
    return busy


def test_busy_seconds_are_exact_for_every_device_and_day(known_lab: KnownLab, figures: list[str]) -> None:
    expected = {k: v for k, v in busy_by_device_day(known_lab).items() if k[2] <= known_lab.last_day}
    with known_lab.home.warehouse() as warehouse:
        measured = {
            (connection, device, day): busy
            for connection, device, day, busy in warehouse.sql(
                "select connection, device_id, date, busy_seconds from marts.device_utilization_daily"
                f" where date <= date '{known_lab.last_day}'"
            ).fetchall()
        }
    wrong = {k: (v, measured.get(k)) for k, v in expected.items() if abs(measured.get(k, -1) - v) > 0.0005}
    phantom = {k: v for k, v in measured.items() if v and k not in expected}
    assert not wrong
    assert not phantom
    figures.append(f"{len(expected):,} busy device-days, {sum(expected.values()):,.3f} s: 0 differ")


def failed_in_outage(known_lab: KnownLab) -> str:
    return f"select test_run_id from {known_lab.truth('failures')} where outage_id is not null"


def test_every_always_failing_test_with_five_runs_outside_outages_is_broken(
    known_lab: KnownLab, figures: list[str]
) -> None:
    with known_lab.home.warehouse() as warehouse:
        rows = warehouse.sql(f"""
            with outside as (
                select source_name, connection, project_name, test_name, count(*) as runs
                from core.fct_test_runs
                where is_counted and test_run_id not in ({failed_in_outage(known_lab)})
                    and started_date > date '{known_lab.last_day}' - 30
                group by all
            )
            select test_name, outside.runs, flakiness.state
            from {known_lab.truth("tests")} as truth
            join outside using (source_name, connection, project_name, test_name)
            left join marts.test_flakiness as flakiness using (source_name, connection, project_name, test_name)
            where truth.failure_probability = 1 and outside.runs >= 5
        """).fetchall()
    assert rows, "the world has no always-failing test: it proves nothing"
    assert [row for row in rows if row[2] != "broken"] == []
    figures.append(f"{len(rows)} always-failing tests with five runs or more: all broken")


def test_no_test_whose_true_rate_is_0_is_flaky(known_lab: KnownLab, figures: list[str]) -> None:
    with known_lab.home.warehouse() as warehouse:
        rows = warehouse.sql(f"""
            with hit as (
                select distinct source_name, connection, project_name, test_name
                from core.fct_test_runs
                where test_run_id in ({failed_in_outage(known_lab)})
                    and is_counted and started_date > date '{known_lab.last_day}' - 30
            )
            select flakiness.test_name, flakiness.state, flakiness.evidence, hit.test_name is not null as was_hit
            from marts.test_flakiness as flakiness
            join {known_lab.truth("tests")} as truth using (source_name, connection, project_name, test_name)
            left join hit using (source_name, connection, project_name, test_name)
            where truth.failure_probability = 0
        """).fetchall()
    clean = [row for row in rows if not row[3]]
    assert len(clean) >= 20, "too few tests of rate 0 outside outages to prove anything"
    assert [row for row in clean if row[1] == "flaky"] == []
    figures.append(
        f"{len(clean)} tests of true rate 0 that no outage hit: none flaky; of {len(rows) - len(clean)} that an "
        f"outage hit, {sum(r[1] == 'flaky' for r in rows if r[3])} called flaky"
    )


def test_no_failure_id_spans_two_true_causes(known_lab: KnownLab, figures: list[str]) -> None:
    """Failures of true outages aside, and messages that truncation made identical."""
    with known_lab.home.warehouse() as warehouse:
        mixed = warehouse.sql(f"""
            with labelled as (
                select runs.failure_id, failures.cause_id, messages.message
                from core.fct_test_runs as runs
                join {known_lab.truth("failures")} as failures using (test_run_id)
                join core.fct_failure_messages as messages using (test_run_id, failure_id)
                where failures.outage_id is null and messages.command_key is null
            ),
            by_message as (
                select message, count(distinct cause_id) as causes from labelled group by message
            )
            select failure_id, list(distinct cause_id), any_value(message)
            from labelled join by_message using (message)
            where by_message.causes = 1
            group by failure_id having count(distinct cause_id) > 1
        """).fetchall()
        counted = warehouse.sql("""
            select count(*), count(failure_id), count(distinct failure_id), count(distinct family_id)
            from core.fct_test_runs where run_status in ('failed', 'blocked') and not is_manual_session
        """).fetchone()
        causes = warehouse.sql(
            f"select count(distinct cause_id) from {known_lab.truth('failures')}"
        ).fetchone()
    assert mixed == []
    assert counted[2] >= 30
    figures.append(
        f"{counted[0]:,} failures, {counted[1]:,} with a message: {counted[2]:,} failure ids in {counted[3]:,} "
        f"families over {causes[0]} causes, none over two"
    )


@pytest.mark.parametrize("table", ["test_executions", "commands", "platforms"])
def test_the_lake_keeps_what_it_cannot_type_aside(known_lab: KnownLab, table: str) -> None:
    rejected = known_lab.home.path / "raw" / "perfecto_reporting" / f"{table}__rejected"
    assert not list(Path(rejected).rglob("dt=2*/*.parquet")), (
        "the default world is odd, but all of it is typed"
    )
