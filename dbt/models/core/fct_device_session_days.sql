{{ config(materialized='incremental', meta={'day': 'started_date'}) }}

{# Sessions cut at midnight. One without a sane end lies on the day of its start and takes no time. #}
with sessions as (
    select * from {{ ref('fct_device_sessions') }}
    where {{ is_touched('started_date') }}
),

spans as (
    select
        *,
        {{ epoch_us('started_at') }} as start_us,
        {{ epoch_us('ended_at') }} as end_us,
        case
            when is_flagged then started_date
            when ended_at > started_at and ended_at = cast(cast(ended_at as date) as timestamp) then cast(ended_at as date) + (-1)
            else cast(ended_at as date)
        end as last_date
    from sessions
),

touched_days as (
    select
        *,
        {{ int_range('0', dbt.datediff('started_date', 'last_date', 'day')) }} as day_offsets
    from spans
),

pieces as (
    select
        t.connection,
        t.device_id,
        t.started_date,
        t.started_date + cast(u.day_offset as int) as date,
        t.test_run_id,
        t.is_flagged,
        t.start_us,
        t.end_us
    from touched_days as t, lateral unnest(t.day_offsets) as u(day_offset)
),

visible as (
    select
        *,
        {{ epoch_us('cast(date as timestamp)') }} as day_start_us
    from pieces
    where {{ is_within_as_of('date') }}
),

clipped as (
    select
        connection,
        device_id,
        started_date,
        date,
        test_run_id,
        is_flagged,
        case when not is_flagged then {{ timestamp_from_us('greatest(start_us, day_start_us)') }} end as started_at,
        case when not is_flagged then {{ timestamp_from_us('least(end_us, day_start_us + 86400000000)') }} end as ended_at
    from visible
)

select * from clipped
