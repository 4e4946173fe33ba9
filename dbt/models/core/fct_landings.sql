{{ config(materialized='incremental', meta={'day': 'ended_date'}) }}

with landings as (
    select * from {{ ref('stg_flakehouse__ingest_partitions') }}
),

judged as (
    select
        connection,
        source_name,
        table_name,
        table_kind,
        day,
        started_at,
        ended_at,
        cast(ended_at as date) as ended_date,
        run_id,
        error is null as is_landed,
        error is null and coalesce(is_complete, false) as is_complete,
        seconds,
        coalesce(requests, 0) as requests,
        coalesce(retries, 0) as retries,
        row_count,
        added,
        changed,
        missing,
        rejected,
        note,
        error
    from landings
),

-- An answer can only tell what had happened by then: of the day that was asked for no more than that day.
covered as (
    select
        *,
        case
            when is_complete then least(started_at, coalesce(cast(day + 1 as timestamp), started_at))
        end as known_until
    from judged
)

select * from covered
where {{ is_touched('ended_date') }}
