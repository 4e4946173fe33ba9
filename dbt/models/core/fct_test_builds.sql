with runs as (
    select runs.*
    from {{ ref('fct_counted_runs') }} as runs
    inner join {{ ref('dim_connection_windows') }} as windows
        on runs.source_name = windows.source_name
        and runs.connection = windows.connection
        and runs.started_date between windows.window_start and windows.window_end
),

verdicts as (
    select
        source_name,
        connection,
        test_id,
        build_key,
        has_build,
        variant_id,
        count(*) as attempts,
        count_if(is_failure) as failures,
        count_if(is_return_in_verdict) as returns,
        count_if(is_first_disagreement) as first_disagreements,
        sum(case when is_wasted then coalesce(duration_seconds, 0) else 0 end) as wasted_seconds,
        max(started_at) as last_attempt_at,
        max_by(test_run_id, struct(started_at, test_run_id)) as unused
    from runs
    group by source_name, connection, test_id, build_key, has_build, variant_id
)
select 1
