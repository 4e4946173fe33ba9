{{ config(materialized='incremental', meta={'day': 'date'}) }}

with executions as (
    select * from {{ ref('fct_server_executions') }}
    where {{ is_touched('ended_date') }}
),

daily as (
    select
        connection,
        project_id,
        ended_date as date,
        execution_status,
        count(*) as executions,
        count(duration_seconds) as timed_executions,
        coalesce(sum(cast(round(duration_seconds * 1e6) as bigint)), 0) / 6e7 as minutes
    from executions
    group by connection, project_id, ended_date, execution_status
)

select * from daily
