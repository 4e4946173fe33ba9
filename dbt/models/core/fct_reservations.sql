{{ config(materialized='incremental', meta={'day': 'first_observed_date', 'days': 'reservation_days'}) }}

{# A reservation belongs to the day of the first round that lists it; which days are made anew is in macros/device_days.sql. #}
{% do note_reservation_days() %}
with observations as (
    select *
    from {{ ref('fct_reservation_observations') }}
    where {{ is_within_as_of('cast(first_observed_at as date)') }}
),

landing_days as (
    select *
    from {{ ref('fct_landing_days') }}
    where {{ is_within_as_of('date') }}
),

-- A round in which nothing is reserved is known by its landing.
day_rounds as (
    select
        connection,
        dt,
        first_observed_at as observed_at
    from observations
    union all
    select
        connection,
        date as dt,
        first_empty_ended_at as observed_at
    from landing_days
    where source_name = 'perfecto_lab' and table_name = 'reservations' and first_empty_ended_at is not null
),

days as (
    select
        connection,
        dt,
        min(observed_at) as first_round_at
    from day_rounds
    group by connection, dt
),

days_followed as (
    select
        *,
        lead(first_round_at) over (partition by connection order by first_round_at) as next_days_round_at
    from days
),

newest as (
    select
        *,
        min(first_observed_at) over (partition by connection, reservation_id) as reservation_first_observed_at
    from observations
    qualify row_number() over (partition by connection, reservation_id order by last_observed_at desc) = 1
),

-- The first round that no longer lists a reservation before its end shows that it was given up.
followed as (
    select
        newest.*,
        coalesce(newest.next_round_at, days_followed.next_days_round_at) as not_listed_at
    from newest
    inner join days_followed
        on newest.connection = days_followed.connection
        and newest.dt = days_followed.dt
),

reservations as (
    select
        connection,
        reservation_id,
        device_id,
        reserved_to,
        reserved_by,
        starts_at,
        ends_at,
        case when not_listed_at < ends_at then not_listed_at end as released_at,
        least(ends_at, not_listed_at) as held_until,
        created_at,
        reservation_status,
        reservation_description,
        reservation_first_observed_at as first_observed_at,
        cast(reservation_first_observed_at as date) as first_observed_date,
        last_observed_at
    from followed
)

select * from reservations
where {{ is_touched('first_observed_date') }}
