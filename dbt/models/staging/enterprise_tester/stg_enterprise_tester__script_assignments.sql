with source as (
    select * from {{ source('enterprise_tester', 'script_assignments') }}
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
        id as assignment_id,
        script_id,
        name as assignment_name,
        status as vendor_status,
        assigned_to,
        assigned_to_id,
        package_id as execution_package_id,
        package_name,
        package_project_id,
        _project_id as project_id,
        _project_name as project_name,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from newest
)

select * from renamed
