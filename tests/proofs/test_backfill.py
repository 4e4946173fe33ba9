"""A year that is asked for in Dagster's pages: the lab goes on being watched, a kill is made good, and it can be cancelled."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg
import httpx
import pytest

from pipelines.defs.sources.hcl_test_server import contract
from pipelines.defs.upkeep.cadence import TAG
from pipelines.orchestration import partitions
from pipelines.orchestration.instance import FINISHED, WORKER_TAG
from simlab.server import LabConfig, start
from tests.proofs.conftest import Home
from tests.proofs.deployment import Deployment, deployed, tell_of_days, until

pytestmark = pytest.mark.proof

DAYS = 365
KILLED_AFTER, CANCELLED_AFTER = 8, 24  # days that were read
TABLES = (contract.EXECUTIONS, contract.EXECUTION_LOGS)
ROUNDS_EVERY_MINUTES = 1

ASK = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params)
    { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
CANCEL = "mutation ($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"
LOOK = """query ($id: String!) { partitionBackfillOrError(backfillId: $id)
    { ... on PartitionBackfill { status numPartitions } } }"""


@dataclass(frozen=True)
class Pages:
    """What a person does in the pages, as the pages ask for it."""

    url: str

    def ask(self, days: list[date]) -> str:
        """Days of the tables' page, *Materialize*, *Launch backfill*; its id."""
        params = {
            "assetSelection": [{"path": [table.source, table.name]} for table in TABLES],
            "partitionNames": [partitions.key(day, "ots") for day in days],
        }
        return self._post(ASK, params=params)["launchPartitionBackfill"]["backfillId"]

    def cancel(self, backfill: str) -> None:
        self._post(CANCEL, id=backfill)

    def status(self, backfill: str) -> tuple[str, int]:
        found = self._post(LOOK, id=backfill)["partitionBackfillOrError"]
        return found["status"], found["numPartitions"]

    def _post(self, query: str, **variables: object) -> Mapping[str, Any]:
        answer = httpx.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]


@pytest.fixture
def home_of_the_lab(tmp_path: Path) -> Iterator[tuple[Deployment, Home]]:
    """A deployment that has read the lab up to now, and a home that has not; the lab has a year."""
    connections = tmp_path / "connections.toml"
    with (
        start(LabConfig(days=DAYS)) as lab,
        deployed(tmp_path, connections, {}, ("code", "daemon", "webserver")) as deployment,
    ):
        tell_of_days(deployment.home / "raw", range(31), datetime.now(UTC))
        (server,) = (part for part in lab.connections_toml.split("\n\n") if part.startswith("[hcl.ots]"))
        connections.write_text(f"{server}\nsnapshot_every_minutes = {ROUNDS_EVERY_MINUTES}\n")
        yield deployment, Home(tmp_path / "typed", connections)


def test_a_year_is_read_day_by_day_beside_the_rounds_whatever_is_killed_until_it_is_cancelled(
    home_of_the_lab: tuple[Deployment, Home], figures: list[str]
) -> None:
    deployment, typed = home_of_the_lab
    today = datetime.now(UTC).date()
    year = [today - timedelta(days=age) for age in reversed(range(1, DAYS))]
    pages = Pages(deployment.pages)
    with deployment.instance() as instance:
        until(lambda: instance.get_dynamic_partitions(contract.KIND), "the connection is known", 120)
        began = datetime.now(UTC)
        backfill = pages.ask(year)
        until(lambda: len(days_read(instance)) >= KILLED_AFTER, "the first days are read", 1200)
        unit = deployment.units["daemon"]
        unit.end(signal.SIGKILL)
        until(lambda: kill_a_day(instance), "a day is being read", 120)
        until(lambda: len(days_read(instance)) >= CANCELLED_AFTER, "more days are read", 1800)
        assert pages.status(backfill) == ("REQUESTED", len(year))
        took = datetime.now(UTC) - began
        pages.cancel(backfill)
        until(lambda: pages.status(backfill)[0] == "CANCELED", "it is cancelled", 300)
        assert not runs_of_days(instance, unfinished=True)
        read = days_read(instance)
        first = year[: year.index(max(read)) + 1]
        missing = [day for day in first if day not in read]
        assert missing, "nothing was killed"
        again = pages.ask(missing)
        until(lambda: pages.status(again)[0].startswith("COMPLETED"), "what is missing is read", 300)
        assert pages.status(again)[0] == "COMPLETED_SUCCESS"
        times = sorted((run.start_time, run.end_time) for run in runs_of_days(instance) if run.start_time)
        assert all(before[1] <= after[0] for before, after in pairwise(times)), "two at once"
        a_day = median(after[0] - before[0] for before, after in pairwise(times))
        rounds = rounds_of(instance, began, began + took)
        assert len(rounds) >= 0.7 * took / timedelta(minutes=ROUNDS_EVERY_MINUTES)
    typing = time.monotonic()
    typed.ingest(first[0], first[-1])
    a_day_typed = (time.monotonic() - typing) / len(first)
    rows = executions(typed, first[-1])
    assert rows
    assert executions(Home(deployment.home, typed.connections), first[-1]) == rows
    figures.append(
        f"{len(year)} days asked for in the pages: {len(first)} were read one at a time in {took.seconds} s, beside "
        f"{len(rounds)} rounds, with the daemon and a day's run killed; cancelled, and what was missing ({len(missing)}) "
        f"asked for again: {len(rows)} executions, as a typed ingest brings them; {a_day:.1f} s from day to day (median), "
        f"against {a_day_typed:.1f} typed"
    )


def runs_of_days(instance: dg.DagsterInstance, *, unfinished: bool = False) -> list[dg.RunRecord]:
    statuses = [status for status in dg.DagsterRunStatus if (status in FINISHED) != unfinished]
    records = instance.get_run_records(dg.RunsFilter(statuses=statuses))
    return [record for record in records if "dagster/backfill" in record.dagster_run.tags]


def days_read(instance: dg.DagsterInstance) -> set[date]:
    return {
        date.fromisoformat(record.dagster_run.tags["dagster/partition/day"])
        for record in runs_of_days(instance)
        if record.dagster_run.is_success
    }


def kill_a_day(instance: dg.DagsterInstance) -> bool:
    """Whether one was being read."""
    for record in runs_of_days(instance, unfinished=True):
        _, _, process = record.dagster_run.tags.get(WORKER_TAG, "").partition("/")
        if process:
            with suppress(ProcessLookupError):
                os.kill(int(process.partition("/")[0]), signal.SIGKILL)
                return True
    return False


def rounds_of(instance: dg.DagsterInstance, since: datetime, to: datetime) -> list[dg.DagsterRun]:
    chosen = dg.RunsFilter(
        tags={TAG: "snapshot/ots"},
        statuses=[dg.DagsterRunStatus.SUCCESS],
        created_after=since,
        created_before=to,
    )
    return instance.get_runs(chosen)


def executions(home: Home, last: date) -> list[tuple]:
    rows = home.lake(contract.SOURCE, contract.EXECUTIONS.name, "dt, * exclude (dt, _fetched_at)")
    return [row for row in rows if row[0] <= last.isoformat()]
