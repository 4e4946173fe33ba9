-- depends_on: {{ ref('fct_build_days') }}
with tests as (
    select * from {{ ref('test_flakiness') }}
),

connections as (
    select * from {{ ref('dim_connections') }}
),

counted_runs as (
    select * from {{ ref('fct_counted_runs') }}
    where {{ is_of_a_windows_build('started_date') }}
),

ci_builds as (
    select * from {{ ref('fct_ci_builds') }}
),

-- Numbered before the window is cut: what repeats an attempt of the day before the window is a repetition.
attempts as (
    select
        source_name,
        connection,
        test_id,
        started_date,
        is_failure,
        cast(round(coalesce(duration_seconds, 0e0) * 1e6) as bigint) as duration_us,
        row_number() over (
            partition by test_id, variant_id, build_key order by ordered_at, test_run_id
        ) as attempt
    from counted_runs
),

quarantine as (
    select
        attempts.test_id,
        cast(sum(attempts.duration_us) as bigint) as saved_us
    from attempts
    inner join connections
        on attempts.source_name = connections.source_name
        and attempts.connection = connections.connection
        and {{ is_in_window('attempts.started_date', 'connections.last_run_date') }}
    where attempts.is_failure or attempts.attempt > 1
    group by attempts.test_id
),

retries as (
    select
        only_failing_test_id as test_id,
        count(*) as builds,
        cast(sum(cast(round(coalesce(wall_seconds, 0e0) * 1e6) as bigint)) as bigint) as wall_us
    from ci_builds
    where only_failing_test_id is not null
    group by only_failing_test_id
),

costs as (
    select
        tests.source_name,
        tests.connection,
        tests.project_name,
        tests.test_name,
        tests.test_id,
        tests.runs,
        tests.state,
        tests.flake_rate,
        tests.wasted_device_minutes,
        coalesce(retries.builds, 0) as builds_failed_alone,
        coalesce(retries.wall_us * (1e0 - tests.flake_rate), 0e0) / 6e7 as saved_by_one_retry_minutes,
        coalesce(quarantine.saved_us, 0) / 6e7 as saved_by_quarantine_minutes
    from tests
    left join retries on tests.test_id = retries.test_id
    left join quarantine on tests.test_id = quarantine.test_id
)

select * from costs
