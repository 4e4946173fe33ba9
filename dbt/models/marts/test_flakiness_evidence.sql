with tests as (
    select * from {{ ref('test_flakiness') }}
),

changes as (
    select * from {{ ref('fct_test_changes') }}
),

runs as (
    select
        tests.source_name,
        tests.connection,
        tests.project_name,
        tests.test_name,
        tests.test_id,
        tests.state,
        tests.evidence,
        runs.test_run_id,
        runs.variant_id,
        runs.build_key,
        runs.started_at,
        runs.is_failure,
        runs.is_doubted,
        runs.is_first_disagreement,
        runs.is_return_in_verdict,
        builds.is_proof,
        coalesce(builds.segment = changes.segment, false) as is_since_change,
        builds.is_newest and builds.has_failed_verdict as is_in_failed_newest_build,
        coalesce(returns.is_break = false and returns.segment is not null, false) as is_separate_return
    from {{ ref('fct_counted_runs') }} as runs
    inner join tests
        on runs.test_id = tests.test_id
        and runs.started_date between tests.window_start and tests.window_end
    inner join {{ ref('fct_test_builds') }} as builds
        on runs.test_id = builds.test_id and runs.build_key = builds.build_key
    left join changes
        on runs.test_id = changes.test_id
    left join {{ ref('fct_returns') }} as returns
        on runs.test_run_id = returns.returned_test_run_id
),

explained as (
    select
        *,
        case
            when evidence = 'mixed_builds' and is_proof and is_first_disagreement then 'first disagreement in a build'
            when evidence = 'mixed_builds' and is_proof and is_return_in_verdict then 'return to pass within a build'
            when evidence = 'alternation' and is_separate_return then 'return to pass'
            when state in ('regressed', 'fixed') and is_failure and not is_since_change then 'failure before the change'
            when state = 'regressed' and is_failure then 'failure since the change'
            when state = 'fixed' and is_since_change then 'pass since the change'
            when state = 'failing' and is_in_failed_newest_build and is_failure then 'failure in the newest build'
            when state = 'insufficient' then 'one of too few runs'
            when is_doubted then 'failure in doubt'
            when is_failure then 'failure'
        end as role
    from runs
)

select
    source_name,
    connection,
    project_name,
    test_name,
    test_id,
    test_run_id,
    state,
    role,
    started_at
from explained
where role is not null
