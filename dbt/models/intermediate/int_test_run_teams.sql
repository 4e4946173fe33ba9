with test_runs as (
    select * from {{ ref('int_test_runs') }}
),

tags as (
    select * from {{ ref('int_test_run_tags') }}
),

rules as (
    select * from {{ ref('team_rules') }}
),

matches as (
    select
        test_runs.test_run_id,
        rules.rule_order,
        rules.team
    from test_runs
    inner join rules
        on (test_runs.project_name = rules.project_name or rules.project_name is null)
        and (test_runs.test_name like rules.test_name_pattern or rules.test_name_pattern is null)
    left join tags
        on test_runs.test_run_id = tags.test_run_id
        and rules.tag = tags.tag
    where rules.tag is null or tags.tag is not null
),

first_matches as (
    select
        test_run_id,
        team
    from matches
    qualify row_number() over (partition by test_run_id order by rule_order) = 1
)

select * from first_matches
