"""A build begins with a copy of the published one, and knows which days to make anew."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.defs.warehouse import beginning, touched
from pipelines.defs.warehouse.folders import Folders
from pipelines.defs.warehouse.project import PROJECT
from pipelines.defs.warehouse.publish import publish

from .lake_writer import write_rows, write_schema_files

NOW = datetime(2026, 3, 10, tzinfo=UTC)


class Builds:
    """A lake, and builds of it whose one model keeps the days that it was told to make."""

    def __init__(self, folder: Path) -> None:
        self.folders, self.lake = Folders(folder), folder / "lake"
        write_schema_files(self.lake)

    def write(self, day: str, *runs: str, start: str | None = None, connection: str = "acme") -> None:
        rows = [
            {"id": run, "start_time": datetime.fromisoformat(start or day).replace(tzinfo=UTC)}
            for run in runs
        ]
        write_rows(self.lake, "perfecto_reporting", "test_executions", connection, day, rows)

    def remove(self, day: str) -> None:
        shutil.rmtree(self.lake / "perfecto_reporting" / "test_executions" / "connection=acme" / f"dt={day}")

    def begin(self, rules: str = "first", **how: object) -> beginning.Beginning:
        return beginning.begin(self.folders, self.lake, rules, **{"now": NOW, **how})

    def publish(self, rules: str = "first", **how: object) -> beginning.Beginning:
        begun = self.begin(rules, **how)
        with duckdb.connect(self.folders.build_database) as database:
            database.execute("create schema if not exists core; create schema if not exists marts")
            database.execute("create table if not exists core.built as select 1 as build")
        publish(self.folders)
        return begun

    def read_days(self) -> list[date]:
        with duckdb.connect(self.folders.build_database) as database:
            return [day for (day,) in database.sql("select day from build.read_days order by 1").fetchall()]


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    made = Builds(tmp_path)
    for day in ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-05"):
        made.write(day, f"run of {day}")
    return made


def march(*days: int) -> list[date]:
    return [date(2026, 3, day) for day in days]


def test_the_first_build_makes_everything(builds: Builds) -> None:
    assert builds.begin().touched_days is None


def test_without_a_change_no_day_is_touched(builds: Builds) -> None:
    builds.publish()
    assert builds.begin().touched_days == []
    assert beginning.is_up_to_date(builds.folders, builds.lake, "first", NOW)


def test_a_new_a_changed_and_a_lost_partition_touch_their_day_and_the_one_after_it(builds: Builds) -> None:
    builds.publish()
    builds.write("2026-03-06", "new")
    assert not beginning.is_up_to_date(builds.folders, builds.lake, "first", NOW)
    assert builds.publish().touched_days == march(6)
    builds.write("2026-03-01", "run of 2026-03-01", "late")
    assert builds.publish().touched_days == march(1, 2)
    builds.remove("2026-03-03")
    assert builds.publish().touched_days == march(3)


def test_the_day_before_a_touched_one_is_read_and_not_made_anew(builds: Builds) -> None:
    builds.publish()
    builds.write("2026-03-02", "run of 2026-03-02", "late")
    assert builds.begin().touched_days == march(2, 3)
    assert builds.read_days() == march(1, 2, 3)


def test_days_that_hold_the_same_run_are_touched_together_before_and_after_it_leaves_one(
    builds: Builds,
) -> None:
    builds.publish()
    builds.write("2026-03-05", "run of 2026-03-05", "run of 2026-03-01")
    assert builds.publish().touched_days == march(1, 2, 5)
    builds.write("2026-03-05", "run of 2026-03-05")
    assert builds.publish().touched_days == march(1, 2, 5)
    builds.write("2026-03-05", "run of 2026-03-05", "late")
    assert builds.publish().touched_days == march(5)


def test_the_same_id_of_another_connection_is_another_run(builds: Builds) -> None:
    builds.publish()
    builds.write("2026-03-05", "run of 2026-03-01", connection="12")
    assert builds.begin().touched_days == march(5)


def test_a_run_that_started_on_another_day_than_its_partitions_touches_both(builds: Builds) -> None:
    builds.publish()
    builds.write("2026-03-05", "odd", start="2026-03-02T10:00")
    assert builds.publish().touched_days == march(2, 3, 5)
    builds.write("2026-03-02", "run of 2026-03-02", "late")
    assert builds.publish().touched_days == march(2, 3, 5)


def test_a_server_execution_that_ended_on_another_day_than_its_partitions_touches_both(
    builds: Builds,
) -> None:
    def execute(day: str, **times: str) -> None:
        moments = {name: datetime.fromisoformat(at).replace(tzinfo=UTC) for name, at in times.items()}
        write_rows(builds.lake, "hcl_test_server", "executions", "ots", day, [{"id": "e", **moments}])

    execute("2026-03-02", start_date="2026-03-02T10:00")
    builds.publish()
    execute("2026-03-05", start_date="2026-03-02T10:00", completion_date="2026-03-05T10:00")
    assert builds.publish().touched_days == march(2, 3, 5)
    execute("2026-03-05", start_date="2026-03-02T10:00", completion_date="2026-03-01T10:00")
    assert builds.begin().touched_days == march(1, 2, 3, 5)


def test_other_rules_make_everything_anew(builds: Builds) -> None:
    builds.publish("first")
    assert not beginning.is_up_to_date(builds.folders, builds.lake, "second", NOW)
    assert builds.begin("second").touched_days is None


def test_what_a_failed_build_left_is_thrown_away(builds: Builds) -> None:
    builds.publish()
    builds.write("2026-03-06", "new")
    builds.begin()
    with duckdb.connect(builds.folders.build_database) as database:
        database.execute("create or replace table core.built as select 2 as build")
    begun = builds.begin()
    assert begun.touched_days == march(6)
    with duckdb.connect(builds.folders.build_database) as database:
        assert database.sql("from core.built").fetchall() == [(1,)]


def test_what_models_noted_of_a_build_is_gone_when_the_next_one_begins(builds: Builds) -> None:
    macros = "".join(file.read_text() for file in (PROJECT / "macros").glob("*.sql"))
    models = "".join(file.read_text() for file in (PROJECT / "models").rglob("*.sql"))
    noted = {
        *re.findall(r"create table if not exists build\.(\w+)", macros),
        *re.findall(r"note_before\('(\w+)'", macros + models),
    }
    assert noted == set(touched.NOTED)
    builds.publish()
    with duckdb.connect(builds.folders.published) as database:
        for table in noted:
            database.execute(f"create table build.{table} as select 1 as one")
    builds.begin()
    with duckdb.connect(builds.folders.build_database) as database:
        kept = database.sql("select table_name from duckdb_tables() where schema_name = 'build'").fetchall()
    assert noted.isdisjoint(name for (name,) in kept)


def test_every_row_is_tested_once_a_week(builds: Builds) -> None:
    builds.publish()
    tested = [builds.publish(now=NOW + timedelta(days=day)).tests_in_full for day in (1, 6, 7, 8, 13, 14)]
    assert tested == [False, False, True, False, False, True]
    assert not beginning.is_up_to_date(builds.folders, builds.lake, "first", NOW + timedelta(days=21))


def test_a_renamed_assignment_touches_the_days_of_its_runs(builds: Builds) -> None:
    def assign(day: str, name: str) -> None:
        rows = [
            {
                "id": "a1",
                "script_id": "s1",
                "name": name,
                "_fetched_at": datetime.fromisoformat(day).replace(tzinfo=UTC),
            }
        ]
        write_rows(builds.lake, "enterprise_tester", "script_assignments", "et", day, rows)

    assign("2026-03-05", "Pay")
    builds.begin()
    with duckdb.connect(builds.folders.build_database) as database:
        database.execute(
            "create schema core; create table core.fct_script_runs as select 'et' as connection, 'a1' as assignment_id, date '2026-03-01' as started_date"
        )
    publish(builds.folders)
    assign("2026-03-06", "Pay")
    assert builds.publish().touched_days == march(6)
    assign("2026-03-07", "Pay by card")
    assert builds.publish().touched_days == march(1, 2, 7)
    builds.write("2026-03-07", "new")
    assert builds.publish().touched_days == march(7)


def test_a_file_that_is_written_again_with_the_same_size_is_another_one(builds: Builds) -> None:
    builds.publish()
    file = builds.lake / "perfecto_reporting/test_executions/connection=acme/dt=2026-03-05/data.parquet"
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert builds.begin().touched_days == march(5)


def test_a_build_keeps_of_earlier_ones_artefacts_the_newest_that_failed_and_what_parsing_needs(
    builds: Builds,
) -> None:
    dbt = builds.folders.dbt_target
    for age, (name, results) in enumerate(
        [
            ("up_to-4-1", '{"results": [{"status": "pass"}, {"status": "success"}]}'),
            ("up_to-3-1", '{"results": [{"status": "pass"}, {"status": "fail"}]}'),
            ("after-2-2", '{"results": [{"status": "pass"}, {"status": "error"}]}'),
            ("up_to-2-1", '{"results": []}'),
            ("killed-1-1", None),
        ]
    ):
        (dbt / name / "compiled").mkdir(parents=True)
        if results:
            (dbt / name / "run_results.json").write_text(results)
        os.utime(dbt / name, (10_000 - age, 10_000 - age))
    (dbt / "partial_parse.msgpack").touch()
    builds.begin()
    assert {entry.name for entry in dbt.iterdir()} == {"up_to-3-1", "partial_parse.msgpack"}
    (dbt / "after-5-1").mkdir()
    beginning.begin_on_spark(builds.folders)
    assert {entry.name for entry in dbt.iterdir()} == {"after-5-1", "partial_parse.msgpack"}


def test_what_a_killed_build_had_put_aside_is_in_no_ones_way(builds: Builds) -> None:
    spilled = builds.folders.build / f"{builds.folders.build_database.name}.tmp"
    spilled.mkdir(parents=True)
    (spilled / "duckdb_temp_storage.tmp").touch()
    builds.begin()
    assert not spilled.exists()
