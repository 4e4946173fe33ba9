{# Whole microseconds until the last step: sums of doubles would depend on their order. #}
{% set day_us = '86400000000' %}

with sessions as (
    select * from {{ ref('fct_device_sessions') }}
),

connections as (
    select * from {{ ref('dim_connections') }}
),

descriptions as (
    select * from {{ ref('dim_devices') }}
),

spans as (
    select
        *,
        {{ epoch_us('started_at') }} as start_us,
        {{ epoch_us('ended_at') }} as end_us,
        case
            when is_flagged then started_date
            when ended_at > started_at and ended_at = cast(cast(ended_at as date) as timestamp) then cast(ended_at as date) + (-1)
            else cast(ended_at as date)
        end as last_date
    from sessions
),

touched_days as (
    select
        *,
        {{ int_range('0', dbt.datediff('started_date', 'last_date', 'day')) }} as day_offsets
    from spans
),

pieces_by_day as (
    select
        t.connection,
        t.device_id,
        t.test_run_id,
        t.is_flagged,
        t.started_date + cast(u.day_offset as int) as date,
        t.start_us,
        t.end_us
    from touched_days as t, lateral unnest(t.day_offsets) as u(day_offset)
),

day_starts as (
    select
        *,
        {{ epoch_us('cast(date as timestamp)') }} as day_start_us
    from pieces_by_day
    where {{ is_within_as_of('date') }}
),

clipped as (
    select
        connection,
        device_id,
        date,
        test_run_id,
        is_flagged,
        case when not is_flagged then greatest(start_us, day_start_us) - day_start_us end as from_us,
        case when not is_flagged then least(end_us, day_start_us + {{ day_us }}) - day_start_us end as to_us
    from day_starts
),

preceded as (
    select
        *,
        max(to_us) over (
            partition by connection, device_id, date order by from_us, to_us, test_run_id
            rows between unbounded preceding and 1 preceding
        ) as busy_until_us
    from clipped
),

busy as (
    select
        connection,
        device_id,
        date,
        count(*) as sessions,
        cast(sum(case when is_flagged then 1 else 0 end) as bigint) as flagged_sessions,
        cast(coalesce(sum(to_us - from_us), 0) as bigint) as session_us,
        cast(coalesce(sum(greatest(to_us - greatest(from_us, busy_until_us), 0)), 0) as bigint) as busy_us,
        coalesce(max(to_us), 0) as last_busy_us
    from preceded
    group by connection, device_id, date
),

started_runs as (
    select
        connection,
        device_id,
        started_date as date,
        count(*) as test_runs,
        cast(sum(case when run_status = 'failed' then 1 else 0 end) as bigint) as failures
    from sessions
    where not is_manual_session
    group by connection, device_id, started_date
),

device_spans as (
    select
        connection,
        device_id,
        min(date) as first_date,
        max(date) as last_date
    from busy
    group by connection, device_id
),

device_day_lists as (
    select
        *,
        {{ int_range('0', dbt.datediff('first_date', 'last_date', 'day')) }} as day_offsets
    from device_spans
),

device_days as (
    select
        t.connection,
        t.device_id,
        t.first_date + cast(u.day_offset as int) as date
    from device_day_lists as t, lateral unnest(t.day_offsets) as u(day_offset)
),

described as (
    select
        device_days.connection,
        device_days.device_id,
        device_days.date,
        descriptions.os,
        descriptions.model,
        descriptions.location
    from device_days
    left join descriptions
        on device_days.connection = descriptions.connection
        and device_days.device_id = descriptions.device_id
        and descriptions.valid_from < cast(device_days.date + 1 as timestamp)
        and (descriptions.valid_to >= cast(device_days.date + 1 as timestamp) or descriptions.valid_to is null)
),

measured as (
    select
        described.*,
        coalesce(busy.sessions, 0) as sessions,
        coalesce(busy.flagged_sessions, 0) as flagged_sessions,
        coalesce(busy.session_us, 0) as session_us,
        coalesce(busy.busy_us, 0) as busy_us,
        case
            when cast(connections.last_fetched_at as date) = described.date
                then greatest(
                    {{ epoch_us('connections.last_fetched_at') }} - {{ epoch_us('cast(described.date as timestamp)') }},
                    coalesce(busy.last_busy_us, 0)
                )
            else {{ day_us }}
        end as observed_us,
        coalesce(started_runs.test_runs, 0) as test_runs,
        coalesce(started_runs.failures, 0) as failures
    from described
    left join busy
        on described.connection = busy.connection
        and described.device_id = busy.device_id
        and described.date = busy.date
    left join started_runs
        on described.connection = started_runs.connection
        and described.device_id = started_runs.device_id
        and described.date = started_runs.date
    left join connections
        on described.connection = connections.connection
        and connections.source_name = 'perfecto'
),

without_snapshots as (
    select
        *,
        observed_us - busy_us as idle_us
    from measured
),

utilization as (
    select
        connection,
        device_id,
        date,
        busy_us / 1e6 as busy_seconds,
        idle_us / 1e6 as idle_seconds,
        0e0 as unavailable_seconds,
        0e0 as unobserved_seconds,
        observed_us / 1e6 as observed_seconds,
        0e0 as reserved_idle_seconds,
        busy_us / nullif(cast(busy_us + idle_us as double), 0e0) as utilization,
        false as has_snapshots,
        sessions,
        flagged_sessions,
        session_us / nullif(cast(busy_us as double), 0e0) as overlap_factor,
        test_runs,
        failures,
        os,
        model,
        location
    from without_snapshots
)

select * from utilization
