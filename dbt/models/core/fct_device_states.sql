with observations as (
    select *
    from {{ ref('fct_device_observations') }}
    where {{ is_within_as_of('cast(first_observed_at as date)') }}
),

modes as (
    select * from {{ ref('device_modes') }}
),

stated as (
    select
        observations.connection,
        observations.device_id,
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
        least(
            holds_until,
            lead(first_observed_at) over (partition by connection, device_id order by first_observed_at)
        ) as held_until
    from stated
),

compared as (
    select
        *,
        lag(device_state) over device as previous_device_state,
        case
            when lag(device_state) over device = device_state and lag(held_until) over device >= first_observed_at then 0
            else 1
        end as is_other
    from held
    window device as (partition by connection, device_id order by first_observed_at)
),

numbered as (
    select
        *,
        sum(is_other) over (
            partition by connection, device_id order by first_observed_at
            rows between unbounded preceding and current row
        ) as period
    from compared
),

periods as (
    select
        connection,
        device_id,
        max(device_state) as device_state,
        max(device_state) in ('not_connected', 'error', 'maintenance') as is_unavailable,
        max(case when is_other = 1 then previous_device_state end) as previous_device_state,
        min(first_observed_at) as started_at,
        max(held_until) as ended_at,
        max(last_observed_at) as last_observed_at,
        cast(sum(snapshots) as bigint) as snapshots
    from numbered
    group by connection, device_id, period
)

select * from periods
