{# Rows are failures whose occurrences are not the failed and blocked runs that carry them. #}
with runs as (
    select
        failure_id,
        count(*) as occurrences
    from {{ ref('fct_test_runs') }}
    where run_status in ('failed', 'blocked') and not is_manual_session and failure_id is not null
    group by failure_id
)

select coalesce(runs.failure_id, reasons.failure_id) as failure_id
from runs
full outer join {{ ref('failure_reasons') }} as reasons on runs.failure_id = reasons.failure_id
where coalesce(runs.occurrences, 0) <> coalesce(reasons.occurrences, 0)
