"""Half an hour of every day, in real time: the deployment reads a lab that answers badly, and its processes are killed.

Nobody lends a hand from the start of the units to their stop.
"""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.upkeep import BUILD_JOB
from pipelines.defs.upkeep.cadence import TAG
from pipelines.lib.clock import utc_now
from pipelines.orchestration.instance import FINISHED
from pipelines.report.writing import report_of
from pipelines.settings import SWEPT_DAYS
from simlab.clock import MINUTE, day_of, iso
from tests.lib.alerts.receivers import Receiver, mail_server, webhook
from tests.proofs import soak_world
from tests.proofs.conftest import Home
from tests.proofs.deployment import Deployment, deployed, tell_of_days, until
from tests.proofs.soak_apart import marts_apart, rows_apart
from tests.proofs.soak_kills import Plan, disturb
from tests.proofs.soak_labs import RUNS_A_MINUTE, Labs
from tests.proofs.soak_read import gaps, is_all_read, tables

BUILDS_EVERY_MINUTES = "5"
RECOVERY = timedelta(minutes=6)
"""At most, from a kill to the next round: a run that was killed before it began is given up after three minutes."""


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def soak(tmp_path: Path, minutes: float, figures: list[str], *, with_late_data: bool) -> None:
    connections = tmp_path / "connections.toml"
    settings = {"FLAKEHOUSE_BUILD_EVERY_MINUTES": BUILDS_EVERY_MINUTES}
    with (
        webhook() as team,
        mail_server() as boss,
        deployed(tmp_path, connections, settings) as deployment,
        ExitStack() as standing,
    ):
        lake = deployment.home / "raw"
        plan = Plan(utc_now(), minutes, with_late_data)
        labs = Labs(soak_world.Time(milliseconds(plan.began), milliseconds(plan.ends)))
        tell_of_days(lake, range(soak_world.PAST_DAYS + 1, SWEPT_DAYS + 1), plan.began)
        with labs.serving(0):
            connections.write_text(labs.connections_toml() + destinations(team, boss))
            disturb(plan, deployment, labs)
        for which in (0, 1):
            standing.enter_context(labs.serving(which, f"{iso(labs.time.quiet + 4 * MINUTE)}x0"))
        froze = utc_now()
        with deployment.instance() as instance:
            under_way = unfinished(instance)
            until(lambda: is_all_read(lake, labs.time, froze), "every day is read", 1800)
            read = utc_now()
            until(lambda: is_built_since(instance, read), "a build of what was read", 1800)
            until(report_of(deployment.home / "reports", utc_now()).exists, "a report", 900)
            until(lambda: not under_way & unfinished(instance), "runs end", 1800)
            deployment.units["daemon"].stop()
            until(lambda: not unfinished(instance, dg.DagsterRunStatus.QUEUED), "the last runs end", 1800)
            look_at_runs(instance, plan, figures)
            look_at_rounds(lake, plan, froze, figures)
            look_at_alerts(instance, plan, team, boss, figures)
        look_at_days(Home(tmp_path / "fresh", connections), deployment, labs, figures)


def destinations(team: Receiver, boss: Receiver) -> str:
    return f"""
[alerts.team]
kind = "webhook"
url = "{team.url}"
[alerts.boss]
kind = "email"
url = "{boss.smtp}"
recipients = ["boss@example.com"]
"""


def unfinished(instance: dg.DagsterInstance, *but: dg.DagsterRunStatus) -> set[str]:
    statuses = [status for status in dg.DagsterRunStatus if status not in {*FINISHED, *but}]
    return {run.run_id for run in instance.get_runs(filters=dg.RunsFilter(statuses=statuses))}


def is_built_since(instance: dg.DagsterInstance, since: datetime) -> bool:
    chosen = dg.RunsFilter(job_name=BUILD_JOB, statuses=[dg.DagsterRunStatus.SUCCESS], created_after=since)
    return bool(instance.get_runs(filters=chosen, limit=1))


def look_at_runs(instance: dg.DagsterInstance, plan: Plan, figures: list[str]) -> None:
    """Everything that was asked for has ended, one way or the other, and the warehouse was built again and again."""
    runs = instance.get_runs()
    ended = Counter(run.status.value for run in runs)
    builds = Counter(run.status.value for run in runs if run.job_name == BUILD_JOB)
    assert builds["SUCCESS"] >= 2
    assert ended["FAILURE"], "nothing failed: the kills did nothing"
    kills = Counter(each.what for each in plan.disturbances)
    assert {"run", "code", "daemon", "postgres", "servers"} <= set(kills)
    figures.append(
        f"{plan.minutes:.0f} minutes and more, {counted(kills)} killed or away: {len(runs)} runs, "
        f"{ended['SUCCESS']} succeeded, {ended['FAILURE']} failed, none stuck; {builds['SUCCESS']} of "
        f"{builds.total()} builds published"
    )


