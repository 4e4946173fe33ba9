{% set dimensions = {
    'device': 'device_id',
    'model': 'model',
    'os': 'os',
    'os_version': "os || ' ' || os_version",
    'build': 'build_name',
} %}

with connections as (
    select * from {{ ref('dim_connections') }}
),

devices as (
    select * from {{ ref('dim_devices') }}
),

-- Runs that could have shown the failure, with what they ran on at the time.
runs as (
    select
        test_runs.test_run_id,
        test_runs.test_id,
        test_runs.failure_id,
        test_runs.device_id,
        devices.model,
        devices.os,
        devices.os_version,
        case
            when test_runs.build_id is not null then test_runs.job_name || ' #' || cast(test_runs.job_number as string)
                || coalesce(' ' || test_runs.job_branch, '')
        end as build_name
    from {{ ref('fct_test_runs') }} as test_runs
    inner join connections
        on test_runs.source_name = connections.source_name
        and test_runs.connection = connections.connection
        and {{ is_in_window('test_runs.started_date', 'connections.last_run_date') }}
    left join devices
        on test_runs.connection = devices.connection
        and test_runs.device_id = devices.device_id
        and coalesce(test_runs.started_at, cast(test_runs.started_date as timestamp)) >= devices.valid_from
        and (
            coalesce(test_runs.started_at, cast(test_runs.started_date as timestamp)) < devices.valid_to
            or devices.valid_to is null
        )
    where not test_runs.is_manual_session and test_runs.run_status in ('passed', 'failed', 'blocked')
),

placed as (
    {%- for dimension, expression in dimensions.items() %}
    select
        '{{ dimension }}' as dimension,
        {{ expression }} as value,
        test_id,
        failure_id
    from runs
    where {{ expression }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

test_values as (
    select
        dimension,
        value,
        test_id,
        count(*) as runs
    from placed
    group by dimension, value, test_id
),

test_totals as (
    select
        dimension,
        test_id,
        cast(sum(runs) as bigint) as runs
    from test_values
    group by dimension, test_id
),

test_failures as (
    select
        dimension,
        failure_id,
        test_id,
        count(*) as occurrences
    from placed
    where failure_id is not null
    group by dimension, failure_id, test_id
),

-- Were it the same everywhere, each test's occurrences would spread as its runs do.
expected as (
    select
        test_failures.dimension,
        test_values.value,
        test_failures.failure_id,
        cast(sum(test_values.runs) as bigint) as runs,
        sum(test_failures.occurrences * cast(test_values.runs as double) / test_totals.runs) as expected_occurrences
    from test_failures
    inner join test_values
        on test_failures.dimension = test_values.dimension
        and test_failures.test_id = test_values.test_id
    inner join test_totals
        on test_failures.dimension = test_totals.dimension
        and test_failures.test_id = test_totals.test_id
    group by test_failures.dimension, test_values.value, test_failures.failure_id
),

observed as (
    select
        dimension,
        value,
        failure_id,
        count(*) as occurrences
    from placed
    where failure_id is not null
    group by dimension, value, failure_id
),

totals as (
    select
        dimension,
        failure_id,
        cast(sum(occurrences) as bigint) as occurrences
    from observed
    group by dimension, failure_id
),

compared as (
    select
        observed.failure_id,
        observed.dimension,
        observed.value,
        observed.occurrences,
        totals.occurrences as failure_occurrences,
        expected.runs,
        expected.expected_occurrences,
        cast(observed.occurrences as double) / totals.occurrences as share,
        expected.expected_occurrences / totals.occurrences as expected_share
    from observed
    inner join totals
        on observed.dimension = totals.dimension
        and observed.failure_id = totals.failure_id
    inner join expected
        on observed.dimension = expected.dimension
        and observed.value = expected.value
        and observed.failure_id = expected.failure_id
    where totals.occurrences >= {{ var('concentration_min_occurrences') }}
        and observed.occurrences >= {{ var('concentration_min_value_occurrences') }}
),

measured as (
    select
        *,
        occurrences / expected_occurrences as lift,
        {{ wilson_low('share', 'failure_occurrences') }} / expected_share as lift_low,
        {{ wilson_high('share', 'failure_occurrences') }} / expected_share as lift_high
    from compared
),

concentrations as (
    select
        failure_id,
        dimension,
        value,
        occurrences,
        failure_occurrences,
        runs,
        expected_occurrences,
        lift,
        lift_low,
        lift_high,
        lift_low > 1 as is_concentrated
    from measured
)

select * from concentrations
