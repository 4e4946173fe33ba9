"""What the sensor finds in Dagster's storage and in the published warehouse, and tells once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.defs.upkeep import BUILD_JOB, alerts, lateness
from pipelines.defs.upkeep.cadence import TAG
from pipelines.defs.upkeep.discovered import discoveries, of_lake
from pipelines.defs.upkeep.failed import failed_checks, failed_runs
from pipelines.lib.alerts import Finding
from pipelines.lib.alerts.telling import Memory
from pipelines.lib.ingest_partitions import ONLY_CHANGES
from pipelines.orchestration.instance import process_tags
from pipelines.settings import Settings, SettingsError
from tests.lib.alerts.receivers import Receiver, webhook
from tests.orchestration.told_landings import day_landed, looked, perfecto, tell

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


def test_a_build_that_fails_again_after_a_good_one_is_another_finding_and_one_that_goes_on_failing_is_not(
    instance: dg.DagsterInstance,
) -> None:
    @dg.job(name=BUILD_JOB)
    def a_build() -> None: ...

    def build(status: dg.DagsterRunStatus, **tags: str) -> None:
        ended = instance.create_run_for_job(a_build, status=status, tags={TAG: "build", **tags})
        if status == dg.DagsterRunStatus.STARTED:
            instance.report_run_failed(ended)

    good, bad = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.STARTED
    build(bad)
    ((first, _),) = runs(instance)
    build(bad)
    assert [key for key, _ in runs(instance)] == [first]
    build(good)
    assert runs(instance) == []
    build(bad)
    ((second, text),) = runs(instance)
    assert second != first
    assert text == "build: its process was stopped"
    build(good, **process_tags())  # somebody typed it, and it is published
    assert runs(instance) == []


def evaluated(
    instance: dg.DagsterInstance, passed: bool, name: str = "tidy", key: str = "table", **result: object
) -> list[Finding]:
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


def test_the_checks_of_a_landing_are_not_taken_from_whichever_connection_and_day_came_last(
    instance: dg.DagsterInstance,
) -> None:
    assert evaluated(instance, False, name="records_accepted", key="perfecto_reporting/platforms") == []


# --- landings ----------------------------------------------------------------------------------------------------

REPORTING = "perfecto_reporting"
HOUR = timedelta(hours=1)


def landed(home: Path, connection: str, table: str, days_ago: int, at: datetime, **facts: object) -> None:
    tell(
        home / "raw",
        connection,
        day_landed(REPORTING, table, NOON.date() - timedelta(days=days_ago), at, **facts),
    )


def of_landings(now: datetime = NOON) -> list[tuple[str, str]]:
    return [(found.key, found.text) for found in of_lake(Settings(), now)]


def test_too_many_rejects_are_told_of_each_connection_whatever_was_read_after_them(home: Path) -> None:
    bad = {"received": 98, "rejected": 2}
    landed(home, "acme", "platforms", 0, NOON - HOUR, **bad)
    landed(home, "acme", "platforms", 1, NOON - HOUR / 2, received=100, rejected=1)
    landed(home, "beta", "platforms", 0, NOON - HOUR / 3, received=100)
    key = "check/perfecto_reporting.platforms/records_accepted"
    said = "2 of 100 records rejected; why is in platforms__rejected"
    acme = (f"{key}/acme", f"perfecto_reporting.platforms: acme, 2026-03-11: {said}")
    assert of_landings() == [acme]
    landed(home, "beta", "platforms", 1, NOON - HOUR / 4, **bad)
    landed(home, "beta", "platforms", 2, NOON - HOUR / 5, **bad)
    beta = (f"{key}/beta", f"perfecto_reporting.platforms: beta, 2026-03-10 and 1 more day: {said}")
    assert of_landings() == [acme, beta]
    landed(home, "acme", "platforms", 0, NOON - HOUR / 6, received=100)
    assert of_landings() == [beta]
    assert of_landings(NOON + 24 * HOUR) == []


def test_each_field_that_no_contract_names_is_a_finding_so_that_the_next_one_is_news(home: Path) -> None:
    landed(home, "acme", "commands", 0, NOON - HOUR, undeclared_fields=["colour"])
    key = "check/perfecto_reporting.commands/declared_fields/acme"
    assert [each for each, _ in of_landings()] == [f"{key}/colour"]
    landed(home, "acme", "commands", 1, NOON - HOUR, undeclared_fields=["colour", "smell"])
    (_, text), (smell, _) = of_landings()
    assert smell == f"{key}/smell"
    assert text == (
        "perfecto_reporting.commands: acme, 2026-03-11 and 1 more day: "
        "the contract does not name the field colour; it is in _raw"
    )


def test_an_answer_in_part_is_told_once_asking_again_has_not_mended_it(home: Path) -> None:
    part = {"is_complete": False, "note": "one page is missing"}
    landed(home, "acme", "commands", 0, NOON - 5 * HOUR)
    landed(home, "acme", "commands", 0, NOON - 1.5 * HOUR, **part)
    landed(home, "acme", "commands", 1, NOON - 5 * HOUR, **part)
    landed(home, "acme", "commands", 1, NOON - HOUR)
    landed(home, "acme", "commands", 2, NOON - 5 * HOUR, note="nobody was asked", is_complete=False)
    assert of_landings() == []
    landed(home, "acme", "commands", 0, NOON - HOUR, **part)
    assert of_landings() == []
    ((key, text),) = of_landings(NOON + HOUR)
    assert key == "check/perfecto_reporting.commands/answer_complete/acme"
    assert text == (
        "perfecto_reporting.commands: acme, 2026-03-11: "
        "the source has told only a part since 2026-03-11 10:30 UTC: one page is missing"
    )
    landed(home, "acme", "commands", 0, NOON)
    assert of_landings(NOON + HOUR) == []


def test_what_failed_or_came_along_with_another_day_says_nothing_of_a_day(home: Path) -> None:
    bad = {"received": 98, "rejected": 2}
    landed(home, "acme", "commands", 0, NOON - HOUR, **bad)
    landed(home, "acme", "commands", 0, NOON - HOUR / 2, error="503", rejected=None, received=None)
    landed(home, "acme", "commands", 0, NOON - HOUR / 3, note=ONLY_CHANGES, is_complete=False)
    ((key, _),) = of_landings()
    assert key.endswith("records_accepted/acme")


def test_a_round_is_told_by_its_newest(home: Path) -> None:
    round_ = looked("perfecto_lab", "devices", NOON - HOUR, received=1, rejected=1)
    tell(home / "raw", "acme", round_, interval_seconds=300)
    ((_, text),) = of_landings()
    assert text.startswith("perfecto_lab.devices: acme, the last round: 1 of 2 records rejected")
    tell(home / "raw", "acme", looked("perfecto_lab", "devices", NOON), interval_seconds=300)
    assert of_landings() == []


def test_a_lake_that_cannot_be_read_is_a_finding(home: Path) -> None:
    landed(home, "acme", "commands", 0, NOON - HOUR)
    (file,) = (home / "raw").rglob("*.parquet")
    file.write_bytes(b"")
    ((key, text),) = of_landings()
    assert key == "unreadable/the lake"
    assert text.startswith("the lake cannot be read: ")


def test_a_warehouse_that_the_lake_has_left_behind_is_a_finding_once_three_builds_were_missed(
    home: Path,
) -> None:
    publish(home)
    then = (NOON - 9 * HOUR).timestamp()
    os.utime(home / "warehouse" / "flakehouse.duckdb", (then, then))
    landed(home, "acme", "commands", 0, NOON - 8 * HOUR, is_rewritten=False)
    landed(home, "acme", "commands", 0, NOON - 2 * HOUR, is_rewritten=True)
    assert of_landings() == []
    ((key, text),) = of_landings(NOON + 1.1 * HOUR)
    assert key == "published/behind"
    (home / "warehouse" / "flakehouse.duckdb").unlink()
    ((never, why),) = of_landings(NOON + 1.1 * HOUR)
    assert never == key
    assert why.startswith("nothing is published, and the lake has changed since 2026-03-11 10:00 UTC")
    assert "is of 2026-03-11 03:00 UTC, and the lake has changed since 2026-03-11 10:00 UTC" in text


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


def test_a_warehouse_that_cannot_be_read_is_told_and_so_is_everything_else(
    home: Path, instance: dg.DagsterInstance
) -> None:
    publish(home)
    (home / "warehouse" / "flakehouse.duckdb").write_bytes(b"no database at all" * 1000)
    run(instance, "503", window("acme", "2026-03-01"))
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
    run(instance, "503", window("acme", "2026-03-01"))
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
