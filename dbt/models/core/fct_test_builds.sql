with runs as (
    select
        runs.*,
        row_number() over (
            partition by runs.test_id order by runs.ordered_at desc, runs.test_run_id desc
        ) = 1 as is_newest_run
    from {{ ref('fct_counted_runs') }} as runs
    inner join {{ ref('dim_connections') }} as connections
        on runs.source_name = connections.source_name
        and runs.connection = connections.connection
        and {{ is_in_window('runs.started_date', 'connections.last_run_date') }}
),

segments as (
    select * from {{ ref('fct_test_segments') }}
),

verdicts as (
    select
        source_name,
        connection,
        test_id,
        build_key,
        has_build,
        variant_id,
        min(ordered_at) as first_run_at,
        count(*) as attempts,
        count(*) filter (where is_failure) as failures,
        count(*) filter (where is_return_in_verdict) as returns,
        bool_or(is_first_disagreement) as is_mixed,
        bool_or(is_failure and not is_doubted and verdict = 'mixed') as is_proof,
        bool_or(verdict = 'failed') as is_failed,
        bool_or(is_newest_run) as is_newest,
        sum(case when is_wasted then coalesce(duration_seconds, 0e0) else 0e0 end) as wasted_seconds
    from runs
    group by source_name, connection, test_id, build_key, has_build, variant_id
),

builds as (
    select
        source_name,
        connection,
        test_id,
        build_key,
        has_build,
        min(first_run_at) as first_run_at,
        count(*) as verdicts,
        count(*) filter (where attempts = 1) as single_attempt_verdicts,
        cast(sum(attempts) as bigint) as attempts,
        cast(sum(failures) as bigint) as failures,
        cast(max(returns) as bigint) as returns_on_one_variant,
        bool_or(is_mixed) as is_mixed,
        bool_or(is_mixed) and bool_or(is_proof) as is_proof,
        bool_or(is_failed) as has_failed_verdict,
        bool_or(is_newest) as is_newest,
        sum(wasted_seconds) as wasted_seconds
    from verdicts
    group by source_name, connection, test_id, build_key, has_build
),

beside_others as (
    select
        *,
        sum(attempts) over (partition by test_id) - attempts as other_attempts,
        sum(failures) over (partition by test_id) - failures as other_failures
    from builds
)

select
    builds.source_name,
    builds.connection,
    builds.test_id,
    builds.build_key,
    builds.has_build,
    segments.segment,
    builds.verdicts,
    builds.single_attempt_verdicts,
    builds.attempts,
    builds.failures,
    builds.returns_on_one_variant,
    builds.is_mixed,
    builds.is_proof,
    builds.has_failed_verdict,
    builds.attempts >= 2 and builds.failures = builds.attempts as is_wholly_failed,
    {{ is_solidly_failing('builds.attempts', 'builds.failures', 'builds.other_attempts', 'builds.other_failures') }} as is_solidly_failing,
    builds.is_newest,
    builds.wasted_seconds
from beside_others as builds
left join segments
    on builds.test_id = segments.test_id
    and builds.first_run_at >= segments.started_at
    and (builds.first_run_at < segments.next_started_at or segments.next_started_at is null)
