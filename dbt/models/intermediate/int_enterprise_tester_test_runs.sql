with script_runs as (
    select * from {{ ref('stg_enterprise_tester__script_runs') }}
),

step_results as (
    select * from {{ ref('stg_enterprise_tester__step_results') }}
),

assignments as (
    select * from {{ ref('stg_enterprise_tester__script_assignments') }}
),

durations as (
    select * from {{ ref('int_enterprise_tester_durations') }}
),

shared_names as (
    select
        connection,
        project_id,
        assignment_name
    from assignments
    group by connection, project_id, assignment_name
    having count(distinct script_id) > 1
),

named_assignments as (
    select
        assignments.connection,
        assignments.assignment_id,
        case
            when shared_names.assignment_name is null then assignments.assignment_name
            else assignments.assignment_name || ' (' || coalesce(assignments.package_name, 'no package') || ')'
        end as test_name
    from assignments
    left join shared_names
        on assignments.connection = shared_names.connection
        and assignments.project_id = shared_names.project_id
        and assignments.assignment_name = shared_names.assignment_name
),

first_failed_steps as (
    select
        step_results.connection,
        step_results.script_run_id,
        nullif(step_results.actual_result, '') as message
    from step_results
    inner join script_runs
        on step_results.connection = script_runs.connection
        and step_results.script_run_id = script_runs.script_run_id
        and step_results.dt = script_runs.dt
    where step_results.vendor_outcome = 'Failed'
    qualify row_number() over (
        partition by step_results.connection, step_results.script_run_id
        order by step_results.step_index, step_results.step_result_id
    ) = 1
),

conformed as (
    select
        'enterprise_tester' as source_name,
        script_runs.connection,
        'enterprise_tester/' || script_runs.connection || '/' || script_runs.script_run_id as test_run_id,
        script_runs.script_run_id as vendor_run_id,
        coalesce(named_assignments.test_name, '(script ' || script_runs.script_id || ')') as vendor_test_name,
        coalesce(nullif(script_runs.project_name, ''), '(no project)') as project_name,
        cast(null as string) as job_name,
        cast(null as bigint) as job_number,
        cast(null as string) as job_branch,
        script_runs.vendor_status,
        case lower(replace(script_runs.vendor_status, ' ', ''))
            when 'passed' then 'passed'
            when 'failed' then 'failed'
            when 'blocked' then 'blocked'
            when 'notrun' then 'skipped'
            when 'inprogress' then 'running'
            else 'unknown'
        end as run_status,
        script_runs.created_at as started_at,
        coalesce(cast(script_runs.created_at as date), script_runs.dt) as started_date,
        {{ timestamp_from_us(epoch_us('script_runs.created_at') ~ ' + cast(round(durations.duration_seconds * 1e6) as bigint)') }} as ended_at,
        durations.duration_seconds,
        script_runs.run_by as owner,
        cast(null as string) as failure_reason_name,
        first_failed_steps.message,
        false as is_manual_session,
        cast(null as string) as report_url,
        nullif(concat_ws(',', nullif({{ list_text('script_runs.issues') }}, ''), durations.issue), '') as issues,
        script_runs.fetched_at,
        script_runs.missing_since,
        cast(null as string) as device_type,
        cast(null as string) as os,
        cast(null as string) as browser_type,
        cast(null as string) as device_id,
        cast(0 as bigint) as device_count
    from script_runs
    left join named_assignments
        on script_runs.connection = named_assignments.connection
        and script_runs.assignment_id = named_assignments.assignment_id
    left join first_failed_steps
        on script_runs.connection = first_failed_steps.connection
        and script_runs.script_run_id = first_failed_steps.script_run_id
    left join durations
        on script_runs.connection = durations.connection
        and script_runs.script_run_id = durations.script_run_id
)

select * from conformed
