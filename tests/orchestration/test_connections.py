"""Partitions follow the connections file."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from pipelines.orchestration.connections import KINDS, ConfiguredConnections, connections_sensor
from pipelines.settings import SettingsError

ACME = '[perfecto.acme]\napp_url = "http://127.0.0.1:1"\ntoken = "t"\n'
BETA = '[perfecto.beta]\napp_url = "http://127.0.0.1:1"\ntoken = "t"\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "connections.toml"
    monkeypatch.setenv("FLAKEHOUSE_CONNECTIONS", str(path))
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(tmp_path))
    return path


def tick(instance: dg.DagsterInstance) -> dg.SensorResult:
    """Evaluate the sensor, and do what it asks for, as the daemon would."""
    result = connections_sensor(dg.build_sensor_context(instance=instance))
    for request in result.dynamic_partitions_requests or []:
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        else:
            for key in request.partition_keys:
                instance.delete_dynamic_partition(request.partitions_def_name, key)
    return result


def test_every_kind_of_connection_is_known() -> None:
    assert KINDS == ("enterprise_tester", "hcl", "perfecto")


def test_connections_come_and_go_with_the_file(file: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        file.write_text(ACME)
        tick(instance)
        assert instance.get_dynamic_partitions("perfecto") == ["acme"]
        file.write_text(ACME + BETA)
        tick(instance)
        assert sorted(instance.get_dynamic_partitions("perfecto")) == ["acme", "beta"]
        file.write_text(BETA)
        tick(instance)
        assert instance.get_dynamic_partitions("perfecto") == ["beta"]
        assert instance.get_dynamic_partitions("hcl") == []


def test_a_connection_with_a_mistake_keeps_its_partitions_and_holds_up_no_other(file: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        file.write_text(ACME)
        tick(instance)
        for mistake in (ACME + "app_urll = 1\n", ACME.replace("perfecto", "perfekto")):
            file.write_text(mistake + BETA)
            tick(instance)
            assert sorted(instance.get_dynamic_partitions("perfecto")) == ["acme", "beta"]
        file.write_text(BETA)
        tick(instance)
        assert instance.get_dynamic_partitions("perfecto") == ["beta"]


def test_a_file_that_is_missing_or_no_toml_changes_nothing_and_fails_the_tick(file: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        file.write_text(ACME)
        tick(instance)
        file.write_text(ACME + "[")
        with pytest.raises(SettingsError, match="not valid TOML"):
            tick(instance)
        file.unlink()
        with pytest.raises(SettingsError, match="not found"):
            tick(instance)
        assert instance.get_dynamic_partitions("perfecto") == ["acme"]


def test_a_run_uses_its_connection_whatever_is_wrong_with_another(file: Path) -> None:
    def of(name: str) -> object:
        context = dg.build_asset_context(partition_key=name)
        return ConfiguredConnections().of_partition(context)

    file.write_text(ACME + "app_urll = 1\n" + BETA)
    assert of("beta").name == "beta"
    with pytest.raises(SettingsError, match="unknown key app_urll"):
        of("acme")
    with pytest.raises(SettingsError, match="no connection is called 'gamma' any more"):
        of("gamma")
