with source as (
    select * from {{ source('flakehouse', 'ingest_partitions') }}
),

landings as (
    select *
    from source
    qualify row_number() over (partition by connection, source_name, table_name, day, run_id, started_at order by _fetched_at desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        source_name,
        table_name,
        table_kind,
        cast(started_at as timestamp) as started_at,
        cast(day as date) as day,
        run_id,
        seconds,
        requests,
        retries,
        pages,
        rows as row_count,
        received,
        added,
        changed,
        missing,
        duplicates,
        rejected,
        undeclared_fields,
        is_rewritten,
        is_complete,
        is_due_again,
        note,
        error,
        cast(_fetched_at as timestamp) as ended_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from landings
)

select * from renamed
