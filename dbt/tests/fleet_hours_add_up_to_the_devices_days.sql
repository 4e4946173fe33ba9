-- Device-seconds that were busy and that were not unavailable are the same by hour of the fleet and by day of its devices.
with days as (
    select
        connection,
        date,
        sum(busy_seconds) as busy_seconds,
        sum(observed_seconds - unavailable_seconds) as available_seconds
    from {{ ref('device_utilization_daily') }}
    where {{ is_tested('date', 'device_days') }}
    group by connection, date
),

last_answers as (
    select
        connection,
        date,
        max(observed_until) as observed_until
    from {{ ref('fct_device_days') }}
    where {{ is_tested('date', 'device_days') }}
    group by connection, date
),

hours as (
    select
        fleet.connection,
        fleet.date,
        fleet.devices_available
            * ({{ epoch_us("least(fleet.hour + interval '1' hour, last_answers.observed_until)") }} - {{ epoch_us('fleet.hour') }})
            / 1e6 as available_seconds,
        fleet.utilization
    from {{ ref('fleet_concurrency_hourly') }} as fleet
    inner join last_answers
        on fleet.connection = last_answers.connection
        and fleet.date = last_answers.date
    where fleet.os = '*' and {{ is_tested('fleet.date', 'device_days') }}
),

hours_added as (
    select
        connection,
        date,
        sum(available_seconds * coalesce(utilization, 0)) as busy_seconds,
        sum(available_seconds) as available_seconds
    from hours
    group by connection, date
)

select
    days.connection,
    days.date,
    days.busy_seconds,
    hours_added.busy_seconds as hours_busy_seconds,
    days.available_seconds,
    hours_added.available_seconds as hours_available_seconds
from days
left join hours_added
    on days.connection = hours_added.connection
    and days.date = hours_added.date
where abs(days.busy_seconds - coalesce(hours_added.busy_seconds, 0)) > 0.001
    or abs(days.available_seconds - coalesce(hours_added.available_seconds, 0)) > 0.001
