with test_runs as (
    select * from {{ ref('recent_test_runs') }}
),

daily as (
    select
        source_name,
        connection,
        project_name,
        team,
        os,
        date,
        run_status,
        is_counted,
        failure_id,
        failure_category,
        count(*) as runs,
        count(outage_id) as outage_runs
    from test_runs
    group by
        source_name, connection, project_name, team, os, date, run_status, is_counted, failure_id, failure_category
)

select * from daily
