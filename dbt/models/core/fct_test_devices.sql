with runs as (
    select runs.*
    from {{ ref('fct_counted_runs') }} as runs
    inner join {{ ref('dim_connections') }} as connections
        on runs.source_name = connections.source_name
        and runs.connection = connections.connection
        and {{ is_in_window('runs.started_date', 'connections.last_run_date') }}
),

numbered as (
    select
        runs.*,
        builds.is_wholly_failed,
        row_number() over (
            partition by runs.test_id, runs.variant_id, runs.build_key order by runs.ordered_at, runs.test_run_id
        ) as attempt,
        coalesce(sum(case when runs.is_failure then 0 else 1 end) over (
            partition by runs.test_id, runs.variant_id, runs.build_key order by runs.ordered_at, runs.test_run_id
            rows between unbounded preceding and 1 preceding
        ), 0) as passes_before
    from runs
    inner join {{ ref('fct_test_builds') }} as builds
        on runs.test_id = builds.test_id and runs.build_key = builds.build_key
),

verdicts as (
    select
        *,
        max(passes_before) over (partition by test_id, variant_id, build_key) > 0 as goes_on_after_a_pass
    from numbered
),

-- Where attempts end with a pass, the last device always looks good: first attempts are compared with first ones.
placed as (
    select
        *,
        case
            when goes_on_after_a_pass then concat('build ', build_key)
            else concat('week ', cast(cast(date_trunc('week', started_date) as date) as string), ' attempt ', cast(least(attempt, 3) as string))
        end as stratum
    from verdicts
    where goes_on_after_a_pass or not is_wholly_failed
),

device_strata as (
    select
        source_name,
        connection,
        test_id,
        device_id,
        stratum,
        count(*) as runs,
        count(case when is_failure then 1 end) as failures
    from placed
    group by source_name, connection, test_id, device_id, stratum
),

beside_others as (
    select
        *,
        sum(runs) over (partition by test_id, stratum) as stratum_runs,
        sum(failures) over (partition by test_id, stratum) as stratum_failures
    from device_strata
),

-- A stratum says something about a device only where others ran too and not all failed; of none, none is expected.
compared as (
    select
        test_id,
        device_id,
        cast(sum(failures) as bigint) as comparable_failures,
        sum(cast(runs as double) * stratum_failures / stratum_runs) as expected_failures,
        cast(sum(least(runs, stratum_failures)) as bigint) as trials
    from beside_others
    where runs < stratum_runs and stratum_failures < stratum_runs
    group by test_id, device_id
),

seen as (
    select
        source_name,
        connection,
        test_id,
        device_id,
        count(*) as runs,
        count(case when is_failure then 1 end) as failures
    from runs
    where device_id is not null
    group by source_name, connection, test_id, device_id
),

pairs as (
    select
        seen.*,
        coalesce(compared.comparable_failures, 0) as comparable_failures,
        coalesce(compared.expected_failures, 0e0) as expected_failures,
        coalesce(compared.trials, 0) as trials
    from seen
    left join compared on seen.test_id = compared.test_id and seen.device_id = compared.device_id
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
    where trials > 0 and comparable_failures >= expected_failures + 1 - 1e-9
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
        case when pairs.trials > 0 then coalesce(tails.p_value, 1e0) end as p_value,
        row_number() over (
            order by pairs.trials = 0, coalesce(tails.p_value, 1e0), pairs.test_id, pairs.device_id
        ) as p_rank,
        count(case when pairs.trials > 0 then 1 end) over () as tests
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
    case when trials > 0 then {{ benjamini_hochberg('p_value') }} end as q_value
from ranked
