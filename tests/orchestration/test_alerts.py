"""What is found is told once to each who is to know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.upkeep import alerts
from pipelines.lib.alerts.telling import Memory
from pipelines.settings import SettingsError
from tests.lib.alerts.receivers import Receiver, webhook
from tests.orchestration.found import FIRST, publish, read


def tick(instance: dg.DagsterInstance) -> str:
    return alerts.alerts(dg.build_sensor_context(instance=instance)).skip_message


def configured(home: Path, **receivers: Receiver) -> None:
    tables = (f'[alerts.{name}]\nkind = "webhook"\nurl = "{each.url}"\n' for name, each in receivers.items())
    (home / "connections.toml").write_text("".join(tables))


def told(receiver: Receiver) -> list[list[str]]:
    return [
        [finding["key"] for group in post["groups"] for finding in group["findings"]]
        for post in receiver.posts
    ]


def test_each_finding_is_told_once_to_each_destination_also_after_a_restart(
    home: Path, instance: dg.DagsterInstance
) -> None:
    with webhook() as team, webhook() as boss:
        configured(home, team=team, boss=boss)
        publish(home, ("a", 9, True))
        read(instance, "503", "acme", FIRST)
        for _ in range(3):
            tick(instance)
        assert told(team) == told(boss) == [["run/perfecto_reporting acme", "reason/a"]]
        now = datetime.now(UTC)
        lost = ("device", "d1", "acme", now - timedelta(hours=2), now - timedelta(hours=1), 3)
        for _ in range(2):
            publish(home, ("a", 9, True), regressions=2, outages=(lost,))
            tick(instance)
        assert told(team)[1:] == [
            ["regression/acme/checkout 0", "regression/acme/checkout 1", "outage/acme/device/d1"]
        ]


def test_one_that_could_not_be_told_is_told_later_and_the_others_need_not_wait(
    home: Path, instance: dg.DagsterInstance
) -> None:
    with webhook(status=503) as broken, webhook() as well:
        configured(home, broken=broken, well=well)
        read(instance, "503", "acme", FIRST)
        with pytest.raises(RuntimeError, match=r"^alerts\.broken: HTTP 503; [^/]*$"):
            tick(instance)
        broken.status = 200
        tick(instance)
        tick(instance)
    assert len(well.posts) == 1
    assert len(broken.posts) == 2


def test_a_warehouse_that_cannot_be_read_is_told_and_so_is_everything_else(
    home: Path, instance: dg.DagsterInstance
) -> None:
    publish(home)
    (home / "warehouse" / "flakehouse.duckdb").write_bytes(b"no database at all" * 1000)
    read(instance, "503", "acme", FIRST)
    with webhook() as team:
        configured(home, team=team)
        tick(instance)
        tick(instance)
    assert told(team) == [["run/perfecto_reporting acme", "unreadable/the published warehouse"]]


def test_without_alerts_nothing_is_done_and_it_is_said(home: Path, instance: dg.DagsterInstance) -> None:
    (home / "connections.toml").write_text("")
    assert tick(instance) == "connections.toml names no [alerts.*]"
    assert not (home / "alerts.json").exists()


def test_a_connection_with_a_mistake_is_a_finding(home: Path, instance: dg.DagsterInstance) -> None:
    with webhook() as team:
        configured(home, team=team)
        with (home / "connections.toml").open("a") as file:
            file.write('[perfecto.acme]\ntokn = "x"\n[alerts.boss]\nkind = "slack"\n')
        tick(instance)
        tick(instance)
    assert told(team) == [["settings/alerts.boss", "settings/perfecto.acme"]]
    assert "unknown key tokn; did you mean token?" in str(team.posts)


def test_who_was_to_be_told_is_told_that_the_file_cannot_be_read_any_more(
    home: Path, instance: dg.DagsterInstance
) -> None:
    file = home / "connections.toml"
    with webhook() as team:
        configured(home, team=team)
        tick(instance)
        for mistake in ("[", '[alerts.team]\nkind = "slak"\n'):
            file.write_text(mistake)
            tick(instance)
        assert told(team) == [["settings/connections.toml"], ["settings/alerts.team"]]
        configured(home)
        assert tick(instance) == "connections.toml names no [alerts.*]"


@pytest.mark.parametrize(("text", "said"), [("[", "not valid TOML"), ("[alerts.a]\n", "kind is missing")])
def test_where_nobody_can_be_told_of_a_mistake_the_tick_fails(
    home: Path, instance: dg.DagsterInstance, text: str, said: str
) -> None:
    (home / "connections.toml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        tick(instance)


def test_two_ticks_never_tell_at_once(home: Path, instance: dg.DagsterInstance) -> None:
    read(instance, "503", "acme", FIRST)
    with webhook() as team:
        configured(home, team=team)
        with Memory(home / "alerts.json").alone() as is_alone:
            assert is_alone
            assert tick(instance) == "the tick before this one is still telling"
        assert team.posts == []
        tick(instance)
    assert len(team.posts) == 1


def test_the_sensor_is_on_by_itself() -> None:
    assert alerts.alerts.default_status == dg.DefaultSensorStatus.RUNNING
    assert timedelta(seconds=alerts.alerts.minimum_interval_seconds) <= timedelta(minutes=2)
