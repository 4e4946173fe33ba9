"""What landings and the published warehouse tell are findings."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.defs.upkeep.discovered import discoveries, of_lake
from pipelines.lib.ingest_partitions import ONLY_CHANGES
from pipelines.settings import Settings
from tests.orchestration.found import NOON, UI, Outage, publish
from tests.orchestration.told_landings import day_landed, looked, tell

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
