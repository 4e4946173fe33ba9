{{ config(materialized='incremental', meta={'day': 'run_started_date'}) }}

with commands as (
    select * from {{ ref('stg_perfecto_reporting__commands') }}
),

executions as (
    select * from {{ ref('stg_perfecto_reporting__test_executions') }}
),

test_runs as (
    select * from {{ ref('int_test_runs') }}
),

listed as (
    select
        'perfecto/' || commands.connection || '/' || commands.test_execution_id as test_run_id,
        commands.*
    from commands
    inner join executions
        on commands.connection = executions.connection
        and commands.test_execution_id = executions.test_execution_id
        and commands.dt = executions.dt
    where commands.command_index is not null
),

conformed as (
    select
        test_runs.source_name,
        test_runs.connection,
        listed.test_run_id || '/' || cast(listed.step_index as string) || '/'
            || cast(listed.command_index as string) as command_key,
        listed.test_run_id,
        listed.step_index,
        listed.command_index,
        listed.step_name,
        listed.command_name,
        case listed.vendor_status
            when 'SUCCESS' then 'success'
            when 'FAILURE' then 'failure'
            else 'unknown'
        end as command_status,
        listed.vendor_status,
        nullif(listed.message, '') as message,
        test_runs.started_date as run_started_date,
        listed.started_at,
        listed.ended_at,
        case
            when listed.ended_at >= listed.started_at
                then ({{ epoch_us('listed.ended_at') }} - {{ epoch_us('listed.started_at') }}) / 1e6
        end as duration_seconds
    from listed
    inner join test_runs on listed.test_run_id = test_runs.test_run_id
)

select *
from conformed
where {{ is_touched('run_started_date') }}
