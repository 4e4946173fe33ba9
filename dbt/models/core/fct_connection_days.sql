{{ config(materialized='incremental', meta={'day': 'date'}) }}

with test_runs as (
    select * from {{ ref('int_test_runs') }}
),

commands as (
    select * from {{ ref('stg_perfecto_reporting__commands') }}
),

observations as (
    select * from {{ ref('fct_device_observations') }}
    where {{ is_within_as_of('dt') }} and {{ is_touched('dt') }}
),

answers as (
    select source_name, connection, started_date as date, fetched_at, is_manual_session from test_runs
    union all
    select 'perfecto' as source_name, connection, dt as date, fetched_at, true as is_manual_session from commands
    union all
    select 'perfecto' as source_name, connection, dt as date, last_observed_at as fetched_at, true as is_manual_session
    from observations
)

select
    source_name,
    connection,
    date,
    count(case when not is_manual_session then 1 end) as test_runs,
    max(fetched_at) as last_fetched_at
from answers
where {{ is_touched('date') }}
group by source_name, connection, date
