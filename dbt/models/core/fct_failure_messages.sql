{{ config(materialized='incremental', meta={'day': 'run_started_date'}) }}

with test_runs as (
    select * from {{ ref('int_test_runs') }}
),

commands as (
    select * from {{ ref('fct_commands') }}
    where {{ is_touched('run_started_date') }}
),

templates as (
    select * from {{ ref('int_failure_templates') }}
    where algorithm_version = '{{ failure_text_version() }}' and failure_id is not null
),

messages as (
    select
        source_name,
        connection,
        test_run_id,
        cast(null as string) as command_key,
        started_date as run_started_date,
        coalesce(started_at, cast(started_date as timestamp)) as occurred_at,
        message
    from test_runs
    where run_status in ('failed', 'blocked') and not is_manual_session and message is not null
    union all
    select
        commands.source_name,
        commands.connection,
        commands.test_run_id,
        commands.command_key,
        commands.run_started_date,
        coalesce(commands.started_at, cast(commands.run_started_date as timestamp)) as occurred_at,
        commands.message
    from commands
    inner join test_runs on commands.test_run_id = test_runs.test_run_id
    where commands.command_status = 'failure' and not test_runs.is_manual_session and commands.message is not null
)

select
    messages.source_name,
    messages.connection,
    messages.test_run_id,
    messages.command_key,
    messages.run_started_date,
    messages.occurred_at,
    templates.failure_id,
    templates.template,
    messages.message,
    left(messages.message, 500) as message_head
from messages
inner join templates on messages.message = templates.message
where {{ is_touched('messages.run_started_date') }}
