{{ config(materialized='incremental', meta={'day': 'date'}) }}

with landings as (
    select * from {{ ref('fct_landings') }}
    where {{ is_touched('ended_date') }}
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
        cast(sum(cast(round(seconds * 1e6) as bigint)) as bigint) / 1e6 as seconds,
        max(ended_at) as last_ended_at,
        max(case when is_complete then started_at end) as last_complete_started_at,
        min(case when is_complete and row_count = 0 and rejected = 0 then ended_at end) as first_empty_ended_at,
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
)

select
    work.*,
    coalesce(content.row_count, 0) as row_count,
    coalesce(content.rejected, 0) as rejected
from work
left join content
    on work.connection = content.connection
    and work.source_name = content.source_name
    and work.table_name = content.table_name
    and work.date = content.date
