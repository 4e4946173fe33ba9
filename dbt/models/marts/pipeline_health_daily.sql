with landing_days as (
    select * from {{ ref('fct_landing_days') }}
),

-- The pipeline's own clock: what it did last, for whichever connection.
newest as (
    select max(last_ended_at) as ended_at from landing_days
),

read_tables as (
    select
        connection,
        source_name,
        table_name,
        min(date) as first_date
    from landing_days
    group by connection, source_name, table_name
),

day_lists as (
    select
        read_tables.*,
        {{ int_range('0', dbt.datediff('read_tables.first_date', 'newest.ended_at', 'day')) }} as day_offsets
    from read_tables
    cross join newest
),

days as (
    select
        t.connection,
        t.source_name,
        t.table_name,
        t.first_date + cast(u.day_offset as int) as date
    from day_lists as t, lateral unnest(t.day_offsets) as u(day_offset)
),

joined as (
    select
        days.connection,
        days.source_name,
        days.table_name,
        days.date,
        max(landing_days.known_until) over (
            partition by days.connection, days.source_name, days.table_name order by days.date
            rows between unbounded preceding and current row
        ) as known_until,
        coalesce(landing_days.landings, 0) as landings,
        coalesce(landing_days.failed_landings, 0) as failed_landings,
        coalesce(landing_days.row_count, 0) as row_count,
        coalesce(landing_days.rejected, 0) as rejected,
        coalesce(landing_days.requests, 0) as requests,
        coalesce(landing_days.retries, 0) as retries,
        coalesce(landing_days.seconds, 0e0) as seconds
    from days
    left join landing_days
        on days.connection = landing_days.connection
        and days.source_name = landing_days.source_name
        and days.table_name = landing_days.table_name
        and days.date = landing_days.date
),

health as (
    select
        joined.connection,
        joined.source_name,
        joined.table_name,
        joined.date,
        greatest(
            {{ epoch_us('least(cast(joined.date + 1 as timestamp), newest.ended_at)') }}
                - {{ epoch_us('joined.known_until') }},
            case when joined.known_until is not null then 0 end
        ) / 1e6 as lag_seconds,
        joined.row_count as rows,
        joined.rejected,
        joined.requests,
        joined.retries,
        joined.seconds,
        joined.landings,
        joined.failed_landings
    from joined
    cross join newest
)

select * from health
