{{ config(materialized='incremental', meta={'day': 'outage_date'}) }}

with outages as (
    select * from {{ ref('fct_outages') }}
    where {{ is_touched('outage_date') }}
),

test_runs as (
    select * from {{ ref('fct_test_runs') }}
    where outage_id is not null and {{ is_touched('started_date') }}
),

failures as (
    select
        outage_id,
        count(*) as failures,
        count(case when not is_lab_failure then 1 end) as disguised_failures
    from test_runs
    group by outage_id
)

select
    outages.connection,
    outages.scope,
    outages.scope_id,
    outages.started_at,
    outages.ended_at,
    concat(
        'blocked runs: ', cast(outages.blocked_runs as string),
        ', failures of the lab: ', cast(outages.lab_failures as string),
        ', lost devices: ', cast(outages.device_states as string),
        '; on devices: ', cast(outages.devices as string),
        ', of tests: ', cast(outages.tests as string)
    ) as evidence,
    coalesce(failures.failures, 0) as failures,
    coalesce(failures.disguised_failures, 0) as disguised_failures,
    outages.signals,
    outages.blocked_runs,
    outages.lab_failures,
    outages.device_states,
    outages.devices,
    outages.tests,
    ({{ epoch_us('outages.ended_at') }} - {{ epoch_us('outages.started_at') }}) / 1e6 as duration_seconds,
    outages.is_continued,
    outages.outage_date,
    outages.outage_id
from outages
left join failures on outages.outage_id = failures.outage_id
