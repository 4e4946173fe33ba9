"""A run that was changed later is merged into its own day when the day of the change is read, as Dagster shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.sources.enterprise_tester.assets import script_runs as script_runs_asset
from pipelines.defs.sources.enterprise_tester.contract import SCRIPT_RUNS, STEP_RESULTS
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS
from pipelines.lib.landing import PartlyLanded
from pipelines.orchestration import partitions
from pipelines.orchestration.connections import ConfiguredConnections
from pipelines.orchestration.lake import Lake
from simlab.api.answers import draw
from tests.simlab.serving import serving
from tests.simlab.tiny_world import HOUR, NOON, TinyEnterpriseTester, assignment, guid, script_run
from tests.sources.lab_and_lake import failing, held

CREATED, CHANGED = date(2026, 3, 2), date(2026, 3, 3)
# The lab lets some edits leave `LastUpdatedAt` as it was; this one's moves it.
NAME = next(name for name in (f"run {n}" for n in range(30)) if draw(guid(name), "silent edit", 6))
SCRIPT = assignment("script")
SERVER = TinyEnterpriseTester(
    [
        script_run(NAME, SCRIPT, NOON, edited_at=NOON + 30 * HOUR, edited_duration="2 hours"),
        script_run("other", SCRIPT, NOON),
    ],
    [SCRIPT],
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("enterprise_tester", ["et"])
        yield instance


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def read(
    day: date,
    clock: str,
    instance: dg.DagsterInstance,
    lake: Path,
    server: TinyEnterpriseTester = SERVER,
) -> list[tuple[str, str]]:
    """Reads a day; the tables and partitions that Dagster then knows to be new."""
    file = lake.with_name("connections.toml")
    with serving(enterprise_tester=server, clock=clock) as lab, pytest.MonkeyPatch.context() as patch:
        file.write_text(lab.connections_toml)
        patch.setenv("FLAKEHOUSE_CONNECTIONS", str(file))
        result = dg.materialize(
            [script_runs_asset],
            partition_key=partitions.key(day, "et"),
            instance=instance,
            resources={"lake": Lake(root=str(lake)), "connections": ConfiguredConnections()},
        )
    assert result.success
    return sorted(
        (event.asset_key.path[-1], str(event.partition))
        for event in result.get_asset_materialization_events()
    )


def test_a_later_change_reaches_the_day_of_creation_and_takes_nothing_away(
    instance: dg.DagsterInstance, lake: Path
) -> None:
    read(CREATED, "2026-03-02T18:00:00Zx0", instance, lake)
    events = read(CHANGED, "2026-03-05T12:00:00Zx0", instance, lake)
    runs = held(lake, SCRIPT_RUNS)
    assert {row["id"]: row["actual_duration"] for row in runs} == {
        guid(NAME): "2 hours",
        guid("other"): "5 minutes",
    }
    assert {row["dt"] for row in runs} == {str(CREATED)}
    assert len(held(lake, STEP_RESULTS)) == 4
    assert not any(row["_missing_since"] for row in (*runs, *held(lake, STEP_RESULTS)))
    assert events == [
        ("script_runs", f"et|{CREATED}"),
        ("script_runs", f"et|{CHANGED}"),
        ("step_results", f"et|{CHANGED}"),
    ]
    noted = held(lake, INGEST_PARTITIONS, "_fetched_at, table_name")
    assert [(row["day"], row["changed"]) for row in noted if row["table_name"] == "script_runs"][1:] == [
        (str(CHANGED), 0),
        (str(CREATED), 1),
    ]


def test_reading_the_day_of_the_change_again_changes_nothing_more(
    instance: dg.DagsterInstance, lake: Path
) -> None:
    read(CREATED, "2026-03-02T18:00:00Zx0", instance, lake)
    read(CHANGED, "2026-03-05T12:00:00Zx0", instance, lake)
    before = held(lake, SCRIPT_RUNS)
    assert read(CHANGED, "2026-03-06T12:00:00Zx0", instance, lake) == [
        ("script_runs", f"et|{CHANGED}"),
        ("step_results", f"et|{CHANGED}"),
    ]
    assert held(lake, SCRIPT_RUNS) == before


def test_a_day_that_was_never_read_does_not_begin_with_what_changed_of_it(
    instance: dg.DagsterInstance, lake: Path
) -> None:
    read(CHANGED, "2026-03-05T12:00:00Zx0", instance, lake)
    assert held(lake, SCRIPT_RUNS) == []


def test_a_late_run_of_a_day_that_was_read_and_had_none_is_its_first(
    instance: dg.DagsterInstance, lake: Path
) -> None:
    read(CREATED, "2026-03-02T18:00:00Zx0", instance, lake, TinyEnterpriseTester((), [SCRIPT]))
    assert held(lake, SCRIPT_RUNS) == []
    read(CHANGED, "2026-03-05T12:00:00Zx0", instance, lake)
    (row,) = held(lake, SCRIPT_RUNS)
    assert (row["id"], row["dt"]) == (guid(NAME), str(CREATED))


def test_an_assignment_that_the_server_cannot_tell_keeps_nothing_else_from_landing(
    instance: dg.DagsterInstance, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = [SCRIPT, *(assignment(f"script {n}") for n in range(3))]
    runs = [*SERVER.runs, *(script_run(f"new {n}", scripts[n], NOON + 24 * HOUR) for n in range(4))]
    read(CREATED, "2026-03-02T18:00:00Zx0", instance, lake)
    failing(monkeypatch, scripts[3].id)
    server = TinyEnterpriseTester(runs, scripts)
    with pytest.raises(PartlyLanded, match=r"HTTP 500, 3 times; .* \(1 of 4 questions; "):
        read(CHANGED, "2026-03-05T12:00:00Zx0", instance, lake, server)
    found = {(row["id"], row["dt"], row["actual_duration"]) for row in held(lake, SCRIPT_RUNS)}
    assert found == {
        (guid(NAME), str(CREATED), "2 hours"),
        (guid("other"), str(CREATED), "5 minutes"),
        *((guid(f"new {n}"), str(CHANGED), "5 minutes") for n in range(3)),
    }
    noted = [row for row in held(lake, INGEST_PARTITIONS) if row["error"]]
    assert [(row["table_name"], row["day"], row["added"], row["is_complete"]) for row in noted] == [
        ("script_runs", str(CHANGED), 3, False),
        ("step_results", str(CHANGED), 6, False),
    ]
