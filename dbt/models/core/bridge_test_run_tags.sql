with tags as (
    select * from {{ ref('int_test_run_tags') }}
),

test_runs as (
    select * from {{ ref('fct_test_runs') }}
),

tagged as (
    select
        test_runs.source_name,
        test_runs.connection,
        tags.test_run_id,
        tags.tag
    from tags
    inner join test_runs on tags.test_run_id = test_runs.test_run_id
)

select * from tagged
