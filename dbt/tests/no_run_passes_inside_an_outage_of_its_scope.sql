-- An outage lies within its day, and ends with the first run of its device or connection that passes.
with outages as (
    select * from {{ ref('fct_outages') }}
    where {{ is_tested('outage_date') }}
),

passed as (
    select *
    from {{ ref('fct_test_runs') }}
    where run_status = 'passed' and not is_manual_session and {{ is_tested('started_date') }}
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
    and outages.scope_id = case outages.scope
        when 'device' then passed.device_id
        when 'connection' then passed.connection
    end
union all
select
    outage_id,
    cast(null as string) as test_run_id
from outages
where started_at > ended_at
    or cast(started_at as date) <> outage_date
    or ended_at > cast(outage_date + 1 as timestamp)
