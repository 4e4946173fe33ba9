{{ config(materialized='incremental', meta={'day': 'date'}) }}

with runs as (
    select * from {{ ref('fct_counted_runs') }}
    where {{ is_touched('started_date') }}
),

-- A build that runs over midnight has a verdict on either day: a day's row depends on that day's runs alone.
verdicts as (
    select
        source_name,
        connection,
        test_id,
        started_date,
        count(*) as attempts,
        count(case when is_failure then 1 end) as failures,
        min(ordered_at) as first_run_at,
        max(ordered_at) as last_run_at
    from runs
    group by source_name, connection, test_id, started_date, variant_id, build_key
)

select
    source_name,
    connection,
    test_id,
    started_date as date,
    cast(sum(attempts) as bigint) as runs,
    cast(sum(failures) as bigint) as failures,
    count(*) as verdicts,
    count(case when failures > 0 then 1 end) as failing_verdicts,
    count(case when failures > 0 and attempts > 1 then 1 end) as repeated_verdicts,
    count(case when failures = attempts and attempts > 1 then 1 end) as failed_repeated_verdicts,
    min(first_run_at) as first_run_at,
    max(last_run_at) as last_run_at
from verdicts
group by source_name, connection, test_id, started_date
