"""The deployment from its first minute: what a lab has is read, built, published and reported, and nobody lends a hand.

Then each part is broken on purpose, and the doctor names it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus

from pipelines.defs.sources import contracts
from pipelines.defs.upkeep import BUILD_JOB
from pipelines.defs.upkeep.cadence import TAG
from pipelines.lib import landings
from pipelines.report.writing import report_of
from simlab.server import Lab, LabConfig, start
from tests.orchestration.told_landings import looked, tell
from tests.proofs.deployment import CONNECTIONS, Deployment, deployed, tell_of_days, until

pytestmark = pytest.mark.proof

LAB_DAYS = 3
MINUTES = 20 * 60


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with start(LabConfig(days=LAB_DAYS)) as lab:
        yield lab


@pytest.fixture(scope="module")
def deployment(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    connections = folder / "connections.toml"
    settings, parts = {"FLAKEHOUSE_BUILD_EVERY_MINUTES": "5"}, ("code", "daemon", "webserver")
    with deployed(folder, connections, settings, parts) as deployment:
        tell_of_days(deployment.home / "raw", range(LAB_DAYS, 31), datetime.now(UTC))
        connections.write_text(lab.connections_toml)
        yield deployment


def test_what_comes_is_read_built_published_and_reported_without_a_hand(
    deployment: Deployment, figures: list[str]
) -> None:
    began = datetime.now(UTC)
    published = deployment.home / "warehouse" / "flakehouse.duckdb"
    until(lambda: is_read(deployment.home / "raw"), "the days are read", MINUTES)
    read = datetime.now(UTC)
    until(
        lambda: published.exists() and published.stat().st_mtime > read.timestamp(),
        "it is published",
        MINUTES,
    )
    took = datetime.now(UTC) - began
    until(report_of(deployment.home / "reports", read).exists, "it is reported", MINUTES)
    with deployment.instance() as instance:
        runs = instance.get_runs()
        assert all(TAG in run.tags or "dagster/schedule_name" in run.tags for run in runs), "a hand was lent"
        assert any(run.job_name == BUILD_JOB for run in runs)
        failed = [run for run in runs if run.status == dg.DagsterRunStatus.FAILURE]
        assert failed == []
    with duckdb.connect(published, read_only=True) as warehouse:
        days = warehouse.sql(
            "select count(distinct started_date), count(*) from core.fct_test_runs where source_name = 'perfecto'"
        ).fetchone()
    assert days[0] == LAB_DAYS
    figures.append(
        f"{days[1]:,} test runs of {days[0]} days published {took.seconds} s after the lab was connected, by "
        f"{len(runs)} runs that none but sensors and schedules asked for; the report followed"
    )


def test_what_is_published_can_be_read_by_the_group_and_by_nobody_else(deployment: Deployment) -> None:
    home = deployment.home
    files = [
        home / "warehouse" / "flakehouse.duckdb",
        *(home / "marts").resolve().rglob("*.parquet"),
        *(home / "reports").glob("*.html"),
    ]
    assert len(files) > 10
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o640"}
    folders = {folder for file in files for folder in file.parents if folder.is_relative_to(home)} - {home}
    assert {oct(folder.stat().st_mode & 0o777) for folder in folders} == {"0o750"}


def is_read(lake: Path) -> bool:
    now = datetime.now(UTC)
    known = landings.newest_of_days(lake, now.date() - timedelta(days=LAB_DAYS), now)
    return all(
        now.date() - timedelta(days=age)
        in known.get((table.source, table.name, CONNECTIONS[contract.KIND]), {})
        for contract in contracts()
        for table in contract.TABLES
        for age in range(LAB_DAYS)
        if table.kind == "window"
    )


# --- the doctor ------------------------------------------------------------------------------------------------


def lines(deployment: Deployment, subject: str) -> tuple[int, list[str]]:
    code, said = deployment.doctor()
    return code, [line for line in said.splitlines() if f" {subject}: " in line]


def test_the_doctor_has_nothing_to_say_of_a_deployment_that_goes_well(deployment: Deployment) -> None:
    code, said = deployment.doctor()
    assert code == 0, said
    parts = ("dagster's storage", "daemon", "code location", "webserver")
    for subject in (*parts, "sensors and schedules", "build"):
        (line,) = [line for line in said.splitlines() if f" {subject}: " in line]
        assert line.startswith("ok"), line


def test_a_dead_daemon_is_named(deployment: Deployment) -> None:
    unit = deployment.units["daemon"]
    unit.stop()
    until(lambda: lines(deployment, "daemon")[1][0].startswith("wrong"), "it is missed", 240)
    code, (line,) = lines(deployment, "daemon")
    assert code == 1
    assert "not heard of since" in line
    assert "systemctl status flakehouse-daemon" in line
    unit.start()
    until(lambda: lines(deployment, "daemon")[1][0].startswith("ok"), "it is heard of again", 240)


def test_a_dead_code_location_is_named(deployment: Deployment) -> None:
    unit = deployment.units["code"]
    unit.stop()
    code, (line,) = lines(deployment, "code location")
    assert code == 1
    assert "nothing answers at 127.0.0.1:" in line
    unit.start()
    until(lambda: lines(deployment, "code location")[1][0].startswith("ok"), "it answers again", 240)


def test_dead_pages_are_named(deployment: Deployment) -> None:
    unit = deployment.units["webserver"]
    unit.stop()
    code, (line,) = lines(deployment, "webserver")
    assert code == 1
    assert line.startswith("wrong    webserver: nothing answers at 127.0.0.1:")
    unit.start()
    until(lambda: lines(deployment, "webserver")[1][0].startswith("ok"), "they answer again", 240)


def test_a_database_that_is_away_is_named_and_without_a_secret(deployment: Deployment) -> None:
    deployment.postgres.stop_at_once()
    code, said = deployment.doctor()
    deployment.postgres.start()
    (line,) = [line for line in said.splitlines() if " dagster's storage: " in line]
    assert code == 1
    assert line.startswith("wrong")
    assert "Connection refused" in line
    assert "systemctl status postgresql" in line
    assert deployment.postgres.password not in said
    until(lambda: lines(deployment, "daemon")[1][0].startswith("ok"), "the daemon has found it again", 240)


def test_a_schedule_that_is_off_is_named(deployment: Deployment) -> None:
    with deployment.instance() as instance:
        name = "check_lateness_every_quarter_of_an_hour"
        (state,) = [each for each in instance.all_instigator_state() if each.instigator_name == name]
        instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
        code, (line,) = lines(deployment, "sensors and schedules")
        instance.update_instigator_state(state)
    assert code == 1
    assert line.startswith(f"wrong    sensors and schedules: switched off: {name}")


def test_a_build_that_never_comes_is_named(deployment: Deployment) -> None:
    published = deployment.home / "warehouse" / "flakehouse.duckdb"
    now = published.stat()
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    tell(
        deployment.home / "raw", "acme", looked("perfecto_lab", "devices", an_hour_ago), interval_seconds=300
    )
    then = (an_hour_ago - timedelta(hours=1)).timestamp()
    os.utime(published, (then, then))
    code, (line,) = lines(deployment, "build")
    os.utime(published, (now.st_atime, now.st_mtime))
    assert code == 1
    assert line.startswith("wrong")
    assert f"the lake has changed since {an_hour_ago:%Y-%m-%d %H:%M} UTC" in line


def test_a_disk_that_is_full_and_a_lake_that_is_read_only_are_named(deployment: Deployment) -> None:
    lake = deployment.home / "raw"
    script = f'mount -t tmpfs -o size=4m,ro tmpfs "{lake}" && exec "$0" doctor'
    code, said = deployment.doctor(["unshare", "--mount", "sh", "-c", script])
    found = said.splitlines()
    assert code == 1
    assert any(line.startswith(f"wrong    lake: {lake} cannot be written (Read-only") for line in found), said
    assert any(line.startswith("wrong    disk (lake): 0.0 GB free") for line in found), said
    assert any(line.startswith("ok       home") for line in found), said


def test_a_process_that_is_killed_is_started_again_and_the_doctor_is_content(deployment: Deployment) -> None:
    for unit in deployment.units.values():
        starts = unit.starts
        unit.end(signal.SIGKILL)
        until(lambda unit=unit, starts=starts: unit.starts > starts, f"{unit.name} is started again", 60)
    until(lambda: deployment.doctor()[0] == 0, "all is well again", 600)
