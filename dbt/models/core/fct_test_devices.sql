with runs as (
    select runs.*
    from {{ ref('fct_counted_runs') }} as runs
    inner join {{ ref('dim_connections') }} as connections
        on runs.source_name = connections.source_name
        and runs.connection = connections.connection
        and {{ is_in_window('runs.started_date', 'connections.last_run_date') }}
),

device_builds as (
    select
        runs.source_name,
        runs.connection,
        runs.test_id,
        runs.device_id,
        runs.build_key,
        builds.attempts as build_runs,
        builds.failures as build_failures,
        count(*) as runs,
        count(*) filter (where runs.is_failure) as failures
    from runs
    inner join {{ ref('fct_test_builds') }} as builds
        on runs.test_id = builds.test_id and runs.build_key = builds.build_key
    where runs.device_id is not null
    group by
        runs.source_name, runs.connection, runs.test_id, runs.device_id, runs.build_key,
        builds.attempts, builds.failures
),

-- A build says something about a device only where it ran elsewhere too, and neither all passed nor all failed.
stratified as (
    select
        *,
        runs < build_runs and build_failures > 0 and build_failures < build_runs as is_informative
    from device_builds
),

pairs as (
    select
        source_name,
        connection,
        test_id,
        device_id,
        cast(sum(runs) as bigint) as runs,
        cast(sum(failures) as bigint) as failures,
        cast(sum(case when is_informative then failures else 0 end) as bigint) as comparable_failures,
        sum(case when is_informative then cast(runs as double) * build_failures / build_runs else 0e0 end) as expected_failures,
        cast(sum(case when is_informative then least(runs, build_failures) else 0 end) as bigint) as trials
    from stratified
    group by source_name, connection, test_id, device_id
),

-- Below one failure more than expected the bound says nothing, and no such pair could pass the threshold.
in_excess as (
    select
        test_id,
        device_id,
        comparable_failures,
        trials,
        expected_failures / trials as chance,
        {{ int_range('1', 'trials') }} as successes
    from pairs
    where trials > 0 and comparable_failures >= expected_failures + 1
),

steps as (
    select
        in_excess.test_id,
        in_excess.device_id,
        in_excess.comparable_failures,
        in_excess.trials,
        in_excess.chance,
        u.success
    from in_excess, lateral unnest(in_excess.successes) as u(success)
),

terms as (
    select
        test_id,
        device_id,
        comparable_failures,
        success,
        trials * ln(1e0 - chance) + sum({{ ln_binomial_step('trials', 'chance', 'success') }}) over (
            partition by test_id, device_id order by success rows between unbounded preceding and current row
        ) as ln_probability
    from steps
),

tails as (
    select test_id, device_id, least(1e0, sum(exp(ln_probability))) as p_value
    from terms
    where success >= comparable_failures
    group by test_id, device_id
),

ranked as (
    select
        pairs.*,
        coalesce(tails.p_value, 1e0) as p_value,
        row_number() over (order by coalesce(tails.p_value, 1e0), pairs.test_id, pairs.device_id) as p_rank,
        count(*) over () as tests
    from pairs
    left join tails on pairs.test_id = tails.test_id and pairs.device_id = tails.device_id
)

select
    source_name,
    connection,
    test_id,
    device_id,
    runs,
    failures,
    comparable_failures,
    expected_failures,
    p_value,
    {{ benjamini_hochberg('p_value') }} as q_value
from ranked
