with test_runs as (
    select * from {{ ref('int_test_runs') }}
    where run_status in ('failed', 'blocked')
),

failure_messages as (
    select * from {{ ref('fct_failure_messages') }}
    where command_key is null
),

failures as (
    select * from {{ ref('dim_failures') }}
),

reason_categories as (
    select * from {{ ref('failure_reason_categories') }}
),

categorised as (
    select
        test_runs.source_name,
        test_runs.connection,
        test_runs.test_run_id,
        test_runs.test_id,
        test_runs.run_status,
        test_runs.started_at,
        test_runs.started_date,
        test_runs.is_manual_session,
        failures.failure_id,
        failures.family_id,
        test_runs.failure_reason_name,
        coalesce(
            failures.site_category, reason_categories.category, failures.shipped_category, 'unknown'
        ) as failure_category
    from test_runs
    left join failure_messages on test_runs.test_run_id = failure_messages.test_run_id
    left join failures on failure_messages.failure_id = failures.failure_id
    left join reason_categories
        on lower(trim(test_runs.failure_reason_name)) = lower(reason_categories.failure_reason_name)
)

select
    *,
    run_status = 'blocked' or failure_category in ('lab', 'orchestration') as is_lab_failure
from categorised
