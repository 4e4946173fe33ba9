with source as (
    select * from {{ source('derived', 'failure_families') }}
),

renamed as (
    select
        failure_id,
        family_id,
        algorithm_version
    from source
)

select * from renamed
