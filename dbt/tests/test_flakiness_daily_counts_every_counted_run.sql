{# Rows are connections and days on which the daily mart lost or doubled a run. #}
with runs as (
    select
        source_name,
        connection,
        started_date as date,
        count(*) as runs,
        count(case when run_status = 'failed' then 1 end) as failures
    from {{ ref('fct_test_runs') }}
    where is_counted and {{ is_tested('started_date', 'counted_days') }}
    group by source_name, connection, started_date
),

daily as (
    select
        source_name,
        connection,
        date,
        sum(runs) as runs,
        sum(failures) as failures
    from {{ ref('test_flakiness_daily') }}
    where {{ is_tested('date', 'counted_days') }}
    group by source_name, connection, date
)

select
    coalesce(runs.connection, daily.connection) as connection,
    coalesce(runs.date, daily.date) as date
from runs
full outer join daily
    on runs.source_name = daily.source_name and runs.connection = daily.connection and runs.date = daily.date
where runs.runs is distinct from daily.runs or runs.failures is distinct from daily.failures
