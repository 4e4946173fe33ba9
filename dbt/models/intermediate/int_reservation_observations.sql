{# A reservation is listed in every round from a week before it begins to a day after its end: only what each lake day
   said last is kept. #}
with reservations as (
    select * from {{ ref('stg_perfecto_lab__reservations') }}
),

aliases as (
    select * from {{ ref('device_aliases') }}
),

rounds as (
    select
        connection,
        dt,
        observed_at,
        lead(observed_at) over (partition by connection, dt order by observed_at) as next_round_at
    from reservations
    group by connection, dt, observed_at
),

said as (
    select
        *,
        min(observed_at) over (partition by connection, dt, reservation_id) as first_observed_at
    from reservations
    qualify row_number() over (partition by connection, dt, reservation_id order by observed_at desc) = 1
),

followed as (
    select
        said.connection,
        said.dt,
        said.reservation_id,
        coalesce(lower(aliases.device_id), said.device_id) as device_id,
        said.reserved_to,
        said.reserved_by,
        said.starts_at,
        said.ends_at,
        said.created_at,
        said.reservation_status,
        said.reservation_description,
        said.first_observed_at,
        said.observed_at as last_observed_at,
        rounds.next_round_at
    from said
    inner join rounds
        on said.connection = rounds.connection
        and said.dt = rounds.dt
        and said.observed_at = rounds.observed_at
    left join aliases
        on said.connection = aliases.connection
        and said.device_id = lower(aliases.reported_device_id)
)

select * from followed
