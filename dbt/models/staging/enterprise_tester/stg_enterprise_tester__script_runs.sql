with source as (
    select * from {{ source('enterprise_tester', 'script_runs') }}
),

newest as (
    select *
    from source
    qualify row_number() over (partition by connection, id order by last_updated_at desc, _fetched_at desc, dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        id as script_run_id,
        actual_duration,
        script_id,
        script_version,
        assignment_id,
        cast(created_at as timestamp) as created_at,
        cast(last_updated_at as timestamp) as last_updated_at,
        created_by_id,
        created_by,
        run_by_id,
        run_by,
        last_updated_by_id,
        last_updated_by,
        status as vendor_status,
        completed as is_completed,
        _project_id as project_id,
        _project_name as project_name,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues,
        cast(_missing_since as timestamp) as missing_since
    from newest
)

select * from renamed
