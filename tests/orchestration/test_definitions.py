"""The graph as Dagster loads it, from a home that is empty and without any connection."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.defs.sources import contracts
from pipelines.orchestration import instance

REPOSITORY = Path(__file__).parents[2]
KEYS = Path(__file__).with_name("asset_keys.txt")
LAYERS = ("raw", "staging", "core", "marts", "warehouse", "report")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAKEHOUSE_HOME", str(path))
        patch.setenv("FLAKEHOUSE_CONNECTIONS", str(path / "none.toml"))
        yield path


@pytest.fixture(scope="module")
def specs(home: Path) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs().resolve_all_asset_specs()}


def layer(spec: dg.AssetSpec) -> int:
    return LAYERS.index(spec.group_name) if spec.group_name in LAYERS else 0


def test_the_workspace_validates_as_the_ui_would_load_it(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=REPOSITORY,
        env={**os.environ, "DAGSTER_HOME": str(instance.folder(home))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_asset_key_changes_by_accident(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    """`FLAKEHOUSE_UPDATE=1` writes the file anew: a key in it is a name that people query."""
    now = "".join(f"{key}\n" for key in sorted(key.to_user_string() for key in specs))
    if os.environ.get("FLAKEHOUSE_UPDATE"):
        KEYS.write_text(now)
    assert now == KEYS.read_text()


def test_every_edge_of_the_graph_leads_to_the_right(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    backwards = [
        f"{dep.asset_key.to_user_string()} -> {spec.key.to_user_string()}"
        for spec in specs.values()
        for dep in spec.deps
        if layer(specs[dep.asset_key]) > layer(spec)
    ]
    assert backwards == []


def test_what_is_read_from_systems_is_cut_into_partitions_and_what_is_built_is_not(
    specs: dict[dg.AssetKey, dg.AssetSpec],
) -> None:
    for key, spec in specs.items():
        assert (spec.partitions_def is not None) == ("api" in spec.kinds), key


def test_publishing_waits_for_every_public_table(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    published = specs[dg.AssetKey(["warehouse", "published"])]
    public = {key for key, spec in specs.items() if key.path[0] in ("core", "marts")}
    derived = {dg.AssetKey(["core", name]) for name in ("failure_families", "test_segments")}
    assert public - {dep.asset_key for dep in published.deps} == derived


def test_every_asset_says_what_it_is(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    silent = [key.to_user_string() for key, spec in specs.items() if spec.kinds and not spec.description]
    assert silent == []


def test_steps_that_write_the_build_database_share_a_pool_of_one(home: Path) -> None:
    job = defs().resolve_job_def("build_warehouse")
    assert {node.definition.pool for node in job.graph.nodes} == {"warehouse"}


def test_what_one_run_reads_can_be_chosen_by_itself(home: Path) -> None:
    """As the sensors and `flakehouse ingest` do: no check that takes in other tables may come along."""
    definitions = defs()
    for contract in contracts():
        for kind in ("window", "snapshot"):
            keys = [
                dg.AssetKey([table.source, table.name]) for table in contract.TABLES if table.kind == kind
            ]
            if keys:
                job = definitions.resolve_implicit_job_def_def_for_assets(keys)
                assert job.get_subset(asset_selection=frozenset(keys)).asset_layer.selected_asset_keys == {
                    *keys
                }


def test_everything_that_goes_on_without_anybody_is_on(home: Path) -> None:
    repository = defs().get_repository_def()
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    schedules = {schedule.name: schedule.default_status for schedule in repository.schedule_defs}
    assert {"connections", "snapshots", "windows", "builds", "alerts"} <= set(sensors)
    assert {"housekeeping_every_hour", "check_lateness_every_quarter_of_an_hour"} <= set(schedules)
    assert {status.value for status in (*sensors.values(), *schedules.values())} == {"RUNNING"}
    assert {schedule.execution_timezone for schedule in repository.schedule_defs} == {"UTC"}
