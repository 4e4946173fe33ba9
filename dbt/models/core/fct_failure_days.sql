{{ config(materialized='incremental', meta={'day': 'run_started_date'}) }}

with messages as (
    select * from {{ ref('fct_failure_messages') }}
    where {{ is_touched('run_started_date') }}
),

test_runs as (
    select * from {{ ref('fct_test_runs') }}
    where {{ is_touched('started_date') }}
),

failing_commands as (
    select * from {{ ref('fct_commands') }}
    where command_status = 'failure' and {{ is_touched('run_started_date') }}
),

-- What a run failed at is the last command that failed in it.
last_failing_commands as (
    select
        test_run_id,
        command_name
    from failing_commands
    qualify row_number() over (partition by test_run_id order by step_index desc, command_index desc) = 1
),

placed as (
    select
        messages.run_started_date,
        cast(messages.occurred_at as date) as date,
        messages.failure_id,
        messages.command_key is not null as is_of_a_command,
        test_runs.test_id,
        test_runs.device_id,
        test_runs.build_id,
        test_runs.failure_reason_name,
        case
            when messages.command_key is null then last_failing_commands.command_name
            else failing_commands.command_name
        end as failing_command,
        messages.occurred_at
    from messages
    inner join test_runs on messages.test_run_id = test_runs.test_run_id
    left join last_failing_commands on messages.test_run_id = last_failing_commands.test_run_id
    left join failing_commands on messages.command_key = failing_commands.command_key
),

days as (
    select
        run_started_date,
        date,
        failure_id,
        is_of_a_command,
        test_id,
        device_id,
        build_id,
        failure_reason_name,
        failing_command,
        count(*) as occurrences,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at
    from placed
    group by
        run_started_date, date, failure_id, is_of_a_command, test_id, device_id, build_id, failure_reason_name,
        failing_command
)

select * from days
