{{ config(materialized='incremental', meta={'day': 'date', 'days': 'device_days'}) }}

{% set labels = ['os', 'model', 'location'] %}

with activity as (
    select
        *,
        {{ epoch_us('started_at') }} as start_us,
        {{ epoch_us('ended_at') }} as end_us
    from {{ ref('fct_device_activity') }}
    where {{ is_touched('date') }}
),

descriptions as (
    select * from {{ ref('dim_devices') }}
),

device_hours as (
    select
        connection,
        device_id,
        hour,
        cast(sum(case when activity = 'busy' then end_us - start_us else 0 end) as bigint) as busy_us,
        cast(sum(case when activity <> 'unavailable' then end_us - start_us else 0 end) as bigint) as available_us,
        max(end_us) - min(start_us) as known_us
    from activity
    group by connection, device_id, hour
),

described as (
    select
        device_hours.*,
        descriptions.os,
        descriptions.model,
        descriptions.location
    from device_hours
    left join descriptions
        on device_hours.connection = descriptions.connection
        and device_hours.device_id = descriptions.device_id
        and descriptions.valid_from < device_hours.hour + interval '1' hour
        and (descriptions.valid_to >= device_hours.hour + interval '1' hour or descriptions.valid_to is null)
),

-- A device counts in its own group and in the total.
grouped as (
    select connection, hour, device_id, busy_us, available_us, known_us, os, model, location
    from described
    union all
    select connection, hour, device_id, busy_us, available_us, known_us, '*' as os, '*' as model, '*' as location
    from described
),

hours as (
    select
        connection,
        hour,
        max(known_us) as known_us
    from device_hours
    group by connection, hour
),

fleets as (
    select
        grouped.connection,
        grouped.hour,
        {%- for label in labels %}
        grouped.{{ label }},
        {%- endfor %}
        sum(grouped.available_us) / max(cast(hours.known_us as double)) as devices_available,
        sum(grouped.busy_us) / nullif(sum(cast(grouped.available_us as double)), 0e0) as utilization
    from grouped
    inner join hours
        on grouped.connection = hours.connection
        and grouped.hour = hours.hour
    group by grouped.connection, grouped.hour{% for label in labels %}, grouped.{{ label }}{% endfor %}
),

steps as (
    select connection, device_id, hour, start_us as moment_us, 1 as step
    from activity
    where activity = 'busy'
    union all
    select connection, device_id, hour, end_us as moment_us, -1 as step
    from activity
    where activity = 'busy'
),

-- Of an end and a start at the same instant the end comes first: both are taken at once.
moments as (
    select
        grouped.connection,
        grouped.hour,
        {%- for label in labels %}
        grouped.{{ label }},
        {%- endfor %}
        steps.moment_us,
        sum(steps.step) as step
    from steps
    inner join grouped
        on steps.connection = grouped.connection
        and steps.device_id = grouped.device_id
        and steps.hour = grouped.hour
    group by grouped.connection, grouped.hour{% for label in labels %}, grouped.{{ label }}{% endfor %}, steps.moment_us
),

swept as (
    select
        *,
        sum(step) over (
            partition by connection, hour{% for label in labels %}, {{ label }}{% endfor %} order by moment_us
            rows between unbounded preceding and current row
        ) as devices_busy
    from moments
),

peaks as (
    select
        connection,
        hour,
        {{ labels | join(', ') }},
        cast(max(devices_busy) as bigint) as peak_devices_busy
    from swept
    group by connection, hour, {{ labels | join(', ') }}
),

concurrency as (
    select
        fleets.connection,
        cast(fleets.hour as date) as date,
        fleets.hour,
        {%- for label in labels %}
        fleets.{{ label }},
        {%- endfor %}
        coalesce(peaks.peak_devices_busy, 0) as peak_devices_busy,
        fleets.devices_available,
        fleets.utilization
    from fleets
    left join peaks
        on fleets.connection = peaks.connection
        and fleets.hour = peaks.hour
        {%- for label in labels %}
        and fleets.{{ label }} is not distinct from peaks.{{ label }}
        {%- endfor %}
)

select * from concurrency
