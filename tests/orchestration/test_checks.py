"""Drift is a warning that names the field; too many rejects fail the partition's check. Both as Dagster shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.defs.sources.perfecto_reporting.assets import test_executions as executions_asset
from pipelines.orchestration import partitions
from pipelines.orchestration.connections import ConfiguredConnections
from pipelines.orchestration.lake import Lake
from pipelines.settings import Settings, SettingsError
from tests.lib.landing_of import DAY, column, rows, test
from tests.lib.scripted_server import Reply, serving

Checks = dict[tuple[str, str], dg.AssetCheckEvaluation]
Land = Callable[..., Checks]


@pytest.fixture
def land(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Land:
    def materialise(*records: dict[str, Any], **settings: float) -> Checks:
        """Lands a day of these records through Dagster; its checks by table and name."""
        body = json.dumps({"resources": records, "metadata": {"truncated": False}}).encode()
        with serving(Reply(body=body)) as server:
            file = tmp_path / "connections.toml"
            file.write_text(f'[perfecto.acme]\napp_url = "{server.url}"\ntoken = "t"\n')
            monkeypatch.setenv("FLAKEHOUSE_CONNECTIONS", str(file))
            with dg.DagsterInstance.ephemeral() as instance:
                instance.add_dynamic_partitions("perfecto", ["acme"])
                result = dg.materialize(
                    [executions_asset],
                    partition_key=partitions.key(DAY, "acme"),
                    instance=instance,
                    resources={
                        "lake": Lake(root=str(tmp_path / "raw"), **settings),
                        "connections": ConfiguredConnections(),
                    },
                )
        assert result.success
        return {(c.asset_key.path[-1], c.check_name): c for c in result.get_asset_check_evaluations()}

    return materialise


def test_a_field_that_nobody_declared_warns_by_its_name_and_is_kept(land: Land, tmp_path: Path) -> None:
    checks = land(test("a", novelty=[1], platforms=[{"deviceId": "x", "colour": "red"}]), test("b"))
    for table, field in (("test_executions", "novelty"), ("platforms", "colour")):
        check = checks[table, "declared_fields"]
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert check.metadata["undeclared_fields"].value == {field: 1}
        assert field in (check.description or "")
    assert '"novelty": [1]' in column(tmp_path / "raw", "test_executions", "_raw")["a"]
    assert checks["test_executions", "records_accepted"].passed


def test_a_changed_type_rejects_the_record_with_its_reason_and_fails_the_check(
    land: Land, tmp_path: Path
) -> None:
    checks = land(*[test(str(number)) for number in range(98)], test("x", name=5), test("y", tags="red"))
    check = checks["test_executions", "records_accepted"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.metadata["share"].value == 0.02
    assert "2 of 100 records rejected" in (check.description or "")
    errors = sorted(row["error"] for row in rows(tmp_path / "raw", "test_executions__rejected"))
    assert errors == [
        "Expected `array | null`, got `str` - at `$.tags`",
        "Expected `str | null`, got `int` - at `$.name`",
    ]
    assert len(rows(tmp_path / "raw", "test_executions")) == 98


def test_a_share_within_the_limit_passes_and_the_limit_is_a_setting(land: Land) -> None:
    records = [*[test(str(number)) for number in range(98)], test("x", name=5), test("y", tags="red")]
    assert land(*records[:99])["test_executions", "records_accepted"].passed is False
    assert land(*records, most_rejected=0.02)["test_executions", "records_accepted"].passed
    assert land(*records[:98])["test_executions", "records_accepted"].passed


def test_the_limit_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().most_rejected == 0.01
    monkeypatch.setenv("FLAKEHOUSE_MOST_REJECTED", "0.2")
    assert Settings().most_rejected == 0.2
    monkeypatch.setenv("FLAKEHOUSE_MOST_REJECTED", "many")
    with pytest.raises(SettingsError, match="FLAKEHOUSE_MOST_REJECTED: "):
        Settings()
