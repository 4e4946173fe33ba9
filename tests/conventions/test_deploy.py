"""What lies in deploy/ agrees with itself and with what `make dev` does."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml

from pipelines.orchestration.instance import SETTINGS

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PARTS = {"code": "dagster api grpc", "daemon": "dagster-daemon run", "webserver": "dagster-webserver"}


def named(text: str) -> set[str]:
    return set(re.findall(r"\bFLAKEHOUSE_\w+|\bDAGSTER_HOME\b", text))


def test_runs_are_limited_and_watched_as_they_are_in_make_dev() -> None:
    ours, theirs = yaml.safe_load(SETTINGS), yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert {key: theirs[key] for key in ours} == ours
    assert theirs["storage"].keys() == {"postgres"}


def test_every_variable_that_a_file_takes_is_in_the_example() -> None:
    example = named((DEPLOY / "flakehouse.env.example").read_text())
    for file in ("dagster.yaml", "workspace.yaml", "begin"):
        taken = set(re.findall(r"env: (\w+)|\$\{?(FLAKEHOUSE_\w+|DAGSTER_HOME)", (DEPLOY / file).read_text()))
        assert {first or second for first, second in taken} <= example, file


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_its_part_with_the_same_port_and_without_rights_that_it_does_not_need(
    unit: Path,
) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(unit)
    service = parser["Service"]
    assert PARTS[unit.stem.partition("-")[2]] in service["ExecStart"]
    assert service["Restart"] == "always"
    assert service["User"] == "flakehouse"
    for bound in re.findall(r"-h (\S+)", service["ExecStart"]):
        assert bound == "127.0.0.1"


def test_the_three_parts_are_units_and_services() -> None:
    assert {unit.stem.partition("-")[2] for unit in UNITS} == set(PARTS)
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert set(PARTS) < set(services)
    for name, command in PARTS.items():
        assert command in services[name]["command"]
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"]
    assert "-p ${FLAKEHOUSE_CODE_PORT}" in (DEPLOY / "systemd" / "flakehouse-code.service").read_text()
    (port,) = re.findall(r"FLAKEHOUSE_CODE_PORT=(\d+)", (DEPLOY / "flakehouse.env.example").read_text())
    assert f"-p {port}" in services["code"]["command"]
