with test_runs as (
    select * from {{ ref('recent_test_runs') }}
),

tests as (
    select
        source_name,
        connection,
        project_name,
        test_name,
        test_id,
        team,
        os,
        count(*) as runs,
        count(*) filter (where is_counted) as counted_runs,
        count(*) filter (where is_counted and run_status = 'failed') as failures
    from test_runs
    group by source_name, connection, project_name, test_name, test_id, team, os
)

select * from tests
