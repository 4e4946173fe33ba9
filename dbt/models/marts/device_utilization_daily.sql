{{ config(materialized='incremental', meta={'day': 'date', 'days': 'device_days'}) }}

{# Whole microseconds until the last step: sums of doubles would depend on their order. #}
{% set microseconds = epoch_us('ended_at') ~ ' - ' ~ epoch_us('started_at') %}

with device_days as (
    select
        *,
        {{ epoch_us('observed_until') }} - {{ epoch_us('cast(date as timestamp)') }} as observed_us
    from {{ ref('fct_device_days') }}
    where {{ is_touched('date') }}
),

activity as (
    select
        *,
        {{ microseconds }} as microseconds
    from {{ ref('fct_device_activity') }}
    where {{ is_touched('date') }}
),

sessions as (
    select * from {{ ref('fct_device_sessions') }}
    where {{ is_touched('started_date') }}
),

descriptions as (
    select * from {{ ref('dim_devices') }}
),

active as (
    select
        connection,
        device_id,
        date,
        {%- for name in ['busy', 'idle', 'unavailable', 'unobserved'] %}
        cast(sum(case when activity = '{{ name }}' then microseconds else 0 end) as bigint) as {{ name }}_us,
        {%- endfor %}
        cast(sum(case when is_reserved and activity <> 'busy' then microseconds else 0 end) as bigint) as reserved_idle_us
    from activity
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

measured as (
    select
        device_days.connection,
        device_days.device_id,
        device_days.date,
        coalesce(active.busy_us, 0) as busy_us,
        coalesce(active.idle_us, 0) as idle_us,
        coalesce(active.unavailable_us, 0) as unavailable_us,
        coalesce(active.unobserved_us, 0) as unobserved_us,
        device_days.observed_us,
        coalesce(active.reserved_idle_us, 0) as reserved_idle_us,
        device_days.has_snapshots,
        device_days.sessions,
        device_days.flagged_sessions,
        device_days.session_seconds,
        coalesce(started_runs.test_runs, 0) as test_runs,
        coalesce(started_runs.failures, 0) as failures
    from device_days
    left join active
        on device_days.connection = active.connection
        and device_days.device_id = active.device_id
        and device_days.date = active.date
    left join started_runs
        on device_days.connection = started_runs.connection
        and device_days.device_id = started_runs.device_id
        and device_days.date = started_runs.date
),

utilization as (
    select
        measured.connection,
        measured.device_id,
        measured.date,
        measured.busy_us / 1e6 as busy_seconds,
        measured.idle_us / 1e6 as idle_seconds,
        measured.unavailable_us / 1e6 as unavailable_seconds,
        measured.unobserved_us / 1e6 as unobserved_seconds,
        measured.observed_us / 1e6 as observed_seconds,
        measured.reserved_idle_us / 1e6 as reserved_idle_seconds,
        measured.busy_us / nullif(cast(measured.busy_us + measured.idle_us as double), 0e0) as utilization,
        measured.has_snapshots,
        measured.sessions,
        measured.flagged_sessions,
        measured.session_seconds / nullif(measured.busy_us / 1e6, 0e0) as overlap_factor,
        measured.test_runs,
        measured.failures,
        descriptions.os,
        descriptions.model,
        descriptions.location
    from measured
    left join descriptions
        on measured.connection = descriptions.connection
        and measured.device_id = descriptions.device_id
        and descriptions.valid_from < cast(measured.date + 1 as timestamp)
        and (descriptions.valid_to >= cast(measured.date + 1 as timestamp) or descriptions.valid_to is null)
)

select * from utilization
