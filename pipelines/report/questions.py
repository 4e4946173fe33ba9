# ruff: noqa: S608  every part of these queries is our own
"""What the report asks of the published warehouse. Each query reads `marts` alone and has a bound."""

from __future__ import annotations

from pipelines.report.answers import Question
from pipelines.report.window import LAST_DAY, in_last

TESTS_NOW = Question(
    "tests_now",
    """
    select
        count(*) as tests,
        sum(runs)::bigint as runs,
        count(*) filter (where state = 'flaky') as flaky,
        count(*) filter (where is_quarantine_candidate) as candidates,
        count(*) filter (where state = 'broken') as broken,
        count(*) filter (where state = 'regressed') as regressed,
        count(*) filter (where state = 'fixed') as fixed,
        count(*) filter (where state = 'insufficient') as insufficient,
        sum(wasted_device_minutes) / 60 as wasted_hours
    from marts.test_flakiness
    """,
)

WEEK_OF_DEVICES = Question(
    "week_of_devices",
    f"""
    with weeks as (
        select *, {in_last(7)} as is_this_week
        from marts.device_utilization_daily
        where {in_last(14)}
    )
    select
        sum(busy_seconds) filter (where is_this_week)
            / nullif(sum(busy_seconds + idle_seconds) filter (where is_this_week), 0) as utilization,
        sum(busy_seconds) filter (where not is_this_week)
            / nullif(sum(busy_seconds + idle_seconds) filter (where not is_this_week), 0) as utilization_before,
        count(distinct device_id) filter (where is_this_week) as devices
    from weeks
    """,
)

WEEK_OF_FAILURES = Question(
    "week_of_failures",
    f"""
    with weeks as (
        select *, {in_last(7)} as is_this_week
        from marts.test_flakiness_daily
        where {in_last(14)}
    )
    select
        sum(failures) filter (where is_this_week)::bigint as failures,
        sum(runs) filter (where is_this_week)::bigint as runs,
        sum(failures) filter (where not is_this_week)::bigint as failures_before,
        sum(runs) filter (where not is_this_week)::bigint as runs_before,
        (select count(*) from marts.failure_reasons where is_new) as new_reasons,
        (select count(*) from marts.failure_reasons where is_reopened) as reopened_reasons
    from weeks
    """,
)

FRESHNESS = Question(
    "freshness",
    """
    select
        connection,
        source_name as source,
        max(date) as last_read_on,
        max(lag_seconds) filter (where date = (select max(date) from marts.pipeline_health_daily)) / 3600 as lag_hours,
        sum(rows)::bigint as rows,
        sum(rejected)::bigint as rejected,
        sum(failed_landings)::bigint as failed
    from marts.pipeline_health_daily
    where date > (select max(date) from marts.pipeline_health_daily) - 7
    group by connection, source_name
    order by connection, source_name
    limit 100
    """,
)

CAVEATS = Question(
    "caveats",
    f"""
    select 'tests with too few runs to judge' as what, count(*) filter (where state = 'insufficient') as n,
        count(*) as of
    from marts.test_flakiness
    union all
    select 'tests that fail in a way no rule explains', count(*) filter (where state = 'unclear'), count(*)
    from marts.test_flakiness
    union all
    select 'device-days without any look at the device''s state', count(*) filter (where not has_snapshots), count(*)
    from marts.device_utilization_daily
    where {in_last(28)}
    union all
    select 'sessions without a sane end, which add no busy time', sum(flagged_sessions)::bigint, sum(sessions)::bigint
    from marts.device_utilization_daily
    where {in_last(28)}
    """,
)

FLAKIEST = Question(
    "flakiest",
    """
    select
        test_name || '  (' || project_name || ', ' || connection || ')' as test,
        flake_rate, flake_rate_low, flake_rate_high,
        'n = ' || flake_runs as n_text
    from marts.test_flakiness
    where state = 'flaky'
    order by flake_rate_low desc, test_name, connection
    limit 20
    """,
)

_TEST_DAYS = """
    with newest as (
        select test_id, arg_max(report_url, started_at) as report_url
        from marts.recent_test_runs
        where run_status = 'failed'
        group by test_id
    ),
    days as (
        select source_name, connection, project_name, test_name,
            list({date: date, runs: daily.runs, failures: daily.failures} order by date)
                || [{date: any_value(test.window_start), runs: 0, failures: 0}, {date: any_value(test.window_end), runs: 0, failures: 0}]
                as history
        from marts.test_flakiness_daily as daily
        inner join marts.test_flakiness as test using (source_name, connection, project_name, test_name)
        where date between test.window_start and test.window_end
        group by all
    )
"""
"""The vendor's page of each test's newest failed run. The days of each test's window, for a line of small bars; the first
and the last are there to set its width."""

TO_QUARANTINE = Question(
    "to_quarantine",
    _TEST_DAYS
    + """
    select
        test_name, project_name || ', ' || connection as place, runs, failures, flake_rate,
        format('{:.0f} to {:.0f}%', 100 * flake_rate_low, 100 * flake_rate_high) as interval,
        mixed_builds, coalesce(cause, 'not known') as cause, clean_runs_to_clear, wasted_device_minutes, history,
        report_url
    from marts.test_flakiness
    inner join days using (source_name, connection, project_name, test_name)
    left join newest using (test_id)
    where is_quarantine_candidate
    order by flake_rate_low desc, test_name, connection
    limit 15
    """,
)

