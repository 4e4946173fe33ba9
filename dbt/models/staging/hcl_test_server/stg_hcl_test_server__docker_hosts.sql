with source as (
    select * from {{ source('hcl_test_server', 'docker_hosts') }}
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
        id as docker_host_id,
        name as docker_host_name,
        host_name,
        ip_address,
        port,
        owner,
        type as docker_host_type,
        project_list,
        team_space_list,
        secure as is_secure,
        info_server,
        info_version,
        info_api_version,
        info_os_arch,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from newest
)

select * from renamed
