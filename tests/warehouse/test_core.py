"""The core facts and dimensions of the fixture lake, row by row."""

from __future__ import annotations

from datetime import date, datetime

at = datetime.fromisoformat  # core times are UTC without zone


def test_each_execution_is_one_run_of_its_newest_day(rows):
    assert rows(
        """
        select vendor_run_id, run_status, vendor_status, started_date, duration_seconds, device_id, device_count, issues
        from core.fct_test_runs where connection = 'acme' order by vendor_run_id
        """
    ) == [
        ("backwards", "passed", "PASSED", date(2026, 3, 9), None, "aaa111", 1, "end_before_start"),
        ("blocked", "blocked", "BLOCKED", date(2026, 3, 9), 0.0, None, 0, None),
        ("desktop", "passed", "PASSED", date(2026, 3, 9), 60.0, None, 0, None),
        ("endless", "passed", "PASSED", date(2026, 3, 9), None, "aaa111", 1, "end_missing"),
        ("first", "passed", "PASSED", date(2026, 3, 8), 30.25, "aaa111", 1, None),
        ("in_use", "failed", "FAILED", date(2026, 3, 9), 60.0, "ccc333", 1, None),
        ("long", "passed", "PASSED", date(2026, 3, 7), 61 * 3600.0, "bbb222", 1, None),
        ("manual", "passed", "PASSED", date(2026, 3, 8), 1200.0, "aaa111", 1, None),
        ("moved", "unknown", "ABORTED", date(2026, 3, 9), 1800.0, "aaa111", 1, "job_number_not_integer"),
        ("pair", "failed", "FAILED", date(2026, 3, 9), 300.0, "aaa111", 2, None),
        ("second", "failed", "FAILED", date(2026, 3, 8), 50.0, "aaa111", 1, None),
        ("to_midnight", "passed", "PASSED", date(2026, 3, 8), 3600.0, "ccc333", 1, None),
        ("today", "passed", "PASSED", date(2026, 3, 10), 0.001, "aaa111", 1, None),
        ("vanished", "passed", "PASSED", date(2026, 3, 10), 600.0, "bbb222", 1, None),
        ("year_2452", "passed", "PASSED", date(2026, 3, 9), None, "ddd444", 1, "start_out_of_range"),
    ]


def test_a_build_is_a_numbered_run_of_a_job(rows):
    assert rows(
        """
        select array_agg(vendor_run_id order by vendor_run_id), build_id = md5('acme|nightly|7|main')
        from core.fct_test_runs where connection = 'acme' and build_id is not null group by build_id
        """
    ) == [(["first", "second"], True)]


def test_the_lab_and_manual_sessions_count_against_no_test(rows):
    assert rows(
        """
        select vendor_run_id, failure_category, is_manual_session, is_lab_failure
        from core.fct_test_runs where connection = 'acme' and not is_counted order by vendor_run_id
        """
    ) == [
        ("blocked", "lab", False, True),
        ("in_use", "orchestration", False, True),
        ("manual", None, True, False),
        ("moved", None, False, False),
    ]


def test_messages_keep_quotes_line_breaks_and_emoji_and_show_500_characters(rows):
    assert rows(
        "select vendor_run_id, message_head, failure_id is not null from core.fct_test_runs "
        "where connection = 'acme' and run_status = 'failed' order by vendor_run_id"
    ) == [
        ("in_use", "x" * 499 + "y", True),
        ("pair", None, False),
        ("second", "Can't find 'Sign in' 🚪\r\n  at login.js:12", True),
    ]


def test_the_same_vendor_ids_of_two_connections_stay_apart(rows):
    assert rows(
        "select test_run_id, device_id from core.fct_test_runs where vendor_run_id = 'first' order by 1"
    ) == [
        ("perfecto/12/first", "aaa111"),
        ("perfecto/acme/first", "aaa111"),
    ]


def test_script_runs_speak_the_words_of_all_systems(rows):
    assert rows(
        """
        select vendor_run_id, test_name, run_status, duration_seconds, ended_at, message_head, issues
        from core.fct_test_runs where source_name = 'enterprise_tester' order by vendor_run_id
        """
    ) == [
        ("r1", "Pay (Release 1)", "passed", 300.0, at("2026-03-09 08:05"), None, None),
        (
            "r2",
            "Pay (Release 2)",
            "failed",
            37_800.0,
            at("2026-03-09 18:30"),
            "The total was wrong",
            None,
        ),
        ("r3", "Refund", "unknown", None, None, None, "duration_not_understood"),
        ("r4", "Refund", "skipped", None, None, None, None),
        ("r5", "Refund", "running", 5400.0, at("2026-03-09 09:30"), None, None),
        ("r6", "(script s9)", "blocked", None, None, None, None),
    ]


def test_every_device_of_a_run_has_one_session(rows):
    assert rows(
        """
        select device_id, is_flagged, is_manual_session, count(*)
        from core.fct_device_sessions where connection = 'acme' group by all order by all
        """
    ) == [
        ("aaa111", False, False, 5),
        ("aaa111", False, True, 1),
        ("aaa111", True, False, 2),
        ("bbb222", False, False, 2),
        ("ccc333", False, False, 3),
        ("ddd444", True, False, 1),
    ]


def test_only_commands_of_the_parents_newest_answer_are_listed(rows):
    assert rows(
        "select command_key, command_name, command_status, duration_seconds, message from core.fct_commands order by 1"
    ) == [
        ("perfecto/acme/second/0/0", "launch app", "success", 0.125, None),
        ("perfecto/acme/second/0/1", "Find element", "failure", None, "no such element"),
    ]


def test_a_device_has_one_period_per_description(rows):
    assert rows(
        """
        select device_id, os, os_version, valid_from, valid_to, is_current
        from core.dim_devices where connection = 'acme' order by device_id, valid_from
        """
    ) == [
        ("aaa111", "ANDROID", "14", at("2026-03-08 10:00"), at("2026-03-09 08:00"), False),
        ("aaa111", "ANDROID", "15", at("2026-03-09 08:00"), None, True),
        ("bbb222", "ANDROID", "13", at("2026-03-07 20:00"), None, True),
        ("ccc333", "IOS", "17.1", at("2026-03-08 23:00"), None, True),
        ("ddd444", "ANDROID", "14", at("2026-03-09 00:00"), None, True),
    ]


def test_tests_exclude_manual_sessions(rows):
    assert rows(
        "select project_name, test_name, owner, first_run_at, last_run_at from core.dim_tests "
        "where connection = 'acme' order by test_name"
    ) == [
        ("Shop", "Buy a shoe", "ann@example.com", at("2026-03-09 09:00"), at("2026-03-09 09:00")),
        ("Shop", "Login works", "ann@example.com", at("2026-03-07 20:00"), at("2026-03-10 11:00")),
    ]


def test_a_tag_is_listed_once_per_run(rows):
    assert rows("select test_run_id, tag from core.bridge_test_run_tags") == [
        ("perfecto/acme/first", "smoke")
    ]


def test_a_connection_knows_its_days_and_its_newest_answer(rows):
    assert rows("select * from core.dim_connections where connection = 'acme'") == [
        ("perfecto", "acme", date(2026, 3, 7), date(2026, 3, 10), at("2026-03-10 12:05"))
    ]