CHANGED = Question(
    "changed",
    _TEST_DAYS
    + """
    select state, test_name, project_name || ', ' || connection as place, runs, failures, failure_rate, clean_runs_to_clear, history,
        report_url
    from marts.test_flakiness
    inner join days using (source_name, connection, project_name, test_name)
    left join newest using (test_id)
    where state in ('broken', 'regressed', 'failing', 'fixed')
    order by state = 'regressed' desc, state = 'broken' desc, state = 'failing' desc, failures desc, test_name
    limit 20
    """,
)

RUNS_BY_DAY = Question(
    "runs_by_day",
    f"""
    select date, sum(runs)::bigint as runs, sum(failures)::bigint as failures
    from marts.test_flakiness_daily
    where {in_last(60)}
    group by date
    order by date
    """,
)

BY_CATEGORY = Question(
    "failures_by_category",
    f"""
    select date, category, sum(daily.occurrences)::bigint as occurrences
    from marts.failure_reasons_daily as daily
    inner join marts.failure_reasons using (failure_id)
    where {in_last(60)}
    group by date, category
    order by date, category
    """,
)


def _reasons(chosen: str) -> str:
    return f"""
    with newest as (
        select failure_id, arg_max(report_url, started_at) as report_url
        from marts.recent_test_runs
        where failure_id is not null
        group by failure_id
    ),
    days as (
        select failure_id,
            list({{date: date, occurrences: occurrences}} order by date)
                || [{{date: {LAST_DAY} - 29, occurrences: 0}}, {{date: {LAST_DAY}, occurrences: 0}}]
                as history,
            sum(occurrences) filter (where {in_last(7)})::bigint as this_week,
            sum(occurrences) filter (where {in_last(14)} and not {in_last(7)})::bigint as week_before
        from marts.failure_reasons_daily
        where {in_last(30)}
        group by failure_id
    )
    select
        regexp_replace(left(example_message, 160), '\\s+', ' ', 'g') as message, category,
        coalesce(failure_reason_name, '') as reason, first_seen_at, this_week, week_before, tests, devices, history, report_url
    from marts.failure_reasons
    inner join days using (failure_id)
    left join newest using (failure_id)
    where {chosen}
    order by this_week desc nulls last, failure_id
    limit 12
    """


NEW_REASONS = Question("new_reasons", _reasons("is_new or is_reopened"))
GROWING_REASONS = Question(
    "growing_reasons", _reasons("this_week >= 5 and this_week > 1.5 * coalesce(week_before, 0)")
)

CALENDAR = Question(
    "utilization_calendar",
    f"""
    with busiest as (
        select connection, device_id
        from marts.device_utilization_daily
        where {in_last(28)}
        group by connection, device_id
        order by sum(busy_seconds) desc, device_id
        limit 30
    )
    select coalesce(any_value(model) || '  ' || right(device_id, 6), device_id) as device, date,
        any_value(utilization) filter (where unobserved_seconds <= observed_seconds / 2) as utilization
    from marts.device_utilization_daily
    inner join busiest using (connection, device_id)
    where {in_last(28)}
    group by connection, device_id, date
    order by sum(sum(busy_seconds)) over (partition by connection, device_id) desc, device_id, date
    """,
)


def _devices(order: str) -> str:
    return f"""
    select
        coalesce(any_value(model), 'unknown') as model, device_id, connection, any_value(os) as os,
        any_value(location) as location, sum(busy_seconds) / 3600 as busy_hours,
        sum(busy_seconds) / nullif(sum(busy_seconds + idle_seconds), 0) as utilization,
        sum(unavailable_seconds) / 3600 as unavailable_hours, sum(reserved_idle_seconds) / 3600 as reserved_idle_hours,
        sum(test_runs)::bigint as test_runs, sum(failures)::bigint as failures
    from marts.device_utilization_daily
    where {in_last(28)}
    group by connection, device_id
    order by utilization {order} nulls last, device_id
    limit 8
    """


BUSIEST = Question("busiest_devices", _devices("desc"))
IDLEST = Question("idlest_devices", _devices("asc"))

PEAKS = Question(
    "fleet_peaks",
    f"""
    with fleets as (
        select connection, date, max(peak_devices_busy) as peak_devices_busy, max(devices_available) as devices_available
        from marts.fleet_concurrency_hourly
        where os = '*' and model = '*' and location = '*' and {in_last(28)}
        group by connection, date
    )
    select date, sum(peak_devices_busy)::bigint as peak_devices_busy, sum(devices_available) as devices_available
    from fleets
    group by date
    order by date
    """,
)

OUTAGES = Question(
    "outages",
    f"""
    select connection, scope, scope_id, started_at, (epoch(ended_at) - epoch(started_at)) / 60 as minutes, failures, evidence
    from marts.outages
    where {in_last(14, "outage_date")}
    order by failures desc, started_at desc, scope_id
    limit 15
    """,
)

COST = Question(
    "flake_cost",
    """
    select test_name, project_name || ', ' || connection as place, runs, flake_rate, wasted_device_minutes,
        saved_by_one_retry_minutes, saved_by_quarantine_minutes
    from marts.flake_cost
    where wasted_device_minutes > 0
    order by wasted_device_minutes desc, test_name, connection
    limit 10
    """,
)

MANUAL = Question(
    "manual_coverage",
    """
    select project, connection, sum(scripts)::bigint as scripts, sum(run)::bigint as run,
        sum(never_run)::bigint as never_run, sum(passed)::bigint as passed, sum(failed)::bigint as failed,
        sum(run) / nullif(sum(scripts), 0) as coverage, max(last_run_at) as last_run_at
    from marts.manual_coverage
    group by project, connection
    order by never_run desc, project, connection
    limit 20
    """,
)
