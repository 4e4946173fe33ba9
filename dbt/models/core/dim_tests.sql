with days as (
    select * from {{ ref('fct_attempt_days') }}
),

lifetimes as (
    select
        test_id,
        min(first_run_at) as first_run_at,
        max(last_run_at) as last_run_at
    from days
    group by test_id
),

newest as (
    select *
    from days
    qualify row_number() over (partition by test_id order by last_run_at desc, newest_test_run_id desc) = 1
),

tests as (
    select
        newest.test_id,
        newest.source_name,
        newest.connection,
        newest.project_name,
        newest.test_name,
        newest.team,
        newest.owner,
        lifetimes.first_run_at,
        lifetimes.last_run_at
    from newest
    inner join lifetimes on newest.test_id = lifetimes.test_id
)

select * from tests
