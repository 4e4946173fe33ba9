{{ config(materialized='incremental', meta={'day': 'date', 'days': 'counted_days'}) }}

with runs as (
    select * from {{ ref('fct_counted_runs') }}
    where {{ is_touched('started_date') }}
)

select
    source_name,
    connection,
    project_name,
    test_name,
    test_id,
    started_date as date,
    count(*) as runs,
    count(*) filter (where is_failure) as failures,
    count(*) filter (where is_first_disagreement) as mixed_builds,
    count(*) filter (where is_flip) as flips,
    count(*) filter (where has_predecessor) as comparisons
from runs
group by source_name, connection, project_name, test_name, test_id, started_date