def look_at_rounds(lake: Path, plan: Plan, to: datetime, figures: list[str]) -> None:
    longest, count = timedelta(0), 0
    for table, connection in tables("snapshot"):
        for began, ended in gaps(lake, table, connection, plan.began, to):
            causes = [
                each
                for each in plan.disturbances
                if connection in each.connections and each.began < ended and began < each.ended + RECOVERY
            ]
            assert causes, (
                f"{table.source}.{table.name}: no round from {began} to {ended}, and nothing was down"
            )
            assert ended - began <= max(each.ended - each.began for each in causes) + RECOVERY
            count += 1
            longest = max(longest, ended - began)
    figures.append(
        f"{count} gaps of more than two rounds, each of an outage, the longest {longest.seconds} s"
    )


def told_keys(team: Receiver) -> Counter[str]:
    return Counter(
        finding["key"] for post in team.posts for group in post["groups"] for finding in group["findings"]
    )


def look_at_alerts(
    instance: dg.DagsterInstance, plan: Plan, team: Receiver, boss: Receiver, figures: list[str]
) -> None:
    """Each once, to each; of what truly failed or was late, and of the servers that went away in any case."""
    keys = told_keys(team)
    assert [key for key, times in keys.items() if times > 1] == []
    assert len(boss.mails) == len(team.posts)
    texts = [
        finding["text"] for post in team.posts for group in post["groups"] for finding in group["findings"]
    ]
    mails = "\n".join(mail.get_content() for mail in boss.mails).replace("\n  ", " ")
    for text, times in Counter(texts).items():
        assert mails.count(f"- {text}") >= times, text
    expected = {
        f"run/{what}"
        for what in ("snapshot ots", "snapshot et", "hcl_test_server ots", "enterprise_tester et")
    }
    assert expected <= set(keys)
    failed = {
        subject(run)
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    }
    # A build's key ends with the run that failed first.
    assert {key.split("/")[1] for key in keys if key.startswith("run/")} <= failed
    groups: Counter[str] = Counter()
    for post in team.posts:
        for group in post["groups"]:
            groups[group["heading"]] += len(group["findings"]) + group["others"]
    if plan.with_late_data:
        late = [key for key in keys if "/fresh/" in key]
        assert late
        assert {key.split("/fresh/")[1].split()[0] for key in late} == {"ots", "et"}, late
        assert any("/no_gaps/ots" in key for key in keys)
        assert any("/no_gaps/et" in key for key in keys)
    figures.append(f"{keys.total()} findings told to each of two places, each once: {counted(groups)}")


def counted(things: Counter[str]) -> str:
    return ", ".join(f"{what} {times}" for what, times in things.most_common())


def subject(run: dg.DagsterRun) -> str:
    what = run.tags.get(TAG, run.job_name)
    return " ".join(what.split("/")[1:3]) if what.startswith("window/") else what.replace("/", " ")


def look_at_days(fresh: Home, deployment: Deployment, labs: Labs, figures: list[str]) -> None:
    """What was read on the way is what one undisturbed reading of the same days brings, and so is what is built of it.

    Observations cannot be asked for again: the fresh lake is given those of the soak.
    """
    fresh.ingest(labs.time.first_day, day_of(labs.time.quiet))
    ours, theirs = fresh.path / "raw", deployment.home / "raw"
    found = {
        f"{each.source}.{each.name}": rows_apart(theirs, ours, each)
        for table, _ in tables("window")
        for each in table.tables
    }
    assert {name: apart for name, (apart, _) in found.items() if apart} == {}
    rows = sum(there for _, there in found.values())
    dense = found["perfecto_reporting.test_executions"][1]
    assert dense > RUNS_A_MINUTE * (labs.time.quiet - labs.time.began) / MINUTE
    for table, _ in tables("snapshot"):
        for each in table.tables:
            shutil.copytree(
                theirs / each.source / each.name, ours / each.source / each.name, dirs_exist_ok=True
            )
    deployment.flakehouse("build")
    fresh.flakehouse("build")
    compared, apart = marts_apart(fresh.path, deployment.home)
    assert apart == {}
    figures.append(
        f"{dense:,} test runs in 11 days, {rows:,} rows of window tables: all as one undisturbed reading brings them; "
        f"{compared} columns of core and marts are equal, row by row"
    )


@pytest.mark.proof
def test_half_an_hour_of_kills_leaves_what_an_undisturbed_reading_would(
    tmp_path: Path, figures: list[str]
) -> None:
    soak(tmp_path, 30, figures, with_late_data=True)
