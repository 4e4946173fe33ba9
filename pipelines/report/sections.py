"""What is on the report, from top to bottom: which answers are shown, and how."""

from __future__ import annotations

from dataclasses import replace

from pipelines.report import charts, questions
from pipelines.report.answers import (
    as_count,
    as_day,
    as_hours,
    as_minutes,
    as_share,
    as_time,
)
from pipelines.report.layout import Card, Cards, Column, Figure, Section, Table, number

_TEST = Column("test_name", "test", beneath="place")
_FAILING_TEST = replace(_TEST, link="report_url")
_REASON_COLUMNS = (
    Column("message", "message", is_long=True, link="report_url"),
    Column("category", "category"),
    Column("reason", "vendor's reason"),
    Column("first_seen_at", "first seen", as_day, is_short=True),
    number("this_week", "last 7 days", as_count),
    number("week_before", "7 before", as_count),
    number("tests", "tests", as_count),
    number("devices", "devices", as_count),
    Column("history", "30 days", chart=charts.occurrences),
)
_DEVICE_COLUMNS = (
    Column("model", "model"),
    Column("device_id", "device", is_long=True),
    Column("os", "OS"),
    Column("location", "location"),
    number("utilization", "busy", as_share),
    number("busy_hours", "busy time", as_hours),
    number("unavailable_hours", "unavailable", as_hours),
    number("reserved_idle_hours", "reserved, idle", as_hours),
    number("test_runs", "runs", as_count),
    number("failures", "failed", as_count),
)

