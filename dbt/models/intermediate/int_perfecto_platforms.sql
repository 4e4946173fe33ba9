{# A device's parent may have moved to another day: only the platforms of the parent's newest answer count. #}
with executions as (
    select * from {{ ref('stg_perfecto_reporting__test_executions') }}
),

platforms as (
    select * from {{ ref('stg_perfecto_reporting__platforms') }}
),

aliases as (
    select * from {{ ref('device_aliases') }}
),

listed as (
    select
        platforms.*,
        lower(nullif(platforms.device_id, '')) as reported_device_id
    from platforms
    inner join executions
        on platforms.connection = executions.connection
        and platforms.test_execution_id = executions.test_execution_id
        and platforms.dt = executions.dt
),

mapped as (
    select
        listed.connection,
        'perfecto/' || listed.connection || '/' || listed.test_execution_id as test_run_id,
        listed.platform_index,
        coalesce(lower(aliases.device_id), listed.reported_device_id) as device_id,
        upper(nullif(listed.device_type, '')) as device_type,
        upper(nullif(listed.os, '')) as os,
        nullif(listed.os_version, '') as os_version,
        nullif(listed.manufacturer, '') as manufacturer,
        nullif(listed.model, '') as model,
        nullif(listed.location, '') as location,
        upper(nullif(listed.browser_type, '')) as browser_type
    from listed
    left join aliases
        on listed.connection = aliases.connection
        and listed.reported_device_id = lower(aliases.reported_device_id)
)

select * from mapped
