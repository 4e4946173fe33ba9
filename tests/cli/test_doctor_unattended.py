"""The doctor names each part of what goes on by itself that does not, and what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from pipelines.cli import doctor, unattended
from pipelines.lib.probing import Finding
from pipelines.orchestration import instance
from pipelines.settings import Settings
from tests.orchestration.told_landings import looked, tell

NOW = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith("FLAKEHOUSE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def storage(home: Path) -> dg.DagsterInstance:
    return instance.of(home)


def said(home: Path) -> dict[str, Finding]:
    return dict(unattended.findings(Settings(), NOW))


def beat(storage: dg.DagsterInstance, at: datetime) -> None:
    storage.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), "SENSOR", "a daemon"))


def schedule(storage: dg.DagsterInstance, status: InstigatorStatus) -> InstigatorState:
    location = RegisteredCodeLocationOrigin("flakehouse")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "every_hour")
    data = ScheduleInstigatorData("23 * * * *")
    return storage.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, status, data))


def test_a_home_in_which_nothing_ran_has_nothing_to_do_and_stays_empty(home: Path) -> None:
    assert [(subject, finding.state) for subject, finding in said(home).items()] == [("daemon", "off")]
    assert list(home.iterdir()) == []


def test_who_only_types_commands_needs_no_daemon(home: Path, storage: dg.DagsterInstance) -> None:
    assert {finding.state for finding in said(home).values()} == {"ok", "off"}
    assert said(home)["daemon"].what.startswith("none has run here")


def test_a_deployment_in_which_no_daemon_ever_ran_is_wrong(
    home: Path, storage: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAKEHOUSE_CODE_HOST", "127.0.0.1")
    never = said(home)["daemon"]
    assert never.state == "wrong"
    assert "systemctl enable --now flakehouse-daemon" in never.advice


def test_a_daemon_that_lives_is_ok_and_one_that_died_is_named(
    home: Path, storage: dg.DagsterInstance
) -> None:
    beat(storage, NOW - timedelta(seconds=40))
    assert said(home)["daemon"].state == "ok"
    beat(storage, NOW - timedelta(minutes=10))
    dead = said(home)["daemon"]
    assert (dead.state, dead.what) == ("wrong", "not heard of since 2026-03-11 11:50 UTC")
    assert "systemctl status flakehouse-daemon" in dead.advice


def test_a_code_location_that_does_not_answer_is_named(
    home: Path, storage: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "code location" not in said(home)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("FLAKEHOUSE_CODE_HOST", "127.0.0.1")
        monkeypatch.setenv("FLAKEHOUSE_CODE_PORT", str(port))
        assert said(home)["code location"] == Finding("ok", f"answers at 127.0.0.1:{port}")
    dead = said(home)["code location"]
    assert dead.state == "wrong"
    assert f"127.0.0.1:{port} (Connection refused)" in dead.what
    assert "systemctl status flakehouse-code" in dead.advice


def test_pages_that_do_not_answer_are_named_where_a_daemon_goes(
    home: Path, storage: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("FLAKEHOUSE_UI_URL", f"http://127.0.0.1:{port}")
        assert "webserver" not in said(home)
        beat(storage, NOW)
        assert said(home)["webserver"] == Finding("ok", f"answers at 127.0.0.1:{port}")
    dead = said(home)["webserver"]
    assert dead.state == "wrong"
    assert f"127.0.0.1:{port} (Connection refused)" in dead.what
    assert "systemctl status flakehouse-webserver" in dead.advice
    assert "set FLAKEHOUSE_UI_URL" in dead.advice


def test_a_schedule_that_was_switched_off_is_named(home: Path, storage: dg.DagsterInstance) -> None:
    state = schedule(storage, InstigatorStatus.DECLARED_IN_CODE)
    assert said(home)["sensors and schedules"] == Finding("ok", "1, all on")
    storage.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
    off = said(home)["sensors and schedules"]
    assert (off.state, off.what) == ("wrong", "switched off: every_hour")
    assert "Automation" in off.advice


def test_a_tick_that_failed_is_named_with_its_reason(home: Path, storage: dg.DagsterInstance) -> None:
    state = schedule(storage, InstigatorStatus.DECLARED_IN_CODE)
    assert "every_hour" not in said(home)
    storage.create_tick(
        TickData(
            state.instigator_origin_id,
            "every_hour",
            state.instigator_type,
            TickStatus.FAILURE,
            NOW.timestamp(),
            error=SerializableErrorInfo("RuntimeError: team: no answer\n", [], "RuntimeError"),
            selector_id=state.selector_id,
        )
    )
    failed = said(home)["every_hour"]
    assert failed.what == "failed at 2026-03-11 12:00 UTC: RuntimeError: team: no answer"
    assert failed.state == "wrong"


@pytest.mark.parametrize(
    ("hours", "has_daemon", "state"), [(2, True, "ok"), (4, True, "wrong"), (4, False, "off")]
)
def test_a_build_that_the_lake_has_left_behind_is_named_where_builds_come_by_themselves(
    home: Path, storage: dg.DagsterInstance, hours: int, has_daemon: bool, state: str
) -> None:
    if has_daemon:
        beat(storage, NOW)
    published = home / "warehouse" / "flakehouse.duckdb"
    published.parent.mkdir()
    published.touch()
    at = (NOW - timedelta(hours=6)).timestamp()
    os.utime(published, (at, at))
    assert said(home)["build"].state == "ok"
    tell(home / "raw", "acme", looked("perfecto_lab", "devices", NOW - timedelta(hours=hours)))
    stale = said(home)["build"]
    assert stale.state == state
    if state == "wrong":
        assert (
            stale.what == "published at 2026-03-11 06:00 UTC; the lake has changed since 2026-03-11 08:00 UTC"
        )
        assert "flakehouse build" in stale.advice


@pytest.mark.parametrize(
    ("hours", "has_daemon", "state"), [(2, True, "off"), (4, True, "wrong"), (4, False, "off")]
)
def test_a_first_build_that_never_comes_is_named_where_builds_come_by_themselves(
    home: Path, storage: dg.DagsterInstance, hours: int, has_daemon: bool, state: str
) -> None:
    if has_daemon:
        beat(storage, NOW)
    tell(home / "raw", "acme", looked("perfecto_lab", "devices", NOW - timedelta(hours=hours)))
    tell(home / "raw", "acme", looked("perfecto_lab", "devices", NOW))
    never = said(home)["build"]
    assert never.state == state
    assert never.what.startswith("nothing is published yet")
    if state == "wrong":
        assert never.what.endswith("; the lake has changed since 2026-03-11 08:00 UTC")
        assert "job build_warehouse" in never.advice


def test_a_storage_that_does_not_answer_is_a_line_and_no_end_of_the_others(home: Path) -> None:
    instance.folder(home)
    (home / "dagster" / "history").write_text("in the way")
    found = said(home)
    assert found["dagster's storage"].state == "wrong"
    assert found["dagster's storage"].what.startswith("does not answer: ")
    assert found["build"].state == "off"


def test_variables_of_the_service_that_are_not_set_are_named(home: Path) -> None:
    (home / "dagster").mkdir()
    shutil.copyfile(DEPLOY / "dagster.yaml", home / "dagster" / "dagster.yaml")
    found = said(home)["dagster's storage"]
    assert found.state == "wrong"
    assert "takes FLAKEHOUSE_PG_HOST, FLAKEHOUSE_PG_PORT" in found.what
    assert "deploy/flakehouse doctor" in found.advice


def test_a_lake_that_cannot_be_written_and_a_full_disk_are_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAKEHOUSE_LAKE", "/proc/lake")
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1 << 62)
    lines = {line.subject: str(line) for line in doctor._here(Settings())}
    assert lines["lake"].startswith("wrong    lake: /proc/lake cannot be written")
    assert "set FLAKEHOUSE_LAKE" in lines["lake"]
    assert lines["disk (home)"].startswith("wrong")
    assert lines["disk (home)"].endswith("make room, or choose another disk")
    assert lines["home"].startswith("ok")
