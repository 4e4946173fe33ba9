with runs as (
    select
        runs.*,
        connections.last_run_date
    from {{ ref('fct_counted_runs') }} as runs
    inner join {{ ref('dim_connections') }} as connections
        on runs.source_name = connections.source_name
        and runs.connection = connections.connection
        and {{ is_in_window('runs.started_date', 'connections.last_run_date') }}
),

builds as (
    select * from {{ ref('fct_test_builds') }}
),

devices as (
    select * from {{ ref('fct_test_devices') }}
),

returns as (
    select * from {{ ref('fct_returns') }}
),

changes as (
    select * from {{ ref('fct_test_changes') }}
),

run_totals as (
    select
        source_name,
        connection,
        project_name,
        test_name,
        test_id,
        last_run_date - {{ var('window_days') - 1 }} as window_start,
        last_run_date as window_end,
        count(*) as runs,
        count(*) filter (where is_failure) as failures,
        count(*) filter (where is_doubted) as doubted_failures,
        count(*) filter (where is_flip) as flips,
        count(*) filter (where has_predecessor) as comparisons,
        min(started_at) as first_run_at,
        max(started_at) as last_run_at
    from runs
    group by source_name, connection, project_name, test_name, test_id, last_run_date
),

build_totals as (
    select
        test_id,
        count(*) filter (where has_build) as builds,
        count(*) filter (where is_mixed) as mixed_builds,
        count(*) filter (where is_proof) as proven_builds,
        sum(case when has_build then verdicts else 0 end) as verdicts,
        sum(case when has_build then single_attempt_verdicts else 0 end) as single_attempt_verdicts,
        max(returns_on_one_variant) as returns_in_mixed_build,
        count(*) filter (where attempts >= 2 and failures > 0) as failing_builds_of_several_attempts,
        count(*) filter (where is_wholly_failed) as wholly_failed_builds,
        count(*) filter (where failures > 0 and not is_solidly_failing) as flake_failing_builds,
        bool_or(is_newest and has_failed_verdict) as is_newest_build_failed,
        sum(wasted_seconds) / 60 as wasted_device_minutes
    from builds
    group by test_id
),

segment_returns as (
    select
        test_id,
        segment,
        count(*) as returns
    from returns
    where segment is not null and not is_break
    group by test_id, segment
),

separate_returns as (
    select
        test_id,
        max(returns) as returns
    from segment_returns
    group by test_id
),

device_bound as (
    select
        test_id,
        min(q_value) as q_value
    from devices
    group by test_id
),

device_days as (
    select
        runs.test_id,
        runs.device_id,
        runs.started_date,
        count(*) as runs,
        count(*) filter (where runs.is_failure) as failures
    from runs
    inner join builds on runs.test_id = builds.test_id and runs.build_key = builds.build_key
    where not builds.is_solidly_failing
    group by runs.test_id, runs.device_id, runs.started_date
),

flake_totals as (
    select
        test_id,
        count(*) as device_days,
        cast(sum(runs) as bigint) as flake_runs,
        cast(sum(failures) as bigint) as flake_failures,
        cast(sum(runs * runs) as double) as sum_squared_runs,
        sum(cast(failures as double) * failures / runs) as sum_squared_failures_per_run
    from device_days
    group by test_id
),

flake_rates as (
    select
        *,
        cast(flake_failures as double) / nullif(flake_runs, 0) as flake_rate,
        {{ design_effect(
            groups='device_days',
            runs='flake_runs',
            failures='flake_failures',
            sum_squared_runs='sum_squared_runs',
            between='(sum_squared_failures_per_run - cast(flake_failures as double) * flake_failures / nullif(flake_runs, 0))',
            within='(flake_failures - sum_squared_failures_per_run)'
        ) }} as design_effect
    from flake_totals
),

