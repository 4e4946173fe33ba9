{{ config(materialized='incremental', meta={'day': 'started_date'}, post_hook='{{ rename_families() }}') }}

with test_runs as (
    select * from {{ ref('int_test_runs') }}
),

teams as (
    select * from {{ ref('int_test_run_teams') }}
),

failures as (
    select * from {{ ref('fct_failures') }}
    where {{ is_touched('started_date') }}
),

platforms as (
    select * from {{ ref('int_perfecto_platforms') }}
),

outages as (
    select * from {{ ref('fct_outages') }}
    where {{ is_touched('outage_date') }}
),

signals as (
    select * from {{ ref('fct_outage_signals') }}
    where scope = 'device' and {{ is_touched('outage_date') }}
),

failure_places as (
    select
        failures.test_run_id,
        failures.connection,
        failures.started_at,
        failures.started_date,
        platforms.device_id,
        platforms.location
    from failures
    left join platforms on failures.test_run_id = platforms.test_run_id
    where not failures.is_manual_session
),

-- A run of several devices may have started inside outages of several places: the widest explains it.
failures_in_outages as (
    select
        failure_places.test_run_id,
        outages.outage_id
    from failure_places
    inner join outages
        on failure_places.connection = outages.connection
        and failure_places.started_date = outages.outage_date
        and failure_places.started_at between outages.started_at and outages.ended_at
        and outages.scope_id = case outages.scope
            when 'device' then failure_places.device_id
            when 'location' then failure_places.location
            else failure_places.connection
        end
    qualify row_number() over (
        partition by failure_places.test_run_id
        order by
            case outages.scope when 'connection' then 1 when 'location' then 2 else 3 end,
            outages.started_at,
            outages.outage_id
    ) = 1
),

-- Also where the signals are too few for an outage.
failures_in_doubt as (
    select distinct failure_places.test_run_id
    from failure_places
    inner join signals
        on failure_places.connection = signals.connection
        and failure_places.device_id = signals.scope_id
        and failure_places.started_date = signals.outage_date
        and failure_places.started_at between signals.chain_reaches_back_to and signals.chain_ended_at
),

joined as (
    select
        test_runs.source_name,
        test_runs.connection,
        test_runs.test_run_id,
        test_runs.vendor_run_id,
        test_runs.test_id,
        test_runs.variant_id,
        test_runs.variant,
        test_runs.test_name,
        test_runs.vendor_test_name,
        test_runs.project_name,
        test_runs.job_name,
        test_runs.job_number,
        test_runs.job_branch,
        test_runs.build_id,
        test_runs.run_status,
        test_runs.vendor_status,
        test_runs.started_at,
        test_runs.started_date,
        test_runs.ended_at,
        test_runs.duration_seconds,
        test_runs.owner,
        teams.team,
        failures.failure_id,
        failures.family_id,
        test_runs.failure_reason_name,
        failures.failure_category,
        left(test_runs.message, 500) as message_head,
        test_runs.is_manual_session,
        coalesce(failures.is_lab_failure, false) as is_lab_failure,
        failures_in_outages.outage_id,
        test_runs.run_status in ('passed', 'failed')
            and not test_runs.is_manual_session
            and not coalesce(failures.is_lab_failure, false)
            and failures_in_outages.outage_id is null as is_counted,
        failures_in_doubt.test_run_id is not null as is_doubted,
        test_runs.device_id,
        test_runs.device_count,
        test_runs.report_url,
        test_runs.issues,
        test_runs.missing_since
    from test_runs
    left join teams on test_runs.test_run_id = teams.test_run_id
    left join failures on test_runs.test_run_id = failures.test_run_id
    left join failures_in_outages on test_runs.test_run_id = failures_in_outages.test_run_id
    left join failures_in_doubt on test_runs.test_run_id = failures_in_doubt.test_run_id
)

select *
from joined
where {{ is_touched('started_date') }}
