with connections as (
    select * from {{ ref('dim_connections') }}
),

devices as (
    select * from {{ ref('dim_devices') }}
),

test_runs as (
    select
        test_runs.*,
        coalesce(test_runs.started_at, cast(test_runs.started_date as timestamp)) as ordered_at
    from {{ ref('fct_test_runs') }} as test_runs
    inner join connections
        on test_runs.source_name = connections.source_name
        and test_runs.connection = connections.connection
        and {{ is_in_window('test_runs.started_date', 'connections.last_run_date') }}
    where not test_runs.is_manual_session
),

described as (
    select
        test_runs.source_name,
        test_runs.connection,
        test_runs.project_name,
        test_runs.test_name,
        test_runs.test_id,
        test_runs.team,
        test_runs.test_run_id,
        test_runs.build_id,
        case
            when test_runs.build_id is not null then test_runs.job_name || ' #' || cast(test_runs.job_number as string)
                || coalesce(' ' || test_runs.job_branch, '')
        end as build_name,
        test_runs.device_id,
        devices.model,
        devices.os,
        devices.os_version,
        devices.location,
        test_runs.run_status,
        test_runs.is_counted,
        test_runs.outage_id,
        test_runs.failure_id,
        test_runs.failure_category,
        test_runs.message_head,
        test_runs.started_date as date,
        test_runs.started_at,
        test_runs.duration_seconds,
        test_runs.report_url
    from test_runs
    left join devices
        on test_runs.connection = devices.connection
        and test_runs.device_id = devices.device_id
        and test_runs.ordered_at >= devices.valid_from
        and (test_runs.ordered_at < devices.valid_to or devices.valid_to is null)
)

select * from described
