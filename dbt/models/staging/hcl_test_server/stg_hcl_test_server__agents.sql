with source as (
    select * from {{ source('hcl_test_server', 'agents') }}
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
        id as agent_id,
        host_name,
        ip_address,
        owner,
        type as agent_type,
        version,
        operating_system,
        architecture,
        try_cast(ram as bigint) as ram_bytes,
        license_type,
        poll_interval as poll_interval_ms,
        engine_list_size as active_engines,
        cast(contact_time as timestamp) as last_contact_at,
        contact_time_number,
        state as agent_state,
        rtb_state as monitoring_state,
        cast(rtb_contact_time as timestamp) as last_monitoring_contact_at,
        cast(_fetched_at as timestamp) as observed_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from observations
)

select * from renamed
