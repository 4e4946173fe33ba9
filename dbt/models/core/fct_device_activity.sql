{{ config(materialized='incremental', meta={'day': 'date', 'days': 'device_days'}) }}

{# A sweep over each device's day: at every moment at which something begins or ends, what holds is counted anew. #}
with device_days as (
    select
        *,
        {{ epoch_us('cast(date as timestamp)') }} as day_start_us,
        {{ epoch_us('observed_until') }} as observed_until_us
    from {{ ref('fct_device_days') }}
    where {{ is_touched('date') }}
),

session_days as (
    select * from {{ ref('fct_device_session_days') }}
    where {{ is_touched('date') }}
),

states as (
    select * from {{ ref('fct_device_states') }}
    where {{ is_touched('date') }}
),

reservations as (
    select * from {{ ref('fct_reservations') }}
    where {{ is_of_touched_time('starts_at', 'held_until') }}
),

reservation_day_lists as (
    select
        connection,
        device_id,
        {{ epoch_us('starts_at') }} as start_us,
        {{ epoch_us('held_until') }} as end_us,
        cast(starts_at as date) as first_date,
        {{ int_range('0', dbt.datediff('starts_at', 'held_until', 'day')) }} as day_offsets
    from reservations
),

interval_days as (
    select
        t.connection,
        t.device_id,
        t.first_date + cast(u.day_offset as int) as date,
        'reserved' as kind,
        t.start_us,
        t.end_us
    from reservation_day_lists as t, lateral unnest(t.day_offsets) as u(day_offset)
    union all
    select
        connection,
        device_id,
        date,
        case when is_unavailable then 'unavailable' else 'available' end as kind,
        {{ epoch_us('started_at') }} as start_us,
        {{ epoch_us('ended_at') }} as end_us
    from states
    where device_state <> 'unknown'
    union all
    select
        connection,
        device_id,
        date,
        'busy' as kind,
        {{ epoch_us('started_at') }} as start_us,
        {{ epoch_us('ended_at') }} as end_us
    from session_days
    where not is_flagged
),

clipped as (
    select
        device_days.connection,
        device_days.device_id,
        device_days.date,
        device_days.has_snapshots,
        interval_days.kind,
        greatest(interval_days.start_us, device_days.day_start_us) as start_us,
        least(interval_days.end_us, device_days.observed_until_us) as end_us
    from device_days
    inner join interval_days
        on device_days.connection = interval_days.connection
        and device_days.device_id = interval_days.device_id
        and device_days.date = interval_days.date
),

hour_lists as (
    select
        *,
        {{ int_range('0', '24') }} as hour_offsets
    from device_days
),

steps as (
    select connection, device_id, date, has_snapshots, kind, start_us as moment_us, 1 as step
    from clipped
    where start_us < end_us
    union all
    select connection, device_id, date, has_snapshots, kind, end_us as moment_us, -1 as step
    from clipped
    where start_us < end_us
    union all
    select
        t.connection,
        t.device_id,
        t.date,
        t.has_snapshots,
        'hour' as kind,
        least(t.day_start_us + u.hour_offset * 3600000000, t.observed_until_us) as moment_us,
        0 as step
    from hour_lists as t, lateral unnest(t.hour_offsets) as u(hour_offset)
),

moments as (
    select
        connection,
        device_id,
        date,
        has_snapshots,
        moment_us,
        {%- for kind in ['busy', 'unavailable', 'available', 'reserved'] %}
        sum(case when kind = '{{ kind }}' then step else 0 end) as {{ kind }}_step{{ ',' if not loop.last }}
        {%- endfor %}
    from steps
    group by connection, device_id, date, has_snapshots, moment_us
),

counted as (
    select
        connection,
        device_id,
        date,
        has_snapshots,
        moment_us as start_us,
        lead(moment_us) over (partition by connection, device_id, date order by moment_us) as end_us,
        {%- for kind in ['busy', 'unavailable', 'available', 'reserved'] %}
        sum({{ kind }}_step) over so_far as {{ kind }}{{ ',' if not loop.last }}
        {%- endfor %}
    from moments
    window so_far as (
        partition by connection, device_id, date order by moment_us
        rows between unbounded preceding and current row
    )
),

activity as (
    select
        connection,
        device_id,
        date,
        cast(date_trunc('hour', {{ timestamp_from_us('start_us') }}) as timestamp) as hour,
        case
            when busy > 0 then 'busy'
            when unavailable > 0 and has_snapshots then 'unavailable'
            when available > 0 or not has_snapshots then 'idle'
            else 'unobserved'
        end as activity,
        reserved > 0 as is_reserved,
        {{ timestamp_from_us('start_us') }} as started_at,
        {{ timestamp_from_us('end_us') }} as ended_at,
        (end_us - start_us) / 1e6 as duration_seconds
    from counted
    where start_us < end_us
)

select * from activity
