with source as (
    select * from {{ source('perfecto_live', 'executions') }}
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
        id as execution_id,
        name as execution_name,
        cast(start_time as timestamp) as started_at,
        owner,
        platforms,
        cast(_fetched_at as timestamp) as observed_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from observations
)

select * from renamed
