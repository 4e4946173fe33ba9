{{ config(materialized='incremental', meta={'day': 'date'}) }}

{# A day is made of its own snapshots and of those of the day before: what they said may hold over midnight, and what a
   device was in before is known from them. Further back nothing is looked for, so that an incremental build need not. #}
with observations as (
    select *
    from {{ ref('fct_device_observations') }}
    where {{ is_within_as_of('dt') }} and {{ is_read('dt') }}
),

modes as (
    select * from {{ ref('device_modes') }}
),

days as (
    select
        connection,
        dt
    from observations
    group by connection, dt
),

stated as (
    select
        observations.connection,
        observations.device_id,
        observations.dt,
        coalesce(by_mode.device_state, by_status.device_state, 'unknown') as device_state,
        observations.first_observed_at,
        observations.last_observed_at,
        observations.holds_until,
        observations.snapshots
    from observations
    left join modes as by_mode
        on upper(replace(observations.device_mode, ' ', '_')) = by_mode.device_mode
    left join modes as by_status
        on upper(replace(observations.device_status, ' ', '_')) = by_status.device_mode
),

-- A state holds until the next snapshot, if that comes in time.
held as (
    select
        *,
        least(holds_until, lead(first_observed_at) over device) as held_until,
        case
            when lag(last_observed_at) over device + interval '{{ var("state_remembered_hours") }} hours' >= first_observed_at
                then lag(device_state) over device
        end as previous_device_state
    from stated
    window device as (partition by connection, device_id order by first_observed_at)
),

by_day as (
    select
        connection,
        device_id,
        dt as date,
        device_state,
        previous_device_state,
        first_observed_at as started_at,
        least(held_until, cast(dt + 1 as timestamp)) as ended_at,
        snapshots
    from held
    union all
    select
        held.connection,
        held.device_id,
        held.dt + 1 as date,
        held.device_state,
        held.device_state as previous_device_state,
        cast(held.dt + 1 as timestamp) as started_at,
        least(held.held_until, cast(held.dt + 2 as timestamp)) as ended_at,
        0 as snapshots
    from held
    inner join days
        on held.connection = days.connection
        and held.dt + 1 = days.dt
    where held.held_until > cast(held.dt + 1 as timestamp)
),

compared as (
    select
        *,
        case
            when lag(device_state) over device = device_state and lag(ended_at) over device >= started_at then 0
            else 1
        end as is_other
    from by_day
    window device as (partition by connection, device_id, date order by started_at)
),

numbered as (
    select
        *,
        sum(is_other) over (
            partition by connection, device_id, date order by started_at
            rows between unbounded preceding and current row
        ) as period
    from compared
),

periods as (
    select
        connection,
        device_id,
        date,
        max(device_state) as device_state,
        max(device_state) in ('not_connected', 'error', 'maintenance') as is_unavailable,
        max(case when is_other = 1 then previous_device_state end) as previous_device_state,
        min(started_at) as started_at,
        max(ended_at) as ended_at,
        cast(sum(snapshots) as bigint) as snapshots
    from numbered
    group by connection, device_id, date, period
)

select * from periods
where {{ is_touched('date') }}
