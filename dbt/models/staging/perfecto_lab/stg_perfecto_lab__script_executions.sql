with source as (
    select * from {{ source('perfecto_lab', 'script_executions') }}
),

observations as (
    select *
    from source
    qualify row_number() over (partition by connection, execution_id, _fetched_at order by dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        execution_id as script_execution_id,
        report_key,
        status as script_status,
        completed as is_completed,
        flow_end_code,
        reason,
        description as script_description,
        completion_description,
        failed_validations,
        failed_actions,
        progress_percentage,
        devices,
        cast(_fetched_at as timestamp) as observed_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from observations
)

select * from renamed
