{{ config(materialized='incremental', meta={'day': 'run_started_date'}) }}

with messages as (
    select * from {{ ref('fct_failure_messages') }}
    where {{ is_touched('run_started_date') }}
),

ranked as (
    select
        failure_id,
        run_started_date,
        template,
        message_head,
        occurred_at,
        row_number() over (
            partition by failure_id, run_started_date order by occurred_at, test_run_id, command_key
        ) as position,
        count(*) over (partition by failure_id, run_started_date) as messages
    from messages
),

days as (
    select
        failure_id,
        run_started_date,
        template,
        message_head as example_message,
        occurred_at as first_seen_at,
        messages
    from ranked
    where position = 1
)

select * from days
