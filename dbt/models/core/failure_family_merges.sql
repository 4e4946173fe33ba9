with families as (
    select * from {{ ref('stg_derived__failure_families') }}
),

merges as (
    select
        failure_id as former_family_id,
        merged_into_family_id,
        family_id,
        merged_at,
        joined_by_failure_id,
        failure_id = joined_by_failure_id as is_from_the_start,
        algorithm_version
    from families
    where merged_into_family_id is not null
)

select * from merges
