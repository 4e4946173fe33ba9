"""A recorded CI history, replayed as a Perfecto cloud."""

from __future__ import annotations

import csv
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simlab.history import COLUMNS, HistoryError, HistoryWorld
from simlab.server import LabConfig, start
from tests.simlab.serving import Reporting, names
from tests.simlab.tiny_world import DAY, SECOND, at

START = at("2020-05-28 08:00")
Row = tuple[str, ...]


def history(folder: Path, rows: list[Row], name: str = "nightly.csv") -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def row(
    test: str, build: str = "1", at: str = "2020-05-28T08:00:00Z", verdict: str = "pass", **more: str
) -> Row:
    return (
        test,
        build,
        more.get("device", ""),
        at,
        more.get("seconds", "1.5"),
        verdict,
        more.get("message", ""),
    )


def shown(path: Path, start_at: int = START - DAY, end: int = START + 400 * DAY) -> list[dict[str, object]]:
    with start(LabConfig(histories=(path,))) as lab:
        return Reporting(lab, path.name.partition(".")[0]).all_tests(start_at, end)


def test_verdicts_become_statuses_and_skipped_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [row(verdict, verdict=verdict) for verdict in ("pass", "fail", "error", "skip", "skip")]
    path = history(tmp_path, rows)
    assert {test["name"]: test["status"] for test in shown(path)} == {
        "pass": "PASSED",
        "fail": "FAILED",
        "error": "BLOCKED",
    }
    assert HistoryWorld(path).skipped == 2
    with start(LabConfig(histories=(path,))) as lab:
        assert "3 runs, 2 skipped" in str(lab.world.parameters()["nightly"])


def test_times_and_durations_are_kept_to_the_millisecond(tmp_path: Path) -> None:
    rows = [
        row("zoned", at="2020-05-28T10:00:00.123+02:00", seconds="0.94"),
        row("spaced", at="2020-05-28 08:39:51.255", seconds="0"),
        row("endless", seconds=""),
    ]
    tests = {test["name"]: test for test in shown(history(tmp_path, rows))}
    assert (tests["zoned"]["startTime"], tests["zoned"]["endTime"]) == (START + 123, START + 123 + 940)
    assert tests["spaced"]["startTime"] == tests["spaced"]["endTime"] == at("2020-05-28 08:39:51.255")
    assert tests["endless"].get("endTime", 0) == 0


def test_the_job_is_the_files_stem_and_whole_builds_are_its_numbers(tmp_path: Path) -> None:
    [test] = shown(history(tmp_path, [row("a", build="380")], "ubuntu_20.csv"))
    assert test["job"] == {"name": "ubuntu_20", "number": 380}
    assert "customFields" not in test


def test_a_build_that_is_no_number_becomes_its_rank_by_first_start_and_keeps_its_text(tmp_path: Path) -> None:
    rows = [
        row("late", "abc", "2020-05-30T08:00:00Z"),
        row("early", "v1.0", "2020-05-28T08:00:00Z"),
        row("middle", "007", "2020-05-29T08:00:00Z"),
        row("early again", "v1.0", "2020-06-28T08:00:00Z"),
    ]
    tests = {test["name"]: test for test in shown(history(tmp_path, rows))}
    numbers = {name: test["job"]["number"] for name, test in tests.items()}
    assert numbers == {"early": 1, "early again": 1, "middle": 2, "late": 3}
    assert tests["middle"]["customFields"] == [{"name": "build", "value": "007"}]


def test_a_rank_never_takes_the_number_of_another_build(tmp_path: Path) -> None:
    rows = [row("a", "x", "2020-05-28T08:00:00Z"), row("b", "1", "2020-05-28T09:00:00Z"), row("c", "2")]
    numbers = {test["name"]: test["job"]["number"] for test in shown(history(tmp_path, rows))}
    assert len(set(numbers.values())) == 3
    assert (numbers["b"], numbers["c"]) == (1, 2)


def test_no_device_is_no_platform_and_no_message_no_key(tmp_path: Path) -> None:
    rows = [row("bare"), row("full", device="Pixel-7", message='line 1\nline 2, "quoted"', verdict="fail")]
    tests = {test["name"]: test for test in shown(history(tmp_path, rows))}
    assert tests["bare"]["platforms"] == []
    assert "message" not in tests["bare"]
    [platform] = tests["full"]["platforms"]
    assert platform["deviceId"] == "Pixel-7"
    assert tests["full"]["message"] == 'line 1\nline 2, "quoted"'


