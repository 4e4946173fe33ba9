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
