{# A connection was last heard of by its newest answer: in a window table, or a snapshot of its devices. Where an answer
   changed nothing, nothing says so but the landing. #}
with landing_days as (
    select * from {{ ref('fct_landing_days') }}
),

connection_days as (
    select * from {{ ref('fct_connection_days') }}
),

landed as (
    select
        case source_name when 'perfecto_reporting' then 'perfecto' else source_name end as source_name,
        connection,
        max(known_until) as known_until
    from landing_days
    where table_name in ('test_executions', 'script_runs')
    group by case source_name when 'perfecto_reporting' then 'perfecto' else source_name end, connection
),

last_answers as (
    select
        source_name,
        connection,
        max(last_fetched_at) as last_fetched_at
    from connection_days
    group by source_name, connection
),

run_days as (
    select
        source_name,
        connection,
        min(date) as first_run_date,
        max(date) as last_run_date
    from connection_days
    where test_runs > 0
    group by source_name, connection
),

connections as (
    select
        last_answers.source_name,
        last_answers.connection,
        run_days.first_run_date,
        run_days.last_run_date,
        greatest(last_answers.last_fetched_at, landed.known_until) as last_fetched_at
    from last_answers
    left join landed
        on last_answers.source_name = landed.source_name
        and last_answers.connection = landed.connection
    left join run_days
        on last_answers.source_name = run_days.source_name
        and last_answers.connection = run_days.connection
)

select * from connections
