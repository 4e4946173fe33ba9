with source as (
    select * from {{ source('hcl_test_server', 'docker_host_status') }}
),

observations as (
    select *
    from source
    qualify row_number() over (partition by connection, _docker_host_id, _fetched_at order by dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        _docker_host_id as docker_host_id,
        status as docker_host_status,
        reason,
        info_server,
        info_version,
        info_api_version,
        info_os_arch,
        cast(_fetched_at as timestamp) as observed_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from observations
)

select * from renamed
