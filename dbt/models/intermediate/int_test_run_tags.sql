with executions as (
    select * from {{ ref('stg_perfecto_reporting__test_executions') }}
),

tags as (
    select
        'perfecto/' || executions.connection || '/' || executions.test_execution_id as test_run_id,
        u.tag
    from executions, lateral unnest(executions.tags) as u(tag)
    where u.tag is not null
),

distinct_tags as (
    select
        test_run_id,
        tag
    from tags
    group by test_run_id, tag
)

select * from distinct_tags
