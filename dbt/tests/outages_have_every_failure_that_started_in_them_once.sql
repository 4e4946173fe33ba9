-- Outages' failures are the runs with their id; all of these failed or were blocked, and none counts.
with outages as (
    select * from {{ ref('outages') }}
    where {{ is_tested('outage_date') }}
),

runs as (
    select
        outage_id,
        count(*) as runs,
        count(case when run_status in ('failed', 'blocked') and not is_counted then 1 end) as uncounted_failures
    from {{ ref('fct_test_runs') }}
    where outage_id is not null and {{ is_tested('started_date') }}
    group by outage_id
)

select
    outages.outage_id,
    runs.outage_id as runs_outage_id,
    outages.failures,
    runs.runs
from outages
full join runs on outages.outage_id = runs.outage_id
where outages.outage_id is null
    or outages.failures <> coalesce(runs.runs, 0)
    or coalesce(runs.runs, 0) <> coalesce(runs.uncounted_failures, 0)
