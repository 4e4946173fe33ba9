with source as (
    select * from {{ source('perfecto_reporting', 'platforms') }}
),

newest as (
    select *
    from source
    qualify row_number() over (partition by connection, test_execution_id, platform_index order by _fetched_at desc, dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        test_execution_id,
        platform_index,
        device_id,
        device_type,
        os,
        os_version,
        screen_resolution,
        location,
        mobile_info_manufacturer as manufacturer,
        mobile_info_model as model,
        mobile_info_distributor as distributor,
        mobile_info_description as device_description,
        mobile_info_firmware as firmware,
        mobile_info_operator as operator,
        mobile_info_operator_country as operator_country,
        mobile_info_has_audio as has_audio,
        browser_info_browser_type as browser_type,
        browser_info_browser_version as browser_version,
        alias,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues
    from newest
    where _missing_since is null   -- the parent's newest answer no longer lists it
)

select * from renamed
