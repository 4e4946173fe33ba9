-- Busy, idle, unavailable and unobserved seconds are all of a day: 86,400, or on the connection's current day the
-- seconds until its newest answer, or until the end of a session that a clock running ahead put after it.
with current_days as (
    select
        connection,
        cast(last_fetched_at as date) as date,
        {{ epoch_us('last_fetched_at') }} - {{ epoch_us('cast(cast(last_fetched_at as date) as timestamp)') }} as so_far_us
    from {{ ref('dim_connections') }}
    where source_name = 'perfecto'
),

added as (
    select
        days.*,
        days.busy_seconds + days.idle_seconds + days.unavailable_seconds + days.unobserved_seconds as total_seconds,
        coalesce(current_days.so_far_us / 1e6, 86400) as known_seconds
    from {{ ref('device_utilization_daily') }} as days
    left join current_days
        on days.connection = current_days.connection
        and days.date = current_days.date
    where {{ is_tested('days.date', 'device_days') }}
)

select *
from added
where abs(total_seconds - observed_seconds) > 0.000001
    or observed_seconds > 86400
    or observed_seconds < known_seconds - 0.000001
    or (observed_seconds > known_seconds + 0.000001 and busy_seconds = 0)
    or (not has_snapshots and unavailable_seconds + unobserved_seconds > 0)
