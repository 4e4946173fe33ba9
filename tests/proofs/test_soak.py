"""Half an hour of every day, in real time: the deployment reads a lab that answers badly, and its processes are killed.

Nobody lends a hand from the start of the units to their stop.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.defs.sources import contracts
from pipelines.defs.upkeep import BUILD_JOB
from pipelines.defs.upkeep.cadence import TAG
from pipelines.lib import landings
from pipelines.lib.contract import Table
from pipelines.orchestration.instance import FINISHED
from pipelines.report.writing import report_of
from pipelines.settings import SWEPT_DAYS
from simlab.clock import MINUTE, day_of, iso
from simlab.connections import connections_toml
from simlab.server import LabConfig, start
from tests.lib.alerts.receivers import Receiver, mail_server, webhook
from tests.proofs import soak_world
from tests.proofs.conftest import Home
from tests.proofs.deployment import (
    CONNECTIONS,
    Deployment,
    deployed,
    free_port,
    processes_of,
    tell_of_days,
    until,
)

SEED = 7
RUNS_A_MINUTE = 100
READ_EVERY_MINUTES = 5
ROUNDS_EVERY_MINUTES = {"acme": 1, "ots": 2, "et": 2}
BUILDS_EVERY_MINUTES = "5"
BETWEEN_KILLS = (60, 100)  # seconds
RECOVERY = timedelta(minutes=6)
"""At most, from a kill to the next round: a run that was killed before it began is given up after three minutes."""

LEAST_ROUNDS = 0.7
"""Of one a minute, whatever is killed."""

LATE_AFTER = timedelta(minutes=15)
CHECKED = timedelta(minutes=15), timedelta(minutes=8)  # lateness: how often, and when from the full hour
VICTIMS = ("run", "run", "run", "code", "daemon", "postgres")


@dataclass(frozen=True)
class Disturbance:
    what: str
    began: datetime
    ended: datetime
    connections: tuple[str, ...] = tuple(CONNECTIONS.values())


@dataclass
class Plan:
    """When what happens. The servers that go away do so long enough to be late, and come back to be a gap."""

    began: datetime
    minutes: float
    with_late_data: bool
    disturbances: list[Disturbance] = field(default_factory=list)

    @property
    def checked(self) -> datetime:
        """The first check of lateness that may find the servers that went away late."""
        every, offset = CHECKED
        hour = self.began.replace(minute=0, second=0, microsecond=0)
        earliest = self.began + LATE_AFTER + timedelta(minutes=3)
        return hour + offset + -((hour + offset - earliest) // every) * every

    @property
    def away(self) -> tuple[datetime, datetime]:
        if not self.with_late_data:
            return self.began + timedelta(minutes=1), self.began + timedelta(minutes=3, seconds=30)
        return self.checked - LATE_AFTER - timedelta(minutes=2), self.checked + timedelta(minutes=1)

    @property
    def ends(self) -> datetime:
        end = self.began + timedelta(minutes=self.minutes)
        every, _ = CHECKED
        return max(end, self.checked + every + timedelta(minutes=1)) if self.with_late_data else end


def now() -> datetime:
    return datetime.now(UTC)


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


# --- the lab ---------------------------------------------------------------------------------------------------


@dataclass
class Labs:
    """Two labs on ports of their own: the cloud, and the servers that go away."""

    time: soak_world.Time
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))

    def __post_init__(self) -> None:
        world = soak_world.cloud(SEED, self.time, RUNS_A_MINUTE)
        self.worlds = (soak_world.Servers(perfecto=[world]), soak_world.servers(SEED, self.time))

    @contextmanager
    def serving(self, which: int, clock: str = "real", faults: str = "flaky") -> Iterator[None]:
        end = self.time.first_day + timedelta(days=self.time.days - 1)
        config = LabConfig(port=self.ports[which], days=self.time.days, end=end, clock=clock, faults=faults)
        with start(config, self.worlds[which]):
            yield

    def connections_toml(self) -> str:
        both = zip(self.worlds, self.ports, strict=True)
        text = "\n".join(connections_toml(world, f"http://127.0.0.1:{port}") for world, port in both)
        text = text.replace("[perfecto.acme]", '[perfecto.acme]\ncommands = "failed"')
        for name, minutes in ROUNDS_EVERY_MINUTES.items():
            cadence = f"snapshot_every_minutes = {minutes}\nread_every_minutes = {READ_EVERY_MINUTES}"
            text = re.sub(rf"(?m)^(\[\w+\.{name}\])$", rf"\1\n{cadence}", text)
        return text


# --- killing ---------------------------------------------------------------------------------------------------


def kill(victim: str, deployment: Deployment, draw: random.Random) -> Disturbance | None:
    began = now()
    if victim == "postgres":
        deployment.postgres.stop_at_once()
        time.sleep(8)
        deployment.postgres.start()
    elif victim == "run":
        of_runs = sorted(
            process
            for process, command in processes_of(deployment.home).items()
            if "spawn_main" in command or "/dbt " in command
        )
        if not of_runs:
            return None
        with suppress(ProcessLookupError):
            os.kill(draw.choice(of_runs), signal.SIGKILL)
    else:
        unit = deployment.units[victim]
        starts = unit.starts
        unit.end(signal.SIGKILL)
        until(lambda: unit.starts > starts, f"{victim} is started again")
    return Disturbance(victim, began, now())


def disturb(plan: Plan, deployment: Deployment, labs: Labs) -> None:
    """Until the end: a kill now and then, and one time without the servers."""
    draw, kills = random.Random(SEED), 0
    with ExitStack() as servers:
        servers.enter_context(labs.serving(1))
        next_kill = plan.began + timedelta(seconds=45)
        is_away = False
        while now() < plan.ends:
            time.sleep(1)
            begins, ends = plan.away
            if not is_away and begins <= now() < ends:
                is_away = True
                servers.close()
            elif is_away and now() >= ends:
                is_away = False
                servers.enter_context(labs.serving(1))
                plan.disturbances.append(Disturbance("servers", begins, now(), ("ots", "et")))
            elif now() >= next_kill and now() < plan.ends - timedelta(seconds=90):
                victim = VICTIMS[kills % len(VICTIMS)] if kills < len(VICTIMS) else draw.choice(VICTIMS)
                if done := kill(victim, deployment, draw):
                    plan.disturbances.append(done)
                    kills += 1
                next_kill = now() + timedelta(seconds=draw.uniform(*BETWEEN_KILLS))


# --- what is looked at -----------------------------------------------------------------------------------------


def tables(kind: str) -> list[tuple[Table, str]]:
    """Tables that a request lands, with their connection."""
    return [
        (table, CONNECTIONS[contract.KIND])
        for contract in contracts()
        for table in contract.TABLES
        if table.kind == kind and table.name != "execution_logs"
    ]


def is_all_read(lake: Path, time_: soak_world.Time, since: datetime) -> bool:
    """Every day that may have changed was read since then, and none before is still being prepared."""
    first = time_.first_day
    known = landings.newest_of_days(lake, first, now())
    today = since.date()
    for table, connection in tables("window"):
        days = known.get((table.source, table.name, connection), {})
        for age in range((today - first).days + 1):
            found = days.get(today - timedelta(days=age))
            if found is None or (age <= 2 and found.at < since) or (age > 2 and found.is_due_again):
                return False
    return True


def gaps(
    lake: Path, table: Table, connection: str, since: datetime, to: datetime
) -> list[tuple[datetime, datetime]]:
    """Times of more than two intervals without a complete round."""
    rounds = [
        started
        for (started,) in landings.rows(
            lake,
            since.date(),
            """select distinct started_at from landings where source_name = $source and table_name = $table
               and connection = $connection and error is null and started_at between $since and $to order by all""",
            {"source": table.source, "table": table.name, "connection": connection, "since": since, "to": to},
        )
    ]
    assert rounds, f"{table.source}.{table.name} has no round"
    longest = timedelta(minutes=2 * ROUNDS_EVERY_MINUTES[connection], seconds=10)
    return [(a, b) for a, b in pairwise([since, *rounds, to]) if b - a > longest]


def rows_apart(left: Path, right: Path, table: Table) -> tuple[int, int]:
    """Rows of one lake that the other lacks, but for when they were fetched; and rows in all.

    So it is told that a test was asked for commands too soon after its end to be done with: it is due once more.
    """
    is_due = "replace (regexp_replace(_test_state, '/PROCESSING$', '') as _test_state)"
    rows = f"""select hash(r) from (
        select * exclude (_fetched_at) {is_due if "_test_state" in table.schema.names else ""}
        from read_parquet($%s, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)
        where connection <> '_') r"""
    files = [str(lake / table.source / table.name / "**" / "*.parquet") for lake in (left, right)]
    return duckdb.execute(
        f"""with a as ({rows % 1}), b as ({rows % 2})
            select (select count(*) from ((from a except all from b) union all (from b except all from a))),
                (select count(*) from b)""",
        {"1": files[0], "2": files[1]},
    ).fetchone()


# --- the soak ----------------------------------------------------------------------------------------------------


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
        plan = Plan(now(), minutes, with_late_data)
        labs = Labs(soak_world.Time(milliseconds(plan.began), milliseconds(plan.ends)))
        tell_of_days(lake, range(soak_world.PAST_DAYS + 1, SWEPT_DAYS + 1), plan.began)
        with labs.serving(0):
            connections.write_text(labs.connections_toml() + destinations(team, boss))
            disturb(plan, deployment, labs)
        for which in (0, 1):
            standing.enter_context(labs.serving(which, f"{iso(labs.time.quiet + 4 * MINUTE)}x0"))
        froze = now()
        with deployment.instance() as instance:
            under_way = unfinished(instance)
            until(lambda: is_all_read(lake, labs.time, froze), "every day is read", 1800)
            read = now()
            until(lambda: is_built_since(instance, read), "a build of what was read", 1800)
            until(report_of(deployment.home / "reports", now()).exists, "a report", 900)
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
        f"{plan.minutes:.0f} minutes and more, {dict(kills)} killed or away: {len(runs)} runs, "
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
    groups = Counter(
        {
            heading: sum(
                len(group["findings"]) + group["others"]
                for post in team.posts
                for group in post["groups"]
                if group["heading"] == heading
            )
            for heading in {group["heading"] for post in team.posts for group in post["groups"]}
        }
    )
    if plan.with_late_data:
        late = [key for key in keys if "/fresh/" in key]
        assert late
        assert {key.split("/fresh/")[1].split()[0] for key in late} == {"ots", "et"}, late
        assert any("/no_gaps/ots" in key for key in keys)
        assert any("/no_gaps/et" in key for key in keys)
    figures.append(f"{keys.total()} findings told to each of two places, each once: {dict(groups)}")


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


OF_ASKING = {
    "core.fct_landings",
    "core.fct_landing_days",
    "core.fct_device_activity",
    "marts.pipeline_health_daily",
}
"""Tables of when was asked, and of what devices did up to the newest question, which came later in the fresh lake."""

UP_TO_THE_NEWEST_QUESTION = {
    "last_fetched_at",
    "observed_until",
    "observed_seconds",
    "idle_seconds",
    "unavailable_seconds",
    "unobserved_seconds",
    "reserved_idle_seconds",
    "utilization",
    "devices_available",
}
"""Columns in which today ends with the newest question: of snapshots, all of them."""


def marts_apart(ours: Path, theirs: Path) -> tuple[int, dict[str, int]]:
    """Columns that were compared, and the rows of each table that one build has and the other has not."""
    apart, compared = {}, 0
    with duckdb.connect() as both:
        for name, home in (("ours", ours), ("theirs", theirs)):
            both.execute(f"attach '{home / 'warehouse' / 'flakehouse.duckdb'}' as {name} (read_only)")
        columns = both.sql("""
            select schema_name || '.' || table_name as name, column_name, data_type
            from duckdb_columns() where database_name = 'ours' and schema_name in ('core', 'marts')
            order by name, column_index
        """).fetchall()
        for table in sorted({name for name, _, _ in columns} - OF_ASKING):
            # The last bits of a sum depend on the order of its rows.
            chosen = [
                f'round("{column}", 6)' if kind == "DOUBLE" else f'"{column}"'
                for name, column, kind in columns
                if name == table and column not in UP_TO_THE_NEWEST_QUESTION
            ]
            compared += len(chosen)
            one, other = (f"select {', '.join(chosen)} from {side}.{table}" for side in ("ours", "theirs"))
            (count,) = both.sql(
                f"select count(*) from (({one} except all {other}) union all ({other} except all {one}))"
            ).fetchone()
            if count:
                apart[table] = count
    return compared, apart


@pytest.mark.proof
def test_half_an_hour_of_kills_leaves_what_an_undisturbed_reading_would(
    tmp_path: Path, figures: list[str]
) -> None:
    soak(tmp_path, 30, figures, with_late_data=True)
