{% set columns = [
    'source_name', 'connection', 'test_run_id', 'vendor_run_id', 'vendor_test_name', 'project_name', 'job_name',
    'job_number', 'job_branch', 'vendor_status', 'run_status', 'started_at', 'started_date', 'ended_at',
    'duration_seconds', 'owner', 'failure_reason_name', 'message', 'is_manual_session', 'report_url', 'issues',
    'fetched_at', 'missing_since', 'device_type', 'os', 'browser_type', 'device_id', 'device_count',
] %}

with perfecto as (
    select * from {{ ref('int_perfecto_test_runs') }}
),

enterprise_tester as (
    select * from {{ ref('int_enterprise_tester_test_runs') }}
),

aliases as (
    select * from {{ ref('test_aliases') }}
),

unioned as (
    select {{ columns | join(', ') }} from perfecto
    union all
    select {{ columns | join(', ') }} from enterprise_tester
),

visible as (
    select *
    from unioned
    where {{ is_within_as_of('started_date') }}
),

named as (
    select
        visible.*,
        coalesce(aliases.test_name, visible.vendor_test_name) as test_name
    from visible
    left join aliases
        on visible.source_name = aliases.source_name
        and visible.connection = aliases.connection
        and visible.project_name = aliases.project_name
        and visible.vendor_test_name = aliases.former_test_name
        and visible.started_date >= coalesce(aliases.valid_from, visible.started_date)
        and (visible.started_date < aliases.valid_to or aliases.valid_to is null)
),

identified as (
    select
        *,
        {{ id_of(['source_name', 'connection', 'project_name', 'test_name']) }} as test_id,
        {{ id_of(["coalesce(device_type, '')", "coalesce(os, '')", "coalesce(browser_type, '')"]) }} as variant_id,
        coalesce(nullif(concat_ws(' ', device_type, os, browser_type), ''), '(unknown)') as variant,
        case
            when job_name is not null and job_number is not null
                then {{ id_of(['connection', 'job_name', 'cast(job_number as string)', "coalesce(job_branch, '')"]) }}
        end as build_id
    from named
)

select * from identified
