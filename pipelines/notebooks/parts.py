# ruff: noqa: S608  every part of these queries is our own
"""Parts that more than one notebook has: each asks, and lays out what it was answered."""

from __future__ import annotations

import marimo as mo

from pipelines.notebooks import charts, page
from pipelines.notebooks.filters import Choices, condition, in_words
from pipelines.notebooks.warehouse import Published
from pipelines.report.answers import as_count, as_day
from pipelines.report.charts import failures_by_category
from pipelines.report.layout import Column, number

FAILED = "run_status in ('failed', 'blocked')"
_WHOLE = "os = '*'"


def by_category(published: Published, choices: Choices, days: int) -> mo.Html:
    """Failed runs of each day, by whose fault they were."""
    names = ("connection", "project", "team", "system")
    answer = published.ask(
        "by_category",
        f"""
        select date, coalesce(failure_category, 'unknown') as category, sum(runs)::bigint as occurrences
        from marts.recent_test_runs_daily
        where {FAILED} and {published.in_last(days)} and {condition(choices, *names)}
        group by all
        order by date, category
        """,
    )
    totals = answer.data.groupby("category")["occurrences"].sum()
    return page.figure(
        f"Most failures are of category {totals.idxmax()}: {totals.max():,} of {totals.sum():,}"
        if answer.rows
        else "No failures",
        answer,
        failures_by_category,
        says="Failed and blocked runs of each day, by whose fault they were.",
        of=f"n = {int(totals.sum()):,} failed runs of {in_words(choices, *names)}, last {days} days.",
        nothing="No run of this choice failed.",
    )


def moving_reasons(published: Published, choices: Choices, most: int, leads_to: str = "") -> mo.Html:
    """Failure reasons that are new, came back, or grow, at most so many of each; `leads_to` is the page of a reason."""
    names = ("connection", "project", "team", "system")
    these = f"{FAILED} and {condition(choices, *names)}"
    answer = published.ask(
        "moving_reasons",
        f"""
        with weeks as (
            select
                failure_id,
                sum(runs) filter (where {published.in_last(7)})::bigint as this_week,
                coalesce(sum(runs) filter (where {published.in_last(14)} and not {published.in_last(7)}), 0)::bigint as week_before
            from marts.recent_test_runs_daily
            where {these} and failure_id is not null
            group by failure_id
            having this_week > 0
        ),
        moving as (
            select
                failure_id, this_week, week_before,
                case when is_new then 'new' when is_reopened then 'back again'
                    when this_week >= 5 and this_week > 1.5 * week_before then 'growing' end as what
            from weeks
            inner join marts.failure_reasons using (failure_id)
        ),
        first as (
            select *, count(*) over (partition by what) as of_kind
            from moving
            where what is not null
            qualify row_number() over (partition by what order by this_week - week_before desc, failure_id) <= {most}
        ),
        reach as (
            select failure_id, count(distinct test_id) as tests, count(distinct device_id) as devices
            from marts.recent_test_runs
            where failure_id in (select failure_id from first) and {published.in_last(7)} and {these}
            group by failure_id
        )
        select
            what, regexp_replace(left(example_message, 160), '\\s+', ' ', 'g') as message,
            '{leads_to}?reason=' || failure_id as link, category, coalesce(failing_command, '-') as command,
            first_seen_at, this_week, week_before, reach.tests, reach.devices, of_kind
        from first
        inner join reach using (failure_id)
        inner join marts.failure_reasons using (failure_id)
        order by what = 'growing', what = 'back again', this_week - week_before desc, failure_id
        """,
    )
    kinds = {row["what"]: row["of_kind"] for row in answer.rows}
    return page.table(
        ", ".join(f"{of_kind:,} {what}" for what, of_kind in kinds.items()) or "No reason is new or grows",
        answer,
        [
            Column("what", "what", is_short=True),
            Column("message", "message", is_long=True, link="link"),
            Column("category", "category"),
            Column("command", "failed at"),
            Column("first_seen_at", "first seen", as_day, is_short=True),
            number("this_week", "last 7 days", as_count),
            number("week_before", "7 before", as_count),
            number("tests", "tests", as_count),
            number("devices", "devices", as_count),
        ],
        says=f"New: first seen in the last 7 days. Back again: after 21 days without. Growing: at least five in the last 7 days, and half as many again as in the 7 before. At most {most} of a kind, by what was added.",
        of=f"n stands in each line, tests and devices of the last 7 days; {in_words(choices, *names)}.",
        nothing="No failure reason of this choice is new or grows.",
    )


def at_once(published: Published, choices: Choices, days: int, *names: str) -> mo.Html:
    """The most devices busy at once on each day, against those available.

    Peaks of groups never add up to the fleet's, so of a part of it the mean of each hour is shown."""
    is_whole = fleets(choices, *names).startswith(_WHOLE)
    busy = "sum(peak_devices_busy)" if is_whole else "sum(utilization * devices_available)"
    answer = published.ask(
        "concurrency",
        f"""
        with hours as (
            select hour, {busy} as busy, sum(devices_available) as available
            from marts.fleet_concurrency_hourly
            where {published.in_last(days)} and {fleets(choices, *names)}
            group by hour
        )
        select hour::date as date, max(busy) as busy, arg_max(available, busy) as available, count(*) as hours
        from hours
        group by date
        order by date
        """,
    )
    most = max(answer.rows, key=lambda row: row["busy"], default=None)
    hours = sum(row["hours"] for row in answer.rows)
    return page.figure(
        f"At most {most['busy']:.0f} of {most['available']:.0f} devices were busy at once"
        if most
        else "No hours",
        answer,
        charts.concurrency,
        says=(
            "Bars: the most busy at one instant of the day."
            if is_whole
            else "Bars: busy in the day's busiest hour, on average."
        )
        + " Dashes: the devices available in that hour.",
        of=f"n = {hours:,} hours; {in_words(choices, *names)}, last {days} days.",
        nothing="Nothing is known of devices of this choice.",
    )


def fleets(choices: Choices, *names: str) -> str:
    """The lines of the whole fleet, or of the parts of it that were chosen."""
    kinds = [name for name in names if name != "connection"]
    lines = _WHOLE if condition(choices, *kinds) == "true" else "os <> '*'"
    return f"{lines} and {condition(choices, *names)}"
