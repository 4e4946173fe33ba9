{{ config(materialized='incremental', meta={'day': 'run_started_date'}) }}

{# A run that was moved to another day leaves its steps behind: only those beside its newest answer count. #}
with step_results as (
    select * from {{ ref('stg_enterprise_tester__step_results') }}
),

script_runs as (
    select * from {{ ref('stg_enterprise_tester__script_runs') }}
),

test_runs as (
    select * from {{ ref('fct_script_runs') }}
    where {{ is_touched('started_date') }}
),

listed as (
    select step_results.*
    from step_results
    inner join script_runs
        on step_results.connection = script_runs.connection
        and step_results.script_run_id = script_runs.script_run_id
        and step_results.dt = script_runs.dt
),

conformed as (
    select
        test_runs.connection,
        test_runs.test_run_id,
        listed.step_index,
        listed.step_result_id,
        listed.step_description,
        listed.expected_result,
        nullif(listed.actual_result, '') as actual_result,
        nullif(listed.notes, '') as notes,
        case lower(replace(listed.vendor_outcome, ' ', ''))
            when 'passed' then 'passed'
            when 'failed' then 'failed'
            when 'blocked' then 'blocked'
            when 'notrun' then 'skipped'
            else 'unknown'
        end as step_status,
        listed.vendor_outcome,
        listed.has_incidents,
        listed.has_attachments,
        test_runs.started_date as run_started_date
    from listed
    inner join test_runs
        on listed.connection = test_runs.connection
        and listed.script_run_id = test_runs.script_run_id
)

select * from conformed
