{{ config(materialized='incremental', meta={'day': 'started_date'}, post_hook='{{ rename_families() }}') }}

with test_runs as (
    select * from {{ ref('int_test_runs') }}
    where run_status in ('failed', 'blocked')
),

failure_messages as (
    select * from {{ ref('fct_failure_messages') }}
    where command_key is null and {{ is_touched('run_started_date') }}
),

failures as (
    select * from {{ ref('dim_failures') }}
),

reason_categories as (
    select * from {{ ref('failure_reason_categories') }}
),

reasons_by_day as (
    select
        test_runs.connection,
        test_runs.started_date,
        failure_messages.failure_id,
        test_runs.failure_reason_name,
        count(*) as runs,
        max(test_runs.started_at) as last_started_at
    from test_runs
    inner join failure_messages on test_runs.test_run_id = failure_messages.test_run_id
    where test_runs.failure_reason_name is not null
    group by
        test_runs.connection, test_runs.started_date, failure_messages.failure_id, test_runs.failure_reason_name
),

-- The vendor's reason for a failure on one day, where it gave any: the most frequent, at ties the latest.
reasons_of_the_day as (
    select * from reasons_by_day
    qualify row_number() over (
        partition by connection, started_date, failure_id
        order by runs desc, last_started_at desc, failure_reason_name
    ) = 1
),

explained as (
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
        failures.site_category,
        failures.shipped_category,
        coalesce(test_runs.failure_reason_name, reasons_of_the_day.failure_reason_name) as failure_reason_name
    from test_runs
    left join failure_messages on test_runs.test_run_id = failure_messages.test_run_id
    left join failures on failure_messages.failure_id = failures.failure_id
    left join reasons_of_the_day
        on test_runs.connection = reasons_of_the_day.connection
        and test_runs.started_date = reasons_of_the_day.started_date
        and failure_messages.failure_id = reasons_of_the_day.failure_id
),

categorised as (
    select
        explained.source_name,
        explained.connection,
        explained.test_run_id,
        explained.test_id,
        explained.run_status,
        explained.started_at,
        explained.started_date,
        explained.is_manual_session,
        explained.failure_id,
        explained.family_id,
        coalesce(
            explained.site_category, reason_categories.category, explained.shipped_category, 'unknown'
        ) as failure_category
    from explained
    left join reason_categories
        on lower(trim(explained.failure_reason_name)) = lower(reason_categories.failure_reason_name)
)

select
    *,
    run_status = 'blocked' or failure_category in ('lab', 'orchestration') as is_lab_failure
from categorised
where {{ is_touched('started_date') }}