measured as (
    select
        run_totals.*,
        changes.is_worse,
        changes.is_clear,
        changes.changed_after,
        changes.changed_before,
        changes.clean_runs_to_clear as clean_runs_after_change,
        cast(run_totals.failures as double) / nullif(run_totals.runs, 0) as failure_rate,
        build_totals.builds,
        build_totals.mixed_builds,
        build_totals.proven_builds,
        build_totals.verdicts,
        build_totals.single_attempt_verdicts,
        build_totals.returns_in_mixed_build,
        build_totals.failing_builds_of_several_attempts,
        build_totals.wholly_failed_builds,
        build_totals.is_newest_build_failed,
        build_totals.wasted_device_minutes,
        coalesce(separate_returns.returns, 0) as separate_returns,
        coalesce(device_bound.q_value, 1e0) as device_q_value,
        flake_rates.flake_runs,
        flake_rates.flake_failures,
        flake_rates.flake_rate,
        flake_rates.design_effect,
        -- So few failing builds may all be breaks, which say nothing of chance: then the rate may be 0.
        case
            when build_totals.proven_builds = 0 and build_totals.flake_failing_builds < {{ var('alternation_returns') }}
                and flake_rates.flake_rate is not null then 0e0
            else {{ wilson_low('flake_rates.flake_rate', '(flake_rates.flake_runs / flake_rates.design_effect)') }}
        end as flake_rate_low,
        {{ wilson_high('flake_rates.flake_rate', '(flake_rates.flake_runs / flake_rates.design_effect)') }} as flake_rate_high
    from run_totals
    inner join build_totals on run_totals.test_id = build_totals.test_id
    inner join flake_rates on run_totals.test_id = flake_rates.test_id
    left join separate_returns on run_totals.test_id = separate_returns.test_id
    left join device_bound on run_totals.test_id = device_bound.test_id
    left join changes
        on run_totals.test_id = changes.test_id
        and cast(changes.started_at as date) between run_totals.window_start and run_totals.window_end
),

evident as (
    select
        *,
        case
            when proven_builds >= {{ var('flaky_mixed_builds') }}
                or (proven_builds >= 1 and returns_in_mixed_build >= {{ var('flaky_returns_in_mixed_build') }})
                then 'mixed_builds'
            when single_attempt_verdicts >= {{ var('alternation_single_attempt_share') }} * verdicts
                and separate_returns >= {{ var('alternation_returns') }}
                then 'alternation'
        end as flaky_evidence
    from measured
),

judged as (
    select
        *,
        case
            when runs >= {{ var('broken_min_runs') }} and failures = runs then 'broken'
            when runs < {{ var('min_runs') }} then 'insufficient'
            when is_worse then 'regressed'
            when is_clear then 'fixed'
            when flaky_evidence is not null then 'flaky'
            when is_newest_build_failed then 'failing'
            when flake_rate_high <= {{ var('stable_max_flake_rate') }} then 'stable'
            else 'unclear'
        end as state
    from evident
),

explained as (
    select
        *,
        case when state = 'flaky' then flaky_evidence end as evidence,
        case
            when state <> 'flaky' then null
            when device_q_value < {{ var('device_bound_q') }} then 'device_bound'
            when failing_builds_of_several_attempts >= {{ var('build_bound_builds') }}
                and wholly_failed_builds = failing_builds_of_several_attempts
                then 'build_bound'
            when flaky_evidence = 'alternation' then null
            else 'intermittent'
        end as cause
    from judged
)

select
    source_name,
    connection,
    project_name,
    test_name,
    test_id,
    window_start,
    window_end,
    runs,
    failures,
    doubted_failures,
    failure_rate,
    builds,
    mixed_builds,
    proven_builds,
    flips,
    comparisons,
    cast(flips as double) / nullif(comparisons, 0) as flip_rate,
    {{ entropy_bits('failure_rate') }} as entropy,
    flake_runs,
    flake_failures,
    flake_rate,
    flake_rate_low,
    flake_rate_high,
    design_effect,
    {{ min_detectable_rate('runs') }} as min_detectable_rate,
    state,
    evidence,
    cause,
    case when state in ('regressed', 'fixed') then changed_after end as changed_after,
    case when state in ('regressed', 'fixed') then changed_before end as changed_before,
    wasted_device_minutes,
    case
        when state = 'fixed' then clean_runs_after_change
        else {{ clean_runs_to_clear('flake_rate') }}
    end as clean_runs_to_clear,
    state = 'flaky'
        and flake_rate_low > {{ var('quarantine_min_flake_rate') }}
        and proven_builds >= {{ var('flaky_mixed_builds') }}
        and coalesce(cause <> 'device_bound', true) as is_quarantine_candidate,
    first_run_at,
    last_run_at
from explained
