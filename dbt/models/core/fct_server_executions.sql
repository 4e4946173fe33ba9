{{ config(materialized='incremental', meta={'day': 'ended_date'}) }}

with executions as (
    select * from {{ ref('stg_hcl_test_server__executions') }}
),

dated as (
    select
        *,
        coalesce(cast(completed_at as date), cast(started_at as date), dt) as ended_date
    from executions
),

visible as (
    select *
    from dated
    where {{ is_within_as_of('ended_date') }}
),

conformed as (
    select
        connection,
        execution_id,
        project_id,
        case vendor_status
            when 'COMPLETE' then 'finished'
            when 'COMPLETE_WITH_ERROR' then 'finished_with_error'
            when 'STOPPED_BY_USER' then 'stopped'
            when 'STOPPED_AUTOMATICALLY' then 'stopped'
            when 'INCOMPLETE' then 'incomplete'
            when 'CANCELED' then 'canceled'
            when 'LAUNCH_FAILED' then 'launch_failed'
            else 'unknown'
        end as execution_status,
        vendor_status,
        started_at,
        completed_at,
        ended_date,
        case
            when completed_at >= started_at
                then ({{ epoch_us('completed_at') }} - {{ epoch_us('started_at') }}) / 1e6
        end as duration_seconds,
        nullif(message, '') as message,
        result_id,
        nullif({{ list_text('issues') }}, '') as issues,
        missing_since
    from visible
)

select * from conformed
where {{ is_touched('ended_date') }}
