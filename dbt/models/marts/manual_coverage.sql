with assignments as (
    select * from {{ ref('dim_script_assignments') }}
    where is_current
),

days as (
    select * from {{ ref('fct_assignment_days') }}
),

last_runs as (
    select
        connection,
        assignment_id,
        max(last_run_at) as last_run_at
    from days
    group by connection, assignment_id
),

newest_results as (
    select
        connection,
        assignment_id,
        newest_result as run_status
    from days
    where newest_result is not null
    qualify row_number() over (
        partition by connection, assignment_id order by newest_result_at desc, newest_result_test_run_id desc
    ) = 1
),

covered as (
    select
        assignments.connection,
        assignments.project_name,
        assignments.package_name,
        assignments.assigned_to,
        last_runs.assignment_id is not null as is_run,
        newest_results.run_status,
        last_runs.last_run_at
    from assignments
    left join last_runs
        on assignments.connection = last_runs.connection
        and assignments.assignment_id = last_runs.assignment_id
    left join newest_results
        on assignments.connection = newest_results.connection
        and assignments.assignment_id = newest_results.assignment_id
),

coverage as (
    select
        connection,
        project_name as project,
        package_name as package,
        assigned_to,
        count(*) as scripts,
        count(*) filter (where is_run) as run,
        count(*) filter (where not is_run) as never_run,
        count(*) filter (where run_status = 'passed') as passed,
        count(*) filter (where run_status = 'failed') as failed,
        max(last_run_at) as last_run_at
    from covered
    group by connection, project_name, package_name, assigned_to
)

select * from coverage
