{# Counted runs only: what the lab did to a device, outages included, stands beside its health and does not make it. #}
with pairs as (
    select * from {{ ref('fct_test_devices') }}
),

test_runs as (
    select test_runs.*
    from {{ ref('fct_test_runs') }} as test_runs
    inner join {{ ref('dim_connections') }} as connections
        on test_runs.connection = connections.connection
        and {{ is_in_window('test_runs.started_date', 'connections.last_run_date') }}
    where test_runs.device_id is not null and not test_runs.is_manual_session
),

outages as (
    select
        outages.connection,
        outages.scope_id as device_id,
        count(case when not outages.is_continued then 1 end) as outages
    from {{ ref('fct_outages') }} as outages
    inner join {{ ref('dim_connections') }} as connections
        on outages.connection = connections.connection
        and {{ is_in_window('outages.outage_date', 'connections.last_run_date') }}
    where outages.scope = 'device'
    group by outages.connection, outages.scope_id
),

used as (
    select
        connection,
        device_id,
        count(*) as runs,
        count(case when is_counted then 1 end) as counted_runs,
        count(case when is_counted and run_status = 'failed' then 1 end) as counted_failures,
        count(outage_id) as outage_failures,
        count(case when is_lab_failure and outage_id is null then 1 end) as other_lab_failures
    from test_runs
    group by connection, device_id
),

tests as (
    select
        test_id,
        sum(runs) as runs,
        sum(failures) as failures
    from pairs
    group by test_id
),

-- A test compares a device with the others where it ran on both and neither always passed nor always failed.
compared as (
    select
        pairs.connection,
        pairs.device_id,
        pairs.runs,
        pairs.failures,
        cast(pairs.runs as double) * tests.failures / tests.runs as expected_failures,
        cast(pairs.failures as double) * (tests.runs - pairs.runs) / tests.runs as here,
        cast(pairs.runs as double) * (tests.failures - pairs.failures) / tests.runs as elsewhere
    from pairs
    inner join tests on pairs.test_id = tests.test_id
    where pairs.runs < tests.runs and tests.failures > 0 and tests.failures < tests.runs
),

summed as (
    select
        connection,
        device_id,
        count(*) as compared_tests,
        cast(sum(runs) as bigint) as compared_runs,
        cast(sum(failures) as bigint) as compared_failures,
        sum(expected_failures) as expected_failures,
        sum(here) as here,
        sum(elsewhere) as elsewhere,
        sum(power(here - elsewhere, 2)) as squared_excess,
        sum(here * here) as here_squared,
        sum(elsewhere * elsewhere) as elsewhere_squared,
        sum(here * elsewhere) as here_and_elsewhere
    from compared
    group by connection, device_id
),

-- The tests are the sample: of their excesses, not of runs, comes the error, so that one test cannot make a device bad.
judged as (
    select
        *,
        case
            when here > 0 and elsewhere > 0 then here / elsewhere
        end as failure_ratio,
        case
            when here > 0 and elsewhere > 0 and compared_tests > 1 then sqrt(greatest(0e0,
                here_squared / (here * here)
                + elsewhere_squared / (elsewhere * elsewhere)
                - 2 * here_and_elsewhere / (here * elsewhere)
            )) * (1e0 + (power({{ normal_95() }}, 2) + 1) / (4e0 * (compared_tests - 1)))
        end as ln_ratio_error,
        case
            when squared_excess > 0 and compared_tests > 1
                then {{ normal_of_student('(here - elsewhere) / sqrt(squared_excess)', '(compared_tests - 1)') }}
            else 0e0
        end as z
    from summed
),

tested as (
    select
        *,
        {{ normal_upper_tail('z') }} as p_value
    from judged
),

ranked as (
    select
        *,
        row_number() over (order by p_value, connection, device_id) as p_rank,
        count(*) over () as tests
    from tested
),

corrected as (
    select
        *,
        {{ benjamini_hochberg('p_value') }} as q_value
    from ranked
)

select
    used.connection,
    used.device_id,
    used.runs,
    used.counted_runs,
    used.counted_failures,
    case when used.counted_runs > 0 then cast(used.counted_failures as double) / used.counted_runs end as failure_rate,
    coalesce(corrected.compared_tests, 0) as compared_tests,
    coalesce(corrected.compared_runs, 0) as compared_runs,
    coalesce(corrected.compared_failures, 0) as compared_failures,
    coalesce(corrected.expected_failures, 0e0) as expected_failures,
    corrected.failure_ratio,
    corrected.failure_ratio * exp(-{{ normal_95() }} * corrected.ln_ratio_error) as failure_ratio_low,
    corrected.failure_ratio * exp({{ normal_95() }} * corrected.ln_ratio_error) as failure_ratio_high,
    corrected.p_value,
    corrected.q_value,
    coalesce(corrected.q_value < {{ var('unhealthy_device_q') }}, false) as is_unhealthy,
    coalesce(outages.outages, 0) as outages,
    used.outage_failures,
    used.other_lab_failures
from used
left join corrected on used.connection = corrected.connection and used.device_id = corrected.device_id
left join outages on used.connection = outages.connection and used.device_id = outages.device_id
