{# Rows are failures whose occurrences are not the failed and blocked runs that carry them: of a day, or in all. #}
with runs as (
    select
        failure_id,
        started_date as run_started_date,
        count(*) as occurrences
    from {{ ref('fct_test_runs') }}
    where run_status in ('failed', 'blocked') and not is_manual_session and failure_id is not null
        and {{ is_tested('started_date') }}
    group by failure_id, started_date
),

days as (
    select
        failure_id,
        run_started_date,
        sum(occurrences) as occurrences
    from {{ ref('fct_failure_days') }}
    where not is_of_a_command and {{ is_tested('run_started_date') }}
    group by failure_id, run_started_date
),

totals as (
    select
        failure_id,
        sum(occurrences) as occurrences
    from {{ ref('fct_failure_days') }}
    where not is_of_a_command
    group by failure_id
)

select coalesce(runs.failure_id, days.failure_id) as failure_id
from runs
full outer join days on runs.failure_id = days.failure_id and runs.run_started_date = days.run_started_date
where coalesce(runs.occurrences, 0) <> coalesce(days.occurrences, 0)
union all
select reasons.failure_id
from {{ ref('failure_reasons') }} as reasons
left join totals on reasons.failure_id = totals.failure_id
where coalesce(totals.occurrences, 0) <> reasons.occurrences
