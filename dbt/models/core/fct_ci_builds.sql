{# A build passes where every verdict has a passed attempt: one that was only blocked leaves it failed too. #}
with runs as (
    select
        runs.source_name,
        runs.connection,
        runs.build_id,
        runs.test_id,
        runs.variant_id,
        runs.started_date,
        runs.run_status,
        runs.is_counted,
        {{ epoch_us('runs.started_at') }} as start_us,
        case when runs.duration_seconds is not null then {{ epoch_us('runs.ended_at') }} end as end_us
    from {{ ref('fct_test_runs') }} as runs
    inner join {{ ref('dim_connections') }} as connections
        on runs.source_name = connections.source_name
        and runs.connection = connections.connection
        and {{ is_in_window('runs.started_date', 'connections.last_run_date') }}
    where runs.build_id is not null
        and not runs.is_manual_session
        and runs.run_status in ('passed', 'failed', 'blocked')
),

verdicts as (
    select
        source_name,
        connection,
        build_id,
        test_id,
        variant_id,
        min(started_date) as first_date,
        count(*) as attempts,
        min(start_us) as start_us,
        max(end_us) as end_us,
        not bool_or(run_status = 'passed') as is_failing,
        bool_or(run_status = 'failed' and is_counted) as has_counted_failure
    from runs
    group by source_name, connection, build_id, test_id, variant_id
),

builds as (
    select
        source_name,
        connection,
        build_id,
        min(first_date) as first_date,
        count(*) as verdicts,
        cast(sum(attempts) as bigint) as attempts,
        count(*) filter (where is_failing) as failing_verdicts,
        (max(end_us) - min(start_us)) / 1e6 as wall_seconds,
        case
            when count(*) filter (where is_failing) = 1
                then max(case when is_failing and has_counted_failure then test_id end)
        end as only_failing_test_id
    from verdicts
    group by source_name, connection, build_id
)

select * from builds
