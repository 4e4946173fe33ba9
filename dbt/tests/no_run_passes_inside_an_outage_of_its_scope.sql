-- An outage lies within its day, and ends with the first run of its device, location or connection that passes.
with outages as (
    select * from {{ ref('fct_outages') }}
    where {{ is_tested('outage_date') }}
),

passed as (
    select *
    from {{ ref('fct_test_runs') }}
    where run_status = 'passed' and not is_manual_session and {{ is_tested('started_date') }}
),

-- A run's devices and their locations; of days that the build has read.
platforms as (
    select * from {{ ref('int_perfecto_platforms') }}
),

places as (
    select
        test_run_id,
        'device' as scope,
        device_id as scope_id
    from platforms
    union
    select
        test_run_id,
        'location' as scope,
        location as scope_id
    from platforms
    union
    select
        test_run_id,
        'connection' as scope,
        connection as scope_id
    from passed
)

select
    outages.outage_id,
    passed.test_run_id
from outages
inner join passed
    on outages.connection = passed.connection
    and outages.outage_date = passed.started_date
    and passed.started_at > outages.started_at
    and passed.started_at < outages.ended_at
inner join places
    on passed.test_run_id = places.test_run_id
    and outages.scope = places.scope
    and outages.scope_id = places.scope_id
union all
select
    outage_id,
    cast(null as string) as test_run_id
from outages
where started_at > ended_at
    or cast(started_at as date) <> outage_date
    or ended_at > cast(outage_date + 1 as timestamp)
