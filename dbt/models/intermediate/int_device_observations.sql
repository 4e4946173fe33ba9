{# Millions of observations say the same as the one before: they become stretches here, a day at a time. #}
{% set said = ['device_mode', 'device_status', 'manufacturer', 'model', 'os', 'os_version', 'location'] %}

with devices as (
    select * from {{ ref('stg_perfecto_lab__devices') }}
),

aliases as (
    select * from {{ ref('device_aliases') }}
),

mapped as (
    select
        devices.connection,
        devices.dt,
        coalesce(lower(aliases.device_id), devices.device_id) as device_id,
        devices.device_id as listed_device_id,
        nullif(devices.device_mode, '') as device_mode,
        nullif(devices.device_status, '') as device_status,
        nullif(devices.manufacturer, '') as manufacturer,
        nullif(devices.model, '') as model,
        upper(nullif(devices.os, '')) as os,
        nullif(devices.os_version, '') as os_version,
        nullif(devices.location, '') as location,
        devices.observed_at,
        {{ epoch_us('devices.observed_at') }} as observed_us,
        {{ epoch_us('devices.observed_at') }}
            + {{ var('state_holds_intervals') }} * 1000000 * coalesce(devices.interval_seconds, 0) as holds_until_us
    from devices
    left join aliases
        on devices.connection = aliases.connection
        and devices.device_id = lower(aliases.reported_device_id)
),

one_per_instant as (
    select *
    from mapped
    qualify row_number() over (
        partition by connection, dt, device_id, observed_at order by listed_device_id
    ) = 1
),

compared as (
    select
        *,
        case
            when lag(holds_until_us) over device >= observed_us
                {%- for column in said %}
                and {{ column }} is not distinct from lag({{ column }}) over device
                {%- endfor %}
                then 0
            else 1
        end as is_other
    from one_per_instant
    window device as (partition by connection, dt, device_id order by observed_at)
),

numbered as (
    select
        *,
        sum(is_other) over (
            partition by connection, dt, device_id order by observed_at
            rows between unbounded preceding and current row
        ) as stretch
    from compared
),

stretches as (
    select
        connection,
        dt,
        device_id,
        {%- for column in said %}
        max({{ column }}) as {{ column }},
        {%- endfor %}
        min(observed_at) as first_observed_at,
        max(observed_at) as last_observed_at,
        {{ timestamp_from_us('max_by(holds_until_us, observed_us)') }} as holds_until,
        count(*) as snapshots
    from numbered
    group by connection, dt, device_id, stretch
)

select * from stretches
