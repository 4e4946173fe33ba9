with source as (
    select * from {{ source('derived', 'test_segments') }}
),

renamed as (
    select
        test_id,
        segment,
        is_last,
        started_at,
        ended_at,
        runs,
        failures,
        changed_after,
        changed_before
    from source
)

select * from renamed
