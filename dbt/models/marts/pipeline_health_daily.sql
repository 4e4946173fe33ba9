with landings as (
    select * from {{ ref('fct_landings') }}
),

-- The pipeline's own clock: what it did last, for whichever connection.
newest as (
    select max(ended_at) as ended_at from landings
),

read_tables as (
    select
        connection,
        source_name,
        table_name,
        min(ended_date) as first_date
    from landings
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

work as (
    select
        connection,
        source_name,
        table_name,
        ended_date as date,
        count(*) as landings,
        count(*) filter (where not is_landed) as failed_landings,
        cast(sum(requests) as bigint) as requests,
        cast(sum(retries) as bigint) as retries,
        cast(sum(cast(round(seconds * 1e6) as bigint)) as bigint) as landing_us,
        max(known_until) as known_until
    from landings
    group by connection, source_name, table_name, ended_date
),

-- A day of a window table is landed again and again: it counts as its newest landing left it.
kept as (
    select *
    from landings
    where is_landed
    qualify day is null or row_number() over (
        partition by connection, source_name, table_name, ended_date, day order by ended_at desc, run_id
    ) = 1
),

content as (
    select
        connection,
        source_name,
        table_name,
        ended_date as date,
        cast(sum(row_count) as bigint) as row_count,
        cast(sum(rejected) as bigint) as rejected
    from kept
    group by connection, source_name, table_name, ended_date
),

joined as (
    select
        days.connection,
        days.source_name,
        days.table_name,
        days.date,
        max(work.known_until) over (
            partition by days.connection, days.source_name, days.table_name order by days.date
            rows between unbounded preceding and current row
        ) as known_until,
        coalesce(work.landings, 0) as landings,
        coalesce(work.failed_landings, 0) as failed_landings,
        coalesce(content.row_count, 0) as row_count,
        coalesce(content.rejected, 0) as rejected,
        coalesce(work.requests, 0) as requests,
        coalesce(work.retries, 0) as retries,
        coalesce(work.landing_us, 0) / 1e6 as seconds
    from days
    left join work
        on days.connection = work.connection
        and days.source_name = work.source_name
        and days.table_name = work.table_name
        and days.date = work.date
    left join content
        on days.connection = content.connection
        and days.source_name = content.source_name
        and days.table_name = content.table_name
        and days.date = content.date
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
