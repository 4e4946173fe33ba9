{{ config(materialized='incremental', meta={'day': 'started_date'}) }}

with script_runs as (
    select * from {{ ref('stg_enterprise_tester__script_runs') }}
),

test_runs as (
    select * from {{ ref('fct_test_runs') }}
    where source_name = 'enterprise_tester' and {{ is_touched('started_date') }}
),

joined as (
    select
        test_runs.connection,
        test_runs.test_run_id,
        script_runs.script_run_id,
        script_runs.assignment_id,
        script_runs.script_id,
        script_runs.script_version,
        test_runs.test_id,
        test_runs.project_name,
        test_runs.run_status,
        test_runs.vendor_status,
        script_runs.is_completed,
        test_runs.started_at,
        test_runs.started_date,
        test_runs.duration_seconds,
        test_runs.owner as run_by,
        script_runs.last_updated_at,
        script_runs.last_updated_by
    from test_runs
    inner join script_runs
        on test_runs.connection = script_runs.connection
        and test_runs.vendor_run_id = script_runs.script_run_id
)

select * from joined
