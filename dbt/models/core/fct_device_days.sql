with session_days as (
    select * from {{ ref('fct_device_session_days') }}
),

observations as (
    select * from {{ ref('fct_device_observations') }}
),

connections as (
    select *
    from {{ ref('dim_connections') }}
    where source_name = 'perfecto'
),

in_session as (
    select
        connection,
        device_id,
        date,
        count(*) as sessions,
        cast(sum(case when is_flagged then 1 else 0 end) as bigint) as flagged_sessions,
        cast(coalesce(sum({{ epoch_us('ended_at') }} - {{ epoch_us('started_at') }}), 0) as bigint) as session_us,
        max(ended_at) as last_busy_at
    from session_days
    group by connection, device_id, date
),

snapshots as (
    select
        connection,
        device_id,
        cast(first_observed_at as date) as date
    from observations
    union
    select
        connection,
        device_id,
        cast(last_observed_at as date) as date
    from observations
),

visible_snapshots as (
    select *
    from snapshots
    where {{ is_within_as_of('date') }}
),

sightings as (
    select connection, device_id, date from in_session
    union all
    select connection, device_id, date from visible_snapshots
),

spans as (
    select
        connection,
        device_id,
        min(date) as first_date,
        max(date) as last_date
    from sightings
    group by connection, device_id
),

day_lists as (
    select
        *,
        {{ int_range('0', dbt.datediff('first_date', 'last_date', 'day')) }} as day_offsets
    from spans
),

days as (
    select
        t.connection,
        t.device_id,
        t.first_date + cast(u.day_offset as int) as date
    from day_lists as t, lateral unnest(t.day_offsets) as u(day_offset)
),

days_with_snapshots as (
    select
        connection,
        date
    from visible_snapshots
    group by connection, date
),

-- A clock that runs ahead can end a session after the newest answer: the device was observed until then.
measured as (
    select
        days.connection,
        days.device_id,
        days.date,
        case
            when cast(connections.last_fetched_at as date) = days.date
                then greatest(connections.last_fetched_at, in_session.last_busy_at)
            else cast(days.date + 1 as timestamp)
        end as observed_until,
        days_with_snapshots.date is not null as has_snapshots,
        coalesce(in_session.sessions, 0) as sessions,
        coalesce(in_session.flagged_sessions, 0) as flagged_sessions,
        coalesce(in_session.session_us, 0) / 1e6 as session_seconds
    from days
    left join in_session
        on days.connection = in_session.connection
        and days.device_id = in_session.device_id
        and days.date = in_session.date
    left join days_with_snapshots
        on days.connection = days_with_snapshots.connection
        and days.date = days_with_snapshots.date
    left join connections on days.connection = connections.connection
)

select * from measured
