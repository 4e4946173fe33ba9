{{ config(materialized='incremental', meta={'day': 'date'}) }}

with counted as (
    select * from {{ ref('fct_test_runs') }}
    where is_counted and build_id is not null and {{ is_touched('started_date') }}
)

select
    source_name,
    connection,
    build_id,
    started_date as date,
    count(*) as runs
from counted
group by source_name, connection, build_id, started_date