def test_equal_rows_stay_apart_and_keep_their_ids_from_run_to_run(tmp_path: Path) -> None:
    path = history(tmp_path, [row("same")] * 3)
    first, second = ([test["id"] for test in shown(path)] for _ in range(2))
    assert first == second
    assert len(set(first)) == 3
    [other] = shown(history(tmp_path, [row("same")], "other.csv"))
    assert other["id"] not in first


def test_each_file_is_a_connection_of_its_own_and_nothing_else_is_served(tmp_path: Path) -> None:
    paths = tuple(history(tmp_path, [row(name)], f"{name}.csv") for name in ("one", "two"))
    with start(LabConfig(histories=paths)) as lab:
        assert {kind: list(table) for kind, table in lab.urls.items()} == {
            "perfecto": ["one", "two"],
            "hcl": [],
            "enterprise_tester": [],
        }
        assert names(Reporting(lab, "one").tests(START, START)) == ["one"]
        assert names(Reporting(lab, "two").tests(START, START)) == ["two"]


def test_the_whole_history_is_visible_however_old(tmp_path: Path) -> None:
    [test] = shown(history(tmp_path, [row("old", at="1999-01-01T00:00:00Z")]), start_at=0, end=START)
    assert test["name"] == "old"


def test_a_test_has_no_commands_but_is_known(tmp_path: Path) -> None:
    path = history(tmp_path, [row("a"), row("b", at="2020-06-01T00:00:00Z")])
    with start(LabConfig(histories=(path,))) as lab:
        reporting = Reporting(lab, "nightly")
        for test in reporting.all_tests(START, START + 30 * DAY):
            answer = reporting.get(f"/{test['id']}/commands")
            assert (answer.status_code, answer.json()["resources"]) == (200, [])
        assert reporting.get(f"/{'0' * 24}/commands").status_code == 404
        assert reporting.get("/nonsense/commands").status_code == 404


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([row("a", verdict="maybe")], "row 1: verdict 'maybe'"),
        ([row("a"), row("b", at="yesterday")], "row 2: started_at 'yesterday'"),
        ([row("a", seconds="long")], "duration_seconds"),
        ([row("a", verdict="skip")], "no row to replay"),
        ([], "no row to replay"),
    ],
)
def test_a_row_that_cannot_be_replayed_is_named(tmp_path: Path, rows: list[Row], complaint: str) -> None:
    with pytest.raises(HistoryError, match=complaint):
        HistoryWorld(history(tmp_path, rows))


def test_a_file_that_is_no_history_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    with pytest.raises(HistoryError, match=r"wrong\.csv: no column test, build"):
        HistoryWorld(tmp_path / "wrong.csv")
    with pytest.raises(HistoryError, match="no such file"):
        HistoryWorld(tmp_path / "absent.csv")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = (history(tmp_path, [row("a")]), history(tmp_path / "other", [row("a")]))
    with pytest.raises(HistoryError, match="two history files"), start(LabConfig(histories=paths)):
        pass


def test_the_truth_of_a_history_is_refused(tmp_path: Path) -> None:
    config = LabConfig(histories=(history(tmp_path, [row("a")]),), truth=tmp_path / "truth")
    with pytest.raises(HistoryError, match="not known"), start(config):
        pass


def test_a_day_of_a_long_history_is_answered_at_once(tmp_path: Path) -> None:
    began = datetime(2020, 5, 28, tzinfo=UTC)
    rows = [
        row(f"test {n % 125}", str(n // 125), (began + timedelta(minutes=8 * n)).isoformat(), seconds="0.5")
        for n in range(44_000)
    ]
    world = HistoryWorld(history(tmp_path, rows))
    began_at = time.perf_counter()
    runs = world.test_runs(datetime(2020, 11, 16, tzinfo=UTC).date())
    assert time.perf_counter() - began_at < 0.25
    assert len(runs) == 180
    assert world.test_run(runs[5].id) == runs[5]
    assert runs[5].ended_at == runs[5].started_at + SECOND // 2
