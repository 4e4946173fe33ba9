{{ config(
    severity='warn',
    meta={
        'dagster': {'ref': {'name': 'stg_perfecto_live__executions'}},
        'description': "Executions that the Execution Manager listed and that no report names a day after they were last seen. "
            ~ "Ingest their days of perfecto_reporting again (flakehouse ingest --start ... --end ...). If they stay away, their "
            ~ "scripts send no report, or the token may not see them: flakehouse doctor says whether it sees all runs.",
    },
) }}

-- Of days that are read: an execution is judged where the day of its start, and the one after it was last seen, are among them.
with live as (
    select * from {{ ref('stg_perfecto_live__executions') }}
),

test_executions as (
    select * from {{ ref('stg_perfecto_reporting__test_executions') }}
),

landing_days as (
    select * from {{ ref('fct_landing_days') }}
),

executions as (
    select
        connection,
        execution_id,
        coalesce(min(started_at), min(observed_at)) as started_at,
        max(observed_at) as last_observed_at
    from live
    group by connection, execution_id
),

reports as (
    select
        connection,
        max(known_until) as known_until
    from landing_days
    where source_name = 'perfecto_reporting' and table_name = 'test_executions'
    group by connection
),

reported as (
    select distinct
        connection,
        external_id
    from test_executions
)

select
    executions.connection,
    executions.execution_id,
    executions.started_at,
    executions.last_observed_at
from executions
inner join reports on executions.connection = reports.connection
left join reported
    on executions.connection = reported.connection
    and executions.execution_id = reported.external_id
where reported.external_id is null
    and executions.last_observed_at + interval '24 hours' <= reports.known_until
    and {{ is_within_as_of('cast(executions.last_observed_at as date) + 1') }}
    and {{ is_one_of_days('cast(executions.started_at as date)', read_days()) }}
    and {{ is_one_of_days('cast(executions.last_observed_at as date) + 1', read_days()) }}
