with segments as (
    select * from {{ ref('stg_derived__test_segments') }}
)

select
    test_id,
    segment,
    is_last,
    started_at,
    lead(started_at) over (partition by test_id order by segment) as next_started_at,
    ended_at,
    runs,
    failures,
    changed_after,
    changed_before
from segments
