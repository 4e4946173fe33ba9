with source as (
    select * from {{ source('derived', 'failure_families') }}
),

renamed as (
    select
        failure_id,
        family_id,
        algorithm_version,
        merged_into_family_id,
        cast(merged_at as timestamp) as merged_at,
        joined_by_failure_id
    from source
)

select * from renamed
