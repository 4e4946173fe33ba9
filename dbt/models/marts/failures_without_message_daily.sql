{{ config(materialized='incremental', meta={'day': 'date'}) }}

with failures as (
    select * from {{ ref('fct_test_runs') }}
    where run_status in ('failed', 'blocked') and not is_manual_session and {{ is_touched('started_date') }}
)

select
    source_name,
    connection,
    started_date as date,
    count(*) as failures,
    count(*) filter (where failure_id is null) as failures_without_message
from failures
group by source_name, connection, started_date
