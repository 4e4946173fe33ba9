{{ config(materialized='incremental', meta={'day': 'started_date'}) }}

with platforms as (
    select * from {{ ref('int_perfecto_platforms') }}
),

test_runs as (
    select * from {{ ref('fct_test_runs') }}
    where {{ is_touched('started_date') }}
),

devices as (
    select
        test_run_id,
        device_id
    from platforms
    where device_id is not null
    group by test_run_id, device_id
),

sessions as (
    select
        test_runs.source_name,
        test_runs.connection,
        devices.device_id,
        test_runs.test_run_id,
        test_runs.started_at,
        test_runs.started_date,
        case when test_runs.duration_seconds is not null then test_runs.ended_at end as ended_at,
        test_runs.duration_seconds,
        test_runs.duration_seconds is null as is_flagged,
        test_runs.is_manual_session,
        test_runs.run_status
    from devices
    inner join test_runs on devices.test_run_id = test_runs.test_run_id
)

select * from sessions
