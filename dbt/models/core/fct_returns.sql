with runs as (
    select
        runs.source_name,
        runs.connection,
        runs.test_id,
        runs.variant_id,
        runs.test_run_id,
        runs.ordered_at,
        runs.is_failure,
        runs.is_doubted,
        builds.is_wholly_failed,
        builds.segment,
        sum(case when runs.is_failure then 0 else 1 end) over (
            partition by runs.test_id, runs.variant_id order by runs.ordered_at, runs.test_run_id
        ) - case when runs.is_failure then 0 else 1 end as passes_before
    from {{ ref('fct_counted_runs') }} as runs
    inner join {{ ref('fct_test_builds') }} as builds
        on runs.test_id = builds.test_id and runs.build_key = builds.build_key
    inner join {{ ref('dim_connections') }} as connections
        on runs.source_name = connections.source_name
        and runs.connection = connections.connection
        and {{ is_in_window('runs.started_date', 'connections.last_run_date') }}
)

-- The failures between two passes, and the pass that ends them, have the same number of passes before them.
select
    source_name,
    connection,
    test_id,
    variant_id,
    max(case when not is_failure then test_run_id end) as returned_test_run_id,
    max(case when not is_failure then ordered_at end) as returned_at,
    count(*) filter (where is_failure) as failures,
    case when min(segment) = max(segment) then min(segment) end as segment,
    bool_or(is_failure and is_wholly_failed) as is_break
from runs
group by source_name, connection, test_id, variant_id, passes_before
having count(*) filter (where is_failure and not is_doubted) > 0 and count(*) filter (where not is_failure) > 0
