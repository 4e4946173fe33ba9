with source as (
    select * from {{ source('perfecto_reporting', 'commands') }}
),

newest as (
    select *
    from source
    qualify row_number() over (partition by connection, test_execution_id, step_index, command_index order by _fetched_at desc, dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        test_execution_id,
        step_index,
        command_index,
        step_name,
        cast(step_start_time as timestamp) as step_started_at,
        step_start_time_number as step_started_at_number,
        cast(step_end_time as timestamp) as step_ended_at,
        step_end_time_number as step_ended_at_number,
        name as command_name,
        status as vendor_status,
        message,
        cast(start_time as timestamp) as started_at,
        start_time_number as started_at_number,
        cast(end_time as timestamp) as ended_at,
        end_time_number as ended_at_number,
        ux_duration as ux_duration_ms,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues
    from newest
    where _missing_since is null   -- the parent's newest answer no longer lists it
)

select * from renamed
