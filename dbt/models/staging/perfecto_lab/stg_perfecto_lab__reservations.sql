with source as (
    select * from {{ source('perfecto_lab', 'reservations') }}
),

observations as (
    select *
    from source
    qualify row_number() over (partition by connection, id, _fetched_at order by dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        id as reservation_id,
        lower(resource_id) as device_id,
        reserved_to,
        reserved_by,
        cast(start_time_millis as timestamp) as starts_at,
        cast(end_time_millis as timestamp) as ends_at,
        cast(created_millis as timestamp) as created_at,
        status as reservation_status,
        description as reservation_description,
        cast(_fetched_at as timestamp) as observed_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from observations
)

select * from renamed
