with test_runs as (
    select * from {{ ref('int_test_runs') }}
),

teams as (
    select * from {{ ref('int_test_run_teams') }}
),

failure_messages as (
    select * from {{ ref('fct_failure_messages') }}
),

families as (
    select * from {{ ref('stg_derived__failure_families') }}
),

reason_categories as (
    select * from {{ ref('failure_reason_categories') }}
),

own_messages as (
    select
        test_run_id,
        failure_id
    from failure_messages
    where command_key is null
),

categorised as (
    select
        test_runs.*,
        case
            when test_runs.run_status in ('failed', 'blocked') then coalesce(reason_categories.category, 'unknown')
        end as failure_category
    from test_runs
    left join reason_categories
        on lower(trim(test_runs.failure_reason_name)) = lower(reason_categories.failure_reason_name)
),

judged as (
    select
        *,
        run_status = 'blocked' or coalesce(failure_category in ('lab', 'orchestration'), false) as is_lab_failure
    from categorised
),

joined as (
    select
        judged.source_name,
        judged.connection,
        judged.test_run_id,
        judged.vendor_run_id,
        judged.test_id,
        judged.variant_id,
        judged.variant,
        judged.test_name,
        judged.vendor_test_name,
        judged.project_name,
        judged.job_name,
        judged.job_number,
        judged.job_branch,
        judged.build_id,
        judged.run_status,
        judged.vendor_status,
        judged.started_at,
        judged.started_date,
        judged.ended_at,
        judged.duration_seconds,
        judged.owner,
        teams.team,
        own_messages.failure_id,
        families.family_id,
        judged.failure_reason_name,
        judged.failure_category,
        left(judged.message, 500) as message_head,
        judged.is_manual_session,
        judged.is_lab_failure,
        judged.run_status in ('passed', 'failed')
            and not judged.is_manual_session
            and not judged.is_lab_failure as is_counted,
        judged.device_id,
        judged.device_count,
        judged.report_url,
        judged.issues,
        judged.missing_since
    from judged
    left join teams on judged.test_run_id = teams.test_run_id
    left join own_messages on judged.test_run_id = own_messages.test_run_id
    left join families on own_messages.failure_id = families.failure_id
)

select * from joined
