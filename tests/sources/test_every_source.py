"""Every source there is, found by its folder: its tables are assets, and each lands what its lab has."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from pipelines.defs.sources import contracts
from pipelines.lib.ingest_partitions import INGEST_PARTITIONS
from pipelines.orchestration.connections import ConfiguredConnections
from pipelines.orchestration.lake import Lake
from simlab.server import Lab
from tests.simlab.serving import serving
from tests.simlab.tiny_world import (
    HOUR,
    MINUTE,
    NOON,
    TinyEnterpriseTester,
    TinyHcl,
    TinyPerfecto,
    assignment,
    script_run,
    test_run,
)
from tests.sources.hcl_test_server.test_executions import execution
from tests.sources.lab_and_lake import everything_written, held

DAY = "2026-03-02"
CONNECTIONS = {"perfecto": "acme", "hcl": "ots", "enterprise_tester": "et"}
FIRST = assignment("first")
# Nothing runs long enough for these to hold anything at the one moment that is observed.
MAY_BE_EMPTY = {("hcl_test_server", "execution_logs"), ("perfecto_lab", "reservations")}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    runs = [test_run(1, NOON), test_run(2, NOON + 59 * MINUTE, ended_at=NOON + 2 * HOUR)]
    executions = [execution("done", NOON), execution("running", NOON + 55 * MINUTE)]
    with serving(
        TinyPerfecto(runs),
        TinyHcl(executions),
        TinyEnterpriseTester([script_run("run", FIRST, NOON)], [FIRST]),
    ) as lab:
        yield lab


@pytest.fixture
def home(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    connections = tmp_path / "connections.toml"
    connections.write_text(lab.connections_toml)
    monkeypatch.setenv("FLAKEHOUSE_CONNECTIONS", str(connections))
    return tmp_path


@pytest.mark.parametrize("contract", list(contracts()), ids=lambda contract: contract.SOURCE)
def test_a_sources_tables_are_its_assets_and_each_lands(contract: ModuleType, home: Path) -> None:
    assets = dg.load_assets_from_modules([import_module(contract.__name__.replace(".contract", ".assets"))])
    keys = {key for asset in assets for key in asset.keys}
    assert keys == {dg.AssetKey([table.source, table.name]) for table in contract.TABLES}

    lake, connection = home / "raw", CONNECTIONS[contract.KIND]
    resources = {"lake": Lake(root=str(lake)), "connections": ConfiguredConnections()}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(contract.KIND, [connection])
        for kind in ("window", "snapshot"):
            tables = {dg.AssetKey([t.source, t.name]) for t in contract.TABLES if t.kind == kind}
            chosen = [asset for asset in assets if asset.keys <= tables]
            if chosen:
                key = (
                    dg.MultiPartitionKey({"day": DAY, "connection": connection})
                    if kind == "window"
                    else connection
                )
                result = dg.materialize(chosen, partition_key=key, instance=instance, resources=resources)
                assert all(check.passed for check in result.get_asset_check_evaluations())

    for table in contract.TABLES:
        assert held(lake, table) or (table.source, table.name) in MAY_BE_EMPTY, table.name
    noted = {(row["source_name"], row["table_name"]) for row in held(lake, INGEST_PARTITIONS)}
    assert noted == {(table.source, table.name) for table in contract.TABLES}
    for token in ("offline-token", "password", "synthetic-client-key", "+1-555-0100", "02:00:00:00:00:01"):
        assert token not in everything_written(lake)


@pytest.mark.parametrize("contract", list(contracts()), ids=lambda contract: contract.SOURCE)
def test_a_source_is_described_beside_its_code(contract: ModuleType) -> None:
    folder = Path(contract.__file__ or "").parent
    readme = (folder / "README.md").read_text(encoding="utf-8")

    assert folder.name == contract.SOURCE
    assert readme.startswith(f"# {contract.SOURCE}: ")
    for table in contract.TABLES:
        assert f"`{table.name}`" in readme
