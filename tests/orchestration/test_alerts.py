"""What the sensor finds in Dagster's storage and in the published warehouse, and tells once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.defs.upkeep import alerts, lateness
from pipelines.defs.upkeep.alerts import discoveries, failed_checks, failed_runs
from pipelines.defs.upkeep.cadence import TAG
from pipelines.orchestration.instance import process_tags
from pipelines.settings import Settings
from tests.lib.alerts.receivers import Receiver, webhook
from tests.orchestration.told_landings import looked, perfecto, tell

UI = "http://ui"
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("FLAKEHOUSE_CONNECTIONS", str(tmp_path / "connections.toml"))
    monkeypatch.setenv("FLAKEHOUSE_UI_URL", UI)
    return tmp_path


def run(instance: dg.DagsterInstance, error: str | None, tags: dict[str, str]) -> str:
    """A run that ended, as it would have for a sensor."""

    @dg.op
    def step() -> None:
        if error:
            raise dg.Failure(error, allow_retries=False)

    @dg.job
    def a_job() -> None:
        step()

    return a_job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).run_id


def window(connection: str, day: str) -> dict[str, str]:
    return {TAG: f"window/perfecto_reporting/{connection}/{day}"}


def runs(instance: dg.DagsterInstance) -> list[tuple[str, str]]:
    return [(found.key, found.text) for found in failed_runs(instance, UI, datetime.now(UTC))]


def test_days_of_a_connection_that_failed_are_one_finding_with_the_reason_and_a_link(
    instance: dg.DagsterInstance,
) -> None:
    run(instance, "acme: 503", window("acme", "2026-03-01"))
    last = run(instance, "acme: 502", window("acme", "2026-03-02"))
    run(instance, None, window("beta", "2026-03-01"))
    (found,) = failed_runs(instance, UI, datetime.now(UTC))
    assert (found.key, found.group) == ("run/perfecto_reporting acme", "Failed runs")
    assert found.text == "perfecto_reporting acme (2 days): acme: 502"
    assert found.link == f"{UI}/runs/{last}"


def test_a_day_that_was_read_after_it_failed_is_no_finding_any_more(instance: dg.DagsterInstance) -> None:
    run(instance, "503", window("acme", "2026-03-01"))
    run(instance, None, window("acme", "2026-03-01"))
    assert runs(instance) == []
    run(instance, "503", window("acme", "2026-03-01"))
    assert len(runs(instance)) == 1


def test_a_run_that_was_killed_is_told_as_that(instance: dg.DagsterInstance) -> None:
    @dg.job
    def a_job() -> None: ...

    killed = instance.create_run_for_job(a_job, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(killed)
    assert runs(instance) == [("run/a_job", "a_job: its process was stopped")]
    never_began = instance.create_run_for_job(a_job, status=dg.DagsterRunStatus.STARTING)
    instance.report_run_failed(never_began, "Run timed out due to taking longer than 180 seconds to start.")
    assert runs(instance) == [
        ("run/a_job", "a_job: Run timed out due to taking longer than 180 seconds to start.")
    ]


def test_a_run_that_a_person_typed_is_not_told_to_others(instance: dg.DagsterInstance) -> None:
    run(instance, "503", process_tags())
    assert runs(instance) == []
    run(instance, "no disk", {})
    assert runs(instance) == [("run/a_job", "a_job: no disk")]


def evaluated(
    instance: dg.DagsterInstance, passed: bool, name: str = "tidy", key: str = "table", **result: object
) -> list[alerts.Finding]:
    @dg.asset(key=key.split("/"))
    def table() -> None: ...

    @dg.asset_check(asset=table, name=name)
    def check() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed, **result)

    definitions = dg.Definitions(assets=[table], asset_checks=[check])
    definitions.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    return list(failed_checks(instance, definitions.get_repository_def(), UI))


def test_a_check_that_does_not_pass_is_a_finding_until_it_does(instance: dg.DagsterInstance) -> None:
    (found,) = evaluated(instance, False, description="2 of 100 records rejected")
    assert (found.key, found.group) == ("check/table/tidy", "Failed checks")
    assert found.text == "table: tidy: 2 of 100 records rejected"
    assert found.link == f"{UI}/assets/table?view=checks&checkDetail=tidy"
    assert evaluated(instance, True) == []


def test_each_thing_that_is_late_is_a_finding_of_its_own(instance: dg.DagsterInstance) -> None:
    findings = {"acme noon": "acme: nothing is known after noon", "beta None": "beta: was never read"}
    name, key = "perfecto_lab__devices__fresh", "lake/lateness"
    found = evaluated(instance, False, name=name, key=key, metadata={"findings": findings})
    assert [(each.key, each.group, each.text) for each in found] == [
        ("perfecto_lab__devices/fresh/acme noon", "Late data",
         "perfecto_lab.devices: acme: nothing is known after noon"),
        ("perfecto_lab__devices/fresh/beta None", "Late data", "perfecto_lab.devices: beta: was never read"),
    ]  # fmt: skip
    assert found[0].link == f"{UI}/assets/lake/lateness?view=checks&checkDetail={name}"


def test_the_checks_of_lateness_name_every_table_that_is_late(
    home: Path, instance: dg.DagsterInstance
) -> None:
    (home / "connections.toml").write_text(perfecto("acme"))
    tell(home / "raw", "acme", looked("perfecto_lab", "devices", datetime.now(UTC)), interval_seconds=300)
    definitions = dg.Definitions(assets=[lateness.late_and_missing])
    definitions.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    found = list(failed_checks(instance, definitions.get_repository_def(), UI))
    assert {each.text.partition(": ")[0] for each in found} == {
        "perfecto_reporting.test_executions", "perfecto_reporting.platforms", "perfecto_reporting.commands",
        "perfecto_live.executions", "perfecto_lab.reservations", "perfecto_lab.script_executions",
    }  # fmt: skip
    assert all("acme: was never read, and nobody asked" in each.text for each in found)


def test_from_what_is_late_one_click_leads_to_its_table_and_one_to_the_runs_that_read_it(
    home: Path, instance: dg.DagsterInstance
) -> None:
    (home / "connections.toml").write_text(perfecto("acme"))
    result = dg.materialize([lateness.late_and_missing], instance=instance)
    shown = {each.check_name: each.metadata for each in result.get_asset_check_evaluations()}
    rounds = shown["perfecto_lab__devices__fresh"]
    assert rounds["table"].value == dg.AssetKey(["perfecto_lab", "devices"])
    runs = f"{UI}/runs?q%5B0%5D=tag%3Aflakehouse%2Fcadence%3D"
    assert rounds["runs of acme"].value == f"{runs}snapshot%2Facme"
    days = shown["perfecto_reporting__commands__fresh"]["runs of acme"].value
    assert days == f"{runs}window%2Fperfecto_reporting%2Facme%2F{datetime.now(UTC).date()}"
    assert "runs of acme" not in shown["hcl_test_server__agents__fresh"]
    (page,) = result.get_asset_materialization_events()
    on_page = page.materialization.metadata
    assert "acme: was never read, and nobody asked" in on_page["perfecto_lab.devices__fresh"].value
    assert on_page["not_passed"].value == len(on_page) - 1


Outage = tuple[str, str, str, datetime, datetime, int]
"""scope, its id, connection; from, to; failures"""


def publish(
    home: Path, *reasons: tuple[str, int, bool], regressions: int = 0, outages: tuple[Outage, ...] = ()
) -> None:
    file = home / "warehouse" / "flakehouse.duckdb"
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    with duckdb.connect(file) as warehouse:
        warehouse.execute("create schema marts")
        warehouse.execute("""create table marts.failure_reasons
            (failure_id text, occurrences bigint, is_new boolean, tests bigint, example_message text)""")
        warehouse.execute("""create table marts.test_regressions (connection text, test_name text,
            base_rate double, base_runs bigint, sample_rate double, sample_runs bigint, q_value double,
            is_regression boolean)""")
        for reason in reasons:
            warehouse.execute(
                "insert into marts.failure_reasons values (?, ?, ?, 3, 'No such\n  element')", reason
            )
        for number in range(regressions):
            warehouse.execute(
                "insert into marts.test_regressions values ('acme', ?, .02, 400, .4, 50, .01, true)",
                [f"checkout {number}"],
            )
        warehouse.execute("""create table marts.outages (scope text, scope_id text, connection text,
            started_at timestamp, ended_at timestamp, failures bigint)""")
        for scope, scope_id, connection, began, ended, failures in outages:
            times = [moment.replace(tzinfo=None) for moment in (began, ended)]
            warehouse.execute(
                "insert into marts.outages values (?, ?, ?, ?, ?, ?)",
                [scope, scope_id, connection, *times, failures],
            )
        warehouse.execute("insert into marts.test_regressions values ('acme', 'fine', 0, 9, 0, 9, 1, false)")


def test_new_failure_reasons_over_the_threshold_and_regressions_are_findings(home: Path) -> None:
    assert discoveries(Settings(), 5, NOON) == []
    publish(home, ("a", 5, True), ("b", 4, True), ("c", 90, False), regressions=1)
    reason, regression = discoveries(Settings(), 5, NOON)
    assert (reason.key, reason.text) == ("reason/a", "5 runs of 3 tests: No such element")
    assert regression.key == "regression/acme/checkout 0"
    assert regression.text == "acme: checkout 0 fails 40% of 50 runs, before 2% of 400"


def out(scope: str, scope_id: str, hours_ago: float, minutes: float = 30, failures: int = 4) -> Outage:
    began = NOON - timedelta(hours=hours_ago)
    return scope, scope_id, "acme", began, began + timedelta(minutes=minutes), failures


def test_what_was_out_in_the_last_day_is_a_finding_and_what_was_out_before_is_none(home: Path) -> None:
    days_ago = (out("device", "d3", 24.6), out("connection", "acme", 240))
    publish(home, outages=(out("device", "d1", 5), out("connection", "acme", 2, failures=1), *days_ago))
    device, connection = discoveries(Settings(), 5, NOON)
    assert (device.key, device.group) == ("outage/acme/device/d1", "Outages")
    assert device.text == (
        "acme: device d1 was out, 2026-03-11 07:00 to 2026-03-11 07:30 UTC: "
        "4 test runs failed for no fault of theirs"
    )
    assert connection.key == "outage/acme/connection/acme"
    assert connection.text.startswith("acme: the connection was out, 2026-03-11 10:00 to")
    assert "1 test run failed" in connection.text
    assert device.link == f"{UI}/assets/marts/outages"


def test_a_device_that_is_out_again_and_again_is_one_finding_that_lasts(home: Path) -> None:
    publish(home, outages=(out("device", "d1", 5),))
    (once,) = discoveries(Settings(), 5, NOON)
    publish(home, outages=(out("device", "d1", 5), out("device", "d1", 3)))
    (again,) = discoveries(Settings(), 5, NOON)
    assert again.key == once.key
    assert "was out 2 times, 2026-03-11 07:00 to 2026-03-11 09:30 UTC: 8 test runs" in again.text


# --- the sensor --------------------------------------------------------------------------------------------------


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
        run(instance, "503", window("acme", "2026-03-01"))
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
        run(instance, "503", window("acme", "2026-03-01"))
        with pytest.raises(RuntimeError, match=r"^alerts\.broken: HTTP 503; [^/]*$"):
            tick(instance)
        broken.status = 200
        tick(instance)
        tick(instance)
    assert len(well.posts) == 1
    assert len(broken.posts) == 2


def test_without_alerts_or_with_a_wrong_file_nothing_is_done_and_it_is_said(
    home: Path, instance: dg.DagsterInstance
) -> None:
    (home / "connections.toml").write_text("")
    assert tick(instance) == "connections.toml names no [alerts.*]"
    (home / "connections.toml").write_text("[alerts.team]\nkind = 'slack'\n")
    assert tick(instance).endswith("[alerts.team]: url is missing")
    assert not (home / "alerts.json").exists()


def test_the_sensor_is_on_by_itself() -> None:
    assert alerts.alerts.default_status == dg.DefaultSensorStatus.RUNNING
    assert timedelta(seconds=alerts.alerts.minimum_interval_seconds) <= timedelta(minutes=2)
