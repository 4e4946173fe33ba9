with test_runs as (
    select * from {{ ref('fct_test_runs') }}
),

attempts as (
    select *
    from test_runs
    where not is_manual_session
),

lifetimes as (
    select
        test_id,
        min(started_at) as first_run_at,
        max(started_at) as last_run_at
    from attempts
    group by test_id
),

newest as (
    select *
    from attempts
    qualify row_number() over (partition by test_id order by started_at desc, test_run_id desc) = 1
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
