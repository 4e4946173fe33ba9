with source as (
    select * from {{ source('perfecto_reporting', 'test_executions') }}
),

newest as (
    select *
    from source
    qualify row_number() over (partition by connection, id order by _fetched_at desc, dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        id as test_execution_id,
        external_id,
        name as test_name,
        owner,
        cast(start_time as timestamp) as started_at,
        start_time_number as started_at_number,
        cast(end_time as timestamp) as ended_at,
        end_time_number as ended_at_number,
        ux_duration as ux_duration_ms,
        status as vendor_status,
        job_name,
        job_number,
        job_branch,
        project_name,
        project_version,
        videos,
        tags,
        execution_engine_version,
        artifacts,
        report_url,
        message,
        custom_fields,
        failure_reason_name,
        automation_framework,
        parameters,
        trigger_type,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues,
        cast(_missing_since as timestamp) as missing_since
    from newest
)

select * from renamed
