{# A reservation is listed in every round from a week before it begins to a day after its end: only what each lake day
   said last is kept. #}
with reservations as (
    select * from {{ ref('stg_perfecto_lab__reservations') }}
),

aliases as (
    select * from {{ ref('device_aliases') }}
),

landings as (
    select * from {{ ref('stg_flakehouse__ingest_partitions') }}
),

-- A round in which nothing is reserved leaves no row of its own, only that of its landing.
rounds as (
    select
        connection,
        dt,
        observed_at
    from reservations
    union
    select
        connection,
        cast(ended_at as date) as dt,
        ended_at as observed_at
    from landings
    where source_name = 'perfecto_lab'
        and table_name = 'reservations'
        and error is null
        and is_complete
        and row_count = 0
        and coalesce(rejected, 0) = 0
),

rounds_followed as (
    select
        *,
        lead(observed_at) over (partition by connection, dt order by observed_at) as next_round_at
    from rounds
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
        rounds_followed.next_round_at
    from said
    inner join rounds_followed
        on said.connection = rounds_followed.connection
        and said.dt = rounds_followed.dt
        and said.observed_at = rounds_followed.observed_at
    left join aliases
        on said.connection = aliases.connection
        and said.device_id = lower(aliases.reported_device_id)
)

select * from followed
