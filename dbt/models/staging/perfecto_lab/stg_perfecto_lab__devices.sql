with source as (
    select * from {{ source('perfecto_lab', 'devices') }}
),

observations as (
    select *
    from source
    qualify row_number() over (partition by connection, lower(device_id), _fetched_at order by dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        lower(device_id) as device_id,
        manufacturer,
        model,
        distributer as distributor,
        description as device_description,
        firmware,
        os_build,
        cpu_arch,
        link_type,
        operator_name as operator,
        operator_country,
        operator_code,
        location,
        last_cradle_id,
        language,
        status as device_status,
        mode as device_mode,
        available as is_available,
        reserved as is_reserved,
        in_use as is_in_use,
        allocated_to,
        reserved_to,
        operability_rating_score as operability_score,
        cradle_id,
        os,
        os_version,
        resolution,
        cast(_fetched_at as timestamp) as observed_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from observations
)

select * from renamed
