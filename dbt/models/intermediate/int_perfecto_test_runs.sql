with executions as (
    select * from {{ ref('stg_perfecto_reporting__test_executions') }}
),

platforms as (
    select * from {{ ref('int_perfecto_platforms') }}
),

first_platforms as (
    select *
    from platforms
    qualify row_number() over (partition by test_run_id order by platform_index) = 1
),

device_counts as (
    select
        test_run_id,
        count(distinct device_id) as device_count
    from platforms
    group by test_run_id
),

conformed as (
    select
        'perfecto' as source_name,
        connection,
        'perfecto/' || connection || '/' || test_execution_id as test_run_id,
        test_execution_id as vendor_run_id,
        coalesce(nullif(test_name, ''), '(no name)') as vendor_test_name,
        coalesce(nullif(project_name, ''), '(no project)') as project_name,
        nullif(job_name, '') as job_name,
        job_number,
        nullif(job_branch, '') as job_branch,
        vendor_status,
        case
            when vendor_status in ('PASSED', 'FAILED', 'BLOCKED') then lower(vendor_status)
            else 'unknown'
        end as run_status,
        started_at,
        coalesce(cast(started_at as date), dt) as started_date,
        ended_at,
        case
            when ended_at >= started_at then ({{ epoch_us('ended_at') }} - {{ epoch_us('started_at') }}) / 1e6
        end as duration_seconds,
        owner,
        nullif(failure_reason_name, '') as failure_reason_name,
        nullif(message, '') as message,
        coalesce(test_name = '{{ var("manual_session_name") }}', false) as is_manual_session,
        report_url,
        nullif({{ list_text('issues') }}, '') as issues,
        fetched_at,
        missing_since
    from executions
),

with_devices as (
    select
        conformed.*,
        first_platforms.device_type,
        first_platforms.os,
        first_platforms.browser_type,
        first_platforms.device_id,
        coalesce(device_counts.device_count, 0) as device_count
    from conformed
    left join first_platforms on conformed.test_run_id = first_platforms.test_run_id
    left join device_counts on conformed.test_run_id = device_counts.test_run_id
)

select * from with_devices
