with failures as (
    select * from {{ ref('dim_failures') }}
),

daily as (
    select * from {{ ref('failure_reasons_daily') }}
),

own_messages as (
    select
        messages.failure_id,
        test_runs.test_id,
        test_runs.device_id,
        test_runs.build_id,
        test_runs.failure_reason_name,
        messages.occurred_at
    from {{ ref('fct_failure_messages') }} as messages
    inner join {{ ref('fct_test_runs') }} as test_runs on messages.test_run_id = test_runs.test_run_id
    where messages.command_key is null
),

categories as (
    select * from {{ ref('failure_reason_categories') }}
),

seen as (
    select
        failure_id,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at
    from {{ ref('fct_failure_messages') }}
    group by failure_id
),

today as (
    select max(last_run_date) as last_date from {{ ref('dim_connections') }}
),

days_apart as (
    select
        failure_id,
        date,
        {{ dbt.datediff('lag(date) over (partition by failure_id order by date)', 'date', 'day') }} as days_since_previous
    from daily
),

reopened as (
    select days_apart.failure_id
    from days_apart
    cross join today
    where days_apart.days_since_previous > {{ var('reopened_after_days') }}
        and days_apart.date > today.last_date - {{ var('new_within_days') }}
    group by days_apart.failure_id
),

reach as (
    select
        failure_id,
        count(distinct test_id) as tests,
        count(distinct device_id) as devices,
        count(distinct build_id) as builds
    from own_messages
    group by failure_id
),

occurrences as (
    select
        failure_id,
        cast(sum(occurrences) as bigint) as occurrences,
        cast(sum(command_occurrences) as bigint) as command_occurrences
    from daily
    group by failure_id
),

reasons as (
    select
        failure_id,
        failure_reason_name,
        count(*) as test_runs,
        max(occurred_at) as last_seen_at
    from own_messages
    where failure_reason_name is not null
    group by failure_id, failure_reason_name
),

named as (
    select
        failure_id,
        failure_reason_name
    from reasons
    qualify row_number() over (
        partition by failure_id order by test_runs desc, last_seen_at desc, failure_reason_name
    ) = 1
)

select
    failures.failure_id,
    failures.family_id,
    failures.example_message,
    failures.template,
    named.failure_reason_name,
    coalesce(failures.site_category, categories.category, failures.shipped_category, 'unknown') as category,
    seen.first_seen_at,
    seen.last_seen_at,
    occurrences.occurrences,
    occurrences.command_occurrences,
    coalesce(reach.tests, 0) as tests,
    coalesce(reach.devices, 0) as devices,
    coalesce(reach.builds, 0) as builds,
    cast(seen.first_seen_at as date) > today.last_date - {{ var('new_within_days') }} as is_new,
    reopened.failure_id is not null as is_reopened
from failures
inner join seen on failures.failure_id = seen.failure_id
inner join occurrences on failures.failure_id = occurrences.failure_id
cross join today
left join reach on failures.failure_id = reach.failure_id
left join named on failures.failure_id = named.failure_id
left join categories on lower(trim(named.failure_reason_name)) = lower(categories.failure_reason_name)
left join reopened on failures.failure_id = reopened.failure_id
