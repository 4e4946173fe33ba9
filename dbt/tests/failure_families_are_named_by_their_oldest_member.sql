{# Rows are failures of a family that is not called after its oldest member, the smallest id at ties. #}
with failures as (
    select
        family_id,
        failure_id,
        first_value(failure_id) over (partition by family_id order by first_seen_at, failure_id) as oldest_failure_id
    from {{ ref('failure_reasons') }}
)

select failure_id
from failures
where family_id <> oldest_failure_id
