{# Days on which a device's time is reckoned anew (build.device_days): the touched ones, and those that touched days tell
   something else of: on which their sessions go on, from a device's former last sighting to its newest, the connection's
   current day before and now, and the days on which a reservation or a description is now another. What a build finds is
   noted where a model's text begins: dbt compiles it before its pre-hook clears what is made anew. #}

{% macro note_sighted_days() %}
    {% if execute and is_continued() %}{% do note_before('sightings_before', is_touched('recorded_date')) %}{% endif %}
{% endmacro %}

{# Days on which reservations were first seen that a touched day tells something else of: those that it lists, or listed,
   and those that it lists no longer, which the last day before it lists. #}
{% macro note_reservation_days() %}
    {% if not (execute and is_continued()) or touched_days() is none %}{% do return('') %}{% endif %}
    {% do run_query("
        create table if not exists build.reservation_days as
        with observed as (
            select connection, reservation_id, dt from " ~ ref('fct_reservation_observations') ~ "
        ),
        days_before as (
            select observed.connection, max(observed.dt) as day
            from observed
            inner join build.touched_days as touched on observed.dt < touched.day
            group by observed.connection, touched.day
        ),
        lasting as (
            select before.connection, before.reservation_id
            from " ~ this ~ " as before
            where cast(before.last_observed_at as date) in (select day from build.touched_days)
                or before.first_observed_date in (select day from build.touched_days)
                or (before.connection, cast(before.last_observed_at as date)) in (select connection, day from days_before)
        ),
        affected as (
            select connection, reservation_id from observed where dt in (select day from build.touched_days)
            union
            select connection, reservation_id from lasting
        )
        select day from build.touched_days
        union
        select before.first_observed_date from " ~ this ~ " as before semi join affected using (connection, reservation_id)
        union
        select min(dt) from observed semi join affected using (connection, reservation_id) group by connection, reservation_id
    ") %}
    {% do note_before('reservations_before', is_touched('first_observed_date')) %}
{% endmacro %}

{% macro note_device_days() %}
    {% if not (execute and is_continued()) or touched_days() is none %}{% do return('') %}{% endif %}
    {% set held = 'connection, device_id, starts_at, held_until' %}
    {% set held_now = 'select ' ~ held ~ ' from ' ~ ref('fct_reservations') ~ ' where first_observed_date in (select day from build.reservation_days)' %}
    {% set held_before = 'select ' ~ held ~ ' from build.reservations_before' %}
    {% set described = 'connection, device_id, os, model, location, valid_from, valid_to' %}
    {% set described_now = 'select ' ~ described ~ ' from ' ~ ref('dim_devices') %}
    {% set described_before = 'select ' ~ described ~ ' from build.devices_before' %}
    {% do run_query("
        create table if not exists build.device_days as
        with known as (
            select
                coalesce(days.date, before.date) as day,
                days.date is null or before.date is null
                    or least(days.known_until, before.observed_until) < cast(coalesce(days.date, before.date) + 1 as timestamp)
                    or days.has_snapshots <> before.has_snapshots as is_other
            from (" ~ known_device_days() ~ ") as days
            full join " ~ this ~ " as before using (connection, device_id, date)
        ),
        reservations as (
            (" ~ held_before ~ " except " ~ held_now ~ ") union (" ~ held_now ~ " except " ~ held_before ~ ")
        ),
        last_day as (select max(day) as day from known),
        " ~ described_days('now', described_now, described_before) ~ ",
        " ~ described_days('before', described_before, described_now) ~ "
        select distinct cast(day as date) as day
        from (
            select day from build.touched_days
            union
            select date as day from build.sightings_before
            union
            select date from " ~ ref('fct_device_sightings') ~ " where " ~ is_one_of_days('recorded_date', touched_days()) ~ "
            union
            select day from known where is_other
            union
            select unnest(generate_series(cast(starts_at as date), cast(held_until as date), interval 1 day))
            from reservations where held_until > starts_at
            union
            select day from ((from now except from before) union (from before except from now))
        )
    ") %}
{% endmacro %}

{# Each day's share of the descriptions that the others do not have. #}
{% macro described_days(name, descriptions, others) %}
        other_{{ name }} as ({{ descriptions }} except {{ others }}),
        {{ name }} as (
            select
                connection, device_id, os, model, location, u.day,
                greatest(valid_from, u.day) as valid_from,
                least(valid_to, cast(u.day + interval 1 day as timestamp)) as valid_to
            from other_{{ name }}
            cross join last_day,
            lateral unnest(generate_series(
                date_trunc('day', valid_from), coalesce(valid_to, cast(last_day.day as timestamp)), interval 1 day
            )) as u(day)
        )
{%- endmacro %}

{# Every day of every device from its first to its last sighting, until when it is known, and whether anybody looked at the
   device list. From daily rows alone: cheap enough to be looked through at each build. #}
{% macro known_device_days() %}
    with sightings as (
        select * from {{ ref('fct_device_sightings') }}
    ),

    connections as (
        select *
        from {{ ref('dim_connections') }}
        where source_name = 'perfecto'
    ),

    spans as (
        select
            connection,
            device_id,
            min(date) as first_date,
            max(date) as last_date
        from sightings
        group by connection, device_id
    ),

    day_lists as (
        select
            *,
            {{ int_range('0', dbt.datediff('first_date', 'last_date', 'day')) }} as day_offsets
        from spans
    ),

    days as (
        select
            t.connection,
            t.device_id,
            t.first_date + cast(u.day_offset as int) as date
        from day_lists as t, lateral unnest(t.day_offsets) as u(day_offset)
    ),

    days_with_snapshots as (
        select
            connection,
            date
        from sightings
        where is_listed
        group by connection, date
    ),

    known as (
        select
            days.connection,
            days.device_id,
            days.date,
            case
                when cast(connections.last_fetched_at as date) = days.date then connections.last_fetched_at
                else cast(days.date + 1 as timestamp)
            end as known_until,
            days_with_snapshots.date is not null as has_snapshots
        from days
        left join days_with_snapshots
            on days.connection = days_with_snapshots.connection
            and days.date = days_with_snapshots.date
        left join connections on days.connection = connections.connection
    )

    select * from known
{% endmacro %}
