with assignments as (
    select * from {{ ref('stg_enterprise_tester__script_assignments') }}
),

landing_days as (
    select * from {{ ref('fct_landing_days') }}
),

newest_rounds as (
    select
        connection,
        max(last_complete_started_at) as started_at
    from landing_days
    where source_name = 'enterprise_tester' and table_name = 'script_assignments'
    group by connection
),

conformed as (
    select
        assignments.connection,
        assignments.assignment_id,
        assignments.assignment_name,
        assignments.script_id,
        coalesce(nullif(assignments.project_name, ''), '(no project)') as project_name,
        coalesce(nullif(assignments.package_name, ''), '(no package)') as package_name,
        assignments.execution_package_id,
        coalesce(nullif(assignments.assigned_to, ''), '(nobody)') as assigned_to,
        assignments.vendor_status,
        assignments.fetched_at as last_seen_at,
        coalesce(assignments.fetched_at >= newest_rounds.started_at, true) as is_current
    from assignments
    left join newest_rounds on assignments.connection = newest_rounds.connection
)

select * from conformed