SECTIONS = (
    Section(
        "week",
        "This week",
        [
            Cards(
                [
                    Card(questions.TESTS_NOW, "flaky", "flaky tests", as_count, "of {tests}, in {runs} runs"),
                    Card(
                        questions.TESTS_NOW, "candidates", "to quarantine", as_count, "of {flaky} flaky ones"
                    ),
                    Card(questions.TESTS_NOW, "regressed", "regressed", as_count, "{fixed} fixed"),
                    Card(
                        questions.TESTS_NOW,
                        "broken",
                        "broken",
                        as_count,
                        "{insufficient} with too few runs to say",
                    ),
                    Card(
                        questions.WEEK_OF_FAILURES,
                        "failures",
                        "failed runs in 7 days",
                        as_count,
                        "of {runs}; {failures_before} of {runs_before} in the 7 before",
                    ),
                    Card(
                        questions.WEEK_OF_FAILURES,
                        "new_reasons",
                        "new failure reasons",
                        as_count,
                        "{reopened_reasons} are back again",
                    ),
                    Card(
                        questions.WEEK_OF_DEVICES,
                        "utilization",
                        "of device time was busy",
                        as_share,
                        "{utilization_before} in the 7 days before",
                        as_share,
                    ),
                    Card(
                        questions.TESTS_NOW,
                        "wasted_hours",
                        "of device time lost to flakes",
                        as_hours,
                        "in 30 days, {flaky} tests",
                    ),
                ]
            )
        ],
    ),
    Section(
        "tests",
        "Which tests are flaky",
        [
            Table(
                "Quarantine these first",
                questions.TO_QUARANTINE,
                [
                    _FAILING_TEST,
                    number("flake_rate", "flake rate", as_share),
                    Column("interval", "90% interval", is_short=True),
                    number("runs", "runs", as_count),
                    number("failures", "failed", as_count),
                    number("mixed_builds", "mixed builds", as_count),
                    Column("cause", "cause"),
                    number("clean_runs_to_clear", "clean runs to clear", as_count),
                    number("wasted_device_minutes", "lost", as_minutes),
                    Column("history", "30 days", chart=charts.history),
                ],
                says="Passed and failed on the same build at least twice, and the lower end of the interval is above 1%. Worst first by that lower end: what is certain comes before what is merely high. A name leads to the newest failed run in the vendor's report.",
                nothing="No test has shown itself flaky in at least two builds.",
            ),
            Figure(
                "How sure that is",
                questions.FLAKIEST,
                charts.intervals,
                says="All tests called flaky, up to twenty; n is the number of runs behind each rate.",
            ),
            Table(
                "Broken, worse, or mended",
                questions.CHANGED,
                [
                    Column("state", "state"),
                    _FAILING_TEST,
                    number("failure_rate", "failed", as_share),
                    number("failures", "failures", as_count),
                    number("runs", "runs", as_count),
                    number("clean_runs_to_clear", "clean runs to clear", as_count),
                    Column("history", "30 days", chart=charts.history),
                ],
                nothing="No test is broken, regressed, newly failing or newly fixed.",
            ),
            Figure(
                "Runs and failures",
                questions.RUNS_BY_DAY,
                charts.runs_by_day,
                says="Failed runs in colour, of all that counted; those of outages and of the lab itself are left out.",
            ),
        ],
    ),
    Section(
        "failures",
        "Why tests fail",
        [
            Figure(
                "Failed runs by category",
                questions.BY_CATEGORY,
                charts.failures_by_category,
                says="Only failures that came with a message.",
            ),
            Table(
                "New, or back again",
                questions.NEW_REASONS,
                _REASON_COLUMNS,
                says="First seen in the last 7 days, or seen again after 21 days without.",
                nothing="No new failure reason in 7 days.",
            ),
            Table(
                "Growing",
                questions.GROWING_REASONS,
                _REASON_COLUMNS,
                says="At least five in the last 7 days, and half as many again as in the 7 before.",
                nothing="No failure reason grows.",
            ),
        ],
    ),
    Section(
        "devices",
        "How busy each device is",
        [
            Figure(
                "Calendar",
                questions.CALENDAR,
                charts.calendar,
                says="The thirty busiest devices of the last 28 days; the share of their available time in which they were in use. Blank where most of the day was not observed.",
            ),
            Figure(
                "Most devices busy at once",
                questions.PEAKS,
                charts.peaks,
                says="Bars: the largest number busy at one instant of the day. Dashes: devices that were available.",
            ),
            Table("Busiest", questions.BUSIEST, _DEVICE_COLUMNS, says="Last 28 days."),
            Table("Idlest", questions.IDLEST, _DEVICE_COLUMNS, says="Last 28 days."),
            Table(
                "Outages",
                questions.OUTAGES,
                [
                    Column("scope", "of a"),
                    Column("scope_id", "which"),
                    Column("connection", "connection"),
                    Column("started_at", "began (UTC)", as_time, is_short=True),
                    number("minutes", "lasted", as_minutes),
                    number("failures", "failures", as_count),
                ],
                says="Last 14 days, by the failures that belong to them; those count against no test.",
                nothing="No outage was seen.",
            ),
        ],
    ),
    Section(
        "cost",
        "What it costs",
        [
            Table(
                "Dearest flakes",
                questions.COST,
                [
                    _TEST,
                    number("runs", "runs", as_count),
                    number("flake_rate", "flake rate", as_share),
                    number("wasted_device_minutes", "lost", as_minutes),
                    number("saved_by_one_retry_minutes", "one retry saves", as_minutes),
                    number("saved_by_quarantine_minutes", "quarantine saves", as_minutes),
                ],
                says="Device minutes of the last 30 days.",
                nothing="No device time was lost to flakes.",
            ),
            Table(
                "Manual tests",
                questions.MANUAL,
                [
                    Column("project", "project"),
                    Column("connection", "connection"),
                    number("scripts", "scripts", as_count),
                    number("run", "run", as_count),
                    number("never_run", "never run", as_count),
                    number("coverage", "run, of all", as_share),
                    number("passed", "passed last", as_count),
                    number("failed", "failed last", as_count),
                    Column("last_run_at", "last run (UTC)", as_time, is_short=True),
                ],
                nothing="No manual tests are assigned.",
            ),
        ],
    ),
)

READ = Table(
    "Data",
    questions.FRESHNESS,
    [
        Column("connection", "connection"),
        Column("source", "source"),
        Column("last_read_on", "last read", as_day, is_short=True),
        number("lag_hours", "behind by", as_hours),
        number("rows", "rows, 7 days", as_count),
        number("rejected", "rejected", as_count),
        number("failed", "failed reads", as_count),
    ],
    says="What was read of each system, in the last 7 days of reading.",
    nothing="Nothing was read yet.",
)
NOT_KNOWN = Table(
    "What these numbers do not know",
    questions.CAVEATS,
    [Column("what", "what"), number("n", "n", as_count), number("of", "of", as_count)],
    says="Each is left out, or counted apart, rather than guessed. Tests are judged by 30 days, devices by 28.",
)

ABOUT = Section("about", "How fresh and how complete this is", [READ, NOT_KNOWN])
