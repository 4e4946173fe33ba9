{{ config(materialized='incremental', meta={'day': 'date'}) }}

-- A run that stands as not run says nothing; one in progress was begun, and has no result yet.
with begun as (
    select * from {{ ref('fct_script_runs') }}
    where run_status <> 'skipped' and {{ is_touched('started_date') }}
),

last_runs as (
    select
        connection,
        assignment_id,
        started_date,
        max(started_at) as last_run_at
    from begun
    group by connection, assignment_id, started_date
),

newest_results as (
    select *
    from begun
    where run_status <> 'running'
    qualify row_number() over (
        partition by connection, assignment_id, started_date order by started_at desc, test_run_id desc
    ) = 1
)

select
    last_runs.connection,
    last_runs.assignment_id,
    last_runs.started_date as date,
    last_runs.last_run_at,
    newest_results.started_at as newest_result_at,
    newest_results.test_run_id as newest_result_test_run_id,
    newest_results.run_status as newest_result
from last_runs
left join newest_results
    on last_runs.connection = newest_results.connection
    and last_runs.assignment_id = newest_results.assignment_id
    and last_runs.started_date = newest_results.started_date
