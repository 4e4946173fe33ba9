with test_runs as (
    select * from {{ ref('int_test_runs') }}
),

teams as (
    select * from {{ ref('int_test_run_teams') }}
),

failure_messages as (
    select * from {{ ref('fct_failure_messages') }}
),

failures as (
    select * from {{ ref('dim_failures') }}
),

reason_categories as (
    select * from {{ ref('failure_reason_categories') }}
),

own_failures as (
    select
        failure_messages.test_run_id,
        failures.failure_id,
        failures.family_id,
        failures.site_category,
        failures.shipped_category
    from failure_messages
    inner join failures on failure_messages.failure_id = failures.failure_id
    where failure_messages.command_key is null
),

with_failures as (
    select
        test_runs.*,
        own_failures.failure_id,
        own_failures.family_id,
        case
            when test_runs.run_status in ('failed', 'blocked') then coalesce(
                own_failures.site_category, reason_categories.category, own_failures.shipped_category, 'unknown'
            )
        end as failure_category
    from test_runs
    left join own_failures on test_runs.test_run_id = own_failures.test_run_id
    left join reason_categories
        on lower(trim(test_runs.failure_reason_name)) = lower(reason_categories.failure_reason_name)
),

judged as (
    select
        *,
        run_status = 'blocked' or coalesce(failure_category in ('lab', 'orchestration'), false) as is_lab_failure
    from with_failures
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
        judged.failure_id,
        judged.family_id,
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
)

select * from joined
