with source as (
    select * from {{ source('enterprise_tester', 'projects') }}
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
        id as project_id,
        name as project_name,
        organisation_id,
        slug,
        start_date,
        estimated_end_date,
        time_tracking_configuration_hours_per_day as hours_per_day,
        time_tracking_configuration_days_per_week as days_per_week,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from newest
)

select * from renamed
