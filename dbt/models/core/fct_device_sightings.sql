{{ config(materialized='incremental', meta={'day': 'recorded_date'}) }}

{# The days on which sessions of touched days lie need their devices' time reckoned anew: see macros/device_days.sql. #}
{% do note_sighted_days() %}
with session_days as (
    select * from {{ ref('fct_device_session_days') }}
    where {{ is_touched('started_date') }}
),

observations as (
    select *
    from {{ ref('fct_device_observations') }}
    where {{ is_within_as_of('dt') }} and {{ is_touched('dt') }}
)

select
    connection,
    device_id,
    started_date as recorded_date,
    date,
    false as is_listed
from session_days
group by connection, device_id, started_date, date
union all
select
    connection,
    device_id,
    dt as recorded_date,
    dt as date,
    true as is_listed
from observations
group by connection, device_id, dt
