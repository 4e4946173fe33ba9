"""Readers never wait, never see half a build, and a publication that was killed does no harm."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import duckdb
import pytest

from pipelines.defs.warehouse.folders import Folders
from pipelines.defs.warehouse.publish import publish

READERS, PUBLICATIONS, KILLS = 4, 12, 8
_processes = multiprocessing.get_context("fork")


def build(folders: Folders, number: int, rows: int = 20_000) -> None:
    """A build database whose tables all carry the number of the build, with staging that is not for readers."""
    folders.build.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(folders.build_database) as connection:
        connection.execute(
            "create schema if not exists core; create schema if not exists marts; create schema if not exists staging"
        )
        for table in ("core.fct_test_runs", "marts.test_flakiness"):
            connection.execute(
                f"create or replace table {table} as select {number} as build, i from range({rows}) t(i)"
            )
        connection.execute("create or replace view staging.stg_runs as select * from core.fct_test_runs")


def builds_seen(folders: Folders) -> set[int]:
    """The builds that one look at the published database shows: one, unless the view is torn."""
    with duckdb.connect(folders.published, read_only=True) as connection:
        rows = connection.sql(
            "select build, count(*) from core.fct_test_runs group by all"
            " union all select build, count(*) from marts.test_flakiness group by all"
        ).fetchall()
    assert [count for _, count in rows] == [20_000, 20_000]
    return {number for number, _ in rows}


def read_until_told(
    folders: Folders, stop: multiprocessing.synchronize.Event, results: multiprocessing.Queue
) -> None:
    looks, problems = 0, []
    while not stop.is_set():
        try:
            if len(builds_seen(folders)) != 1:
                problems.append("a torn view")
        except Exception as error:  # noqa: BLE001 - any error at all is what this test is about
            problems.append(repr(error))
        looks += 1
    results.put((looks, problems))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_readers_see_whole_builds_and_no_error_while_builds_are_published(folders: Folders) -> None:
    build(folders, 0)
    publish(folders)
    stop, results = _processes.Event(), _processes.Queue()
    readers = [
        _processes.Process(target=read_until_told, args=(folders, stop, results)) for _ in range(READERS)
    ]
    for reader in readers:
        reader.start()
    for number in range(1, PUBLICATIONS + 1):
        build(folders, number)
        publish(folders)
    stop.set()
    answers = [results.get(timeout=30) for _ in readers]
    for reader in readers:
        reader.join()
    assert [problem for _, problems in answers for problem in problems] == []
    assert sum(looks for looks, _ in answers) > PUBLICATIONS
    assert builds_seen(folders) == {PUBLICATIONS}


def test_what_is_published_holds_core_and_marts_only_in_the_file_and_beside_it(folders: Folders) -> None:
    build(folders, 7)
    rows = publish(folders)
    assert rows == {"core.fct_test_runs": 20_000, "marts.test_flakiness": 20_000}
    with duckdb.connect(folders.published, read_only=True) as connection:
        schemas = connection.sql(
            "select distinct schema_name from duckdb_schemas() where not internal"
        ).fetchall()
    assert ("staging",) not in schemas
    assert folders.marts.is_symlink()
    assert sorted(str(file.relative_to(folders.marts)) for file in folders.marts.rglob("*.parquet")) == [
        "core/fct_test_runs.parquet",
        "marts/test_flakiness.parquet",
    ]
    assert not list(folders.warehouse.glob("*.wal"))


def test_the_build_database_stays_whole_for_the_next_partial_build(folders: Folders) -> None:
    build(folders, 7)
    publish(folders)
    with duckdb.connect(folders.build_database, read_only=True) as connection:
        assert connection.sql("select count(*) from staging.stg_runs").fetchall() == [(20_000,)]


def test_a_log_that_lies_beside_the_published_file_is_not_replayed_into_the_new_one(folders: Folders) -> None:
    build(folders, 1)
    publish(folders)
    stale = folders.published.with_name("flakehouse.duckdb.wal")
    stale.write_bytes(b"left by a client that was killed")
    build(folders, 2)
    publish(folders)
    assert not stale.exists()
    assert builds_seen(folders) == {2}


def test_killed_at_any_moment_a_publication_leaves_a_whole_build_and_the_next_one_cleans_up(
    folders: Folders,
) -> None:
    build(folders, 0)
    began = time.monotonic()
    publish(folders)
    usual = time.monotonic() - began
    moments = random.Random(1)
    for number in range(1, KILLS + 1):
        build(folders, number)
        victim = _processes.Process(target=publish, args=(folders,))
        victim.start()
        time.sleep(usual * moments.random())
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        assert len(builds_seen(folders)) == 1
        exported = duckdb.sql(f"select distinct build from '{folders.marts}/*/*.parquet'").fetchall()
        assert len(exported) == 1
    publish(folders)
    assert builds_seen(folders) == {KILLS}
    assert not (folders.warehouse / ".publish").exists()
    assert len(list((folders.warehouse / ".marts").iterdir())) <= 2


def test_a_build_by_spark_is_published_as_parquet_and_leaves_the_database_alone(folders: Folders) -> None:
    build(folders, 1)
    publish(folders)
    spark = Folders(folders.home, "spark")
    for schema, build_number in (("marts", 2), ("staging", 3)):
        table = spark.spark_tables / f"{schema}.db" / "test_flakiness"
        table.mkdir(parents=True)
        for part in ("part-0", "part-1"):
            duckdb.sql(f"select {build_number} as build").write_parquet(str(table / f"{part}.parquet"))
    (spark.spark_tables / "staging.db" / "empty_seed").mkdir()
    assert publish(spark) == {"marts.test_flakiness": 2}
    assert [str(file.relative_to(spark.marts)) for file in spark.marts.rglob("*.parquet")] == [
        "marts/test_flakiness.parquet"
    ]
    assert duckdb.sql(f"select build from '{spark.marts}/*/*.parquet'").fetchall() == [(2,), (2,)]
    assert builds_seen(folders) == {1}
