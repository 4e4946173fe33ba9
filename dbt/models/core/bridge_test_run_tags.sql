{{ config(materialized='incremental', meta={'day': 'started_date'}) }}

with tags as (
    select * from {{ ref('int_test_run_tags') }}
),

test_runs as (
    select * from {{ ref('fct_test_runs') }}
    where {{ is_touched('started_date') }}
),

tagged as (
    select
        test_runs.source_name,
        test_runs.connection,
        tags.test_run_id,
        test_runs.started_date,
        tags.tag
    from tags
    inner join test_runs on tags.test_run_id = test_runs.test_run_id
)

select * from tagged
