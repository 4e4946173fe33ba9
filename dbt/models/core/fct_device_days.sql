{{ config(materialized='incremental', meta={'day': 'date', 'days': 'device_days'}) }}

{# What was seen of a device on one day can change what is known of others: which days are made anew here, and in what is
   made of this, is in macros/device_days.sql. #}
-- depends_on: {{ ref('fct_reservations') }}, {{ ref('dim_devices') }}
{% do note_device_days() %}
with days as (
    select *
    from ({{ known_device_days() }}) as known
    where {{ is_touched('date') }}
),

session_days as (
    select * from {{ ref('fct_device_session_days') }}
    where {{ is_touched('date') }}
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

-- A clock that runs ahead can end a session after the newest answer: the device was observed until then.
measured as (
    select
        days.connection,
        days.device_id,
        days.date,
        greatest(days.known_until, in_session.last_busy_at) as observed_until,
        days.has_snapshots,
        coalesce(in_session.sessions, 0) as sessions,
        coalesce(in_session.flagged_sessions, 0) as flagged_sessions,
        coalesce(in_session.session_us, 0) / 1e6 as session_seconds
    from days
    left join in_session
        on days.connection = in_session.connection
        and days.device_id = in_session.device_id
        and days.date = in_session.date
)

select * from measured
