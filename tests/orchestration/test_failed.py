"""Runs and checks that failed, as Dagster's storage knows them, are findings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.upkeep import BUILD_JOB, lateness
from pipelines.defs.upkeep.cadence import TAG
from pipelines.defs.upkeep.failed import failed_checks, failed_runs
from pipelines.lib.alerts import Finding
from pipelines.orchestration.instance import process_tags
from tests.orchestration.found import COMMANDS, FIRST, SECOND, TESTS, UI, read, run
from tests.orchestration.told_landings import looked, perfecto, tell


def runs(instance: dg.DagsterInstance) -> list[tuple[str, str]]:
    return [(found.key, found.text) for found in failed_runs(instance, UI, datetime.now(UTC))]


def test_days_of_a_connection_that_failed_are_one_finding_with_the_reason_and_a_link(
    instance: dg.DagsterInstance,
) -> None:
    read(instance, "acme: 503", "acme", FIRST)
    last = read(instance, "acme: 502", "acme", SECOND)
    read(instance, None, "beta", FIRST)
    (found,) = failed_runs(instance, UI, datetime.now(UTC))
    assert (found.key, found.group) == ("run/perfecto_reporting acme", "Failed runs")
    assert found.text == "perfecto_reporting acme (2 days): acme: 502"
    assert found.link == f"{UI}/runs/{last}"


def test_a_day_that_was_read_after_it_failed_is_no_finding_any_more(instance: dg.DagsterInstance) -> None:
    read(instance, "503", "acme", FIRST)
    read(instance, None, "acme", FIRST)
    assert runs(instance) == []
    read(instance, "503", "acme", FIRST)
    assert len(runs(instance)) == 1


@pytest.mark.parametrize("tags", [{}, process_tags()], ids=["in the UI", "typed"])
def test_a_day_that_a_person_read_after_it_failed_is_no_finding_any_more(
    instance: dg.DagsterInstance, tags: Mapping[str, str]
) -> None:
    read(instance, "503", "acme", FIRST, tags={TAG: "window/perfecto_reporting/acme/2026-03-01"})
    read(instance, None, "acme", FIRST, tables=(TESTS,), tags=tags)
    assert runs(instance) == [("run/perfecto_reporting acme", "perfecto_reporting acme: 503")], (
        "one is missing"
    )
    read(instance, None, "acme", FIRST, tables=(COMMANDS,), tags=tags)
    assert runs(instance) == []


def test_what_landed_before_its_run_failed_is_no_part_of_the_failure(instance: dg.DagsterInstance) -> None:
    read(instance, "503", "acme", FIRST, failing=(COMMANDS,))
    assert len(runs(instance)) == 1
    read(instance, None, "acme", FIRST, tables=(COMMANDS,))
    assert runs(instance) == []


def test_a_run_that_was_cancelled_says_nothing_of_what_failed_before(instance: dg.DagsterInstance) -> None:
    read(instance, "503", "acme", FIRST)
    (failed,) = instance.get_runs()
    instance.add_run(
        dg.DagsterRun(
            failed.job_name,
            status=dg.DagsterRunStatus.CANCELED,
            tags=failed.tags,
            asset_selection=failed.asset_selection,
        )
    )
    assert len(runs(instance)) == 1


def test_days_of_a_backfill_that_failed_are_told_by_their_connection(instance: dg.DagsterInstance) -> None:
    for day in (FIRST, SECOND):
        read(instance, "503", "acme", day, tags={"dagster/backfill": "xyz"})
    assert runs(instance) == [("run/perfecto_reporting acme", "perfecto_reporting acme (2 days): 503")]


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
    def build(
        status: dg.DagsterRunStatus, selected: frozenset[dg.AssetKey] | None = None, **tags: str
    ) -> None:
        run = dg.DagsterRun(BUILD_JOB, status=status, tags={TAG: "build", **tags}, asset_selection=selected)
        instance.add_run(run)
        if status == dg.DagsterRunStatus.STARTED:
            instance.report_run_failed(run)

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
    build(bad)
    build(good, frozenset({dg.AssetKey("a_table")}))  # from the job's page
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
