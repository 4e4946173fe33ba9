{{ config(materialized='incremental', meta={'day': 'date'}) }}

with attempts as (
    select *
    from {{ ref('fct_test_runs') }}
    where not is_manual_session and {{ is_touched('started_date') }}
),

spans as (
    select
        test_id,
        started_date,
        count(*) as attempts,
        min(started_at) as first_run_at,
        max(started_at) as last_run_at
    from attempts
    group by test_id, started_date
),

newest as (
    select *
    from attempts
    qualify row_number() over (
        partition by test_id, started_date order by started_at desc, test_run_id desc
    ) = 1
)

select
    newest.source_name,
    newest.connection,
    newest.project_name,
    newest.test_name,
    newest.test_id,
    newest.started_date as date,
    spans.attempts,
    spans.first_run_at,
    spans.last_run_at,
    newest.test_run_id as newest_test_run_id,
    newest.team,
    newest.owner
from newest
inner join spans on newest.test_id = spans.test_id and newest.started_date = spans.started_date
