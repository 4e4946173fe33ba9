with failures as (
    select * from {{ ref('dim_failures') }}
),

daily as (
    select * from {{ ref('failure_reasons_daily') }}
),

days as (
    select * from {{ ref('fct_failure_days') }}
),

own_days as (
    select *
    from days
    where not is_of_a_command
),

categories as (
    select * from {{ ref('failure_reason_categories') }}
),

seen as (
    select
        failure_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from days
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
    from own_days
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
        sum(occurrences) as test_runs,
        max(last_seen_at) as last_seen_at
    from own_days
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
),

commands as (
    select
        failure_id,
        failing_command,
        cast(sum(occurrences) as bigint) as failing_command_occurrences
    from days
    where failing_command is not null
    group by failure_id, failing_command
),

most_frequent_commands as (
    select
        failure_id,
        failing_command,
        failing_command_occurrences
    from commands
    qualify row_number() over (
        partition by failure_id order by failing_command_occurrences desc, failing_command
    ) = 1
)

select
    failures.failure_id,
    failures.family_id,
    failures.example_message,
    failures.template,
    named.failure_reason_name,
    most_frequent_commands.failing_command,
    coalesce(most_frequent_commands.failing_command_occurrences, 0) as failing_command_occurrences,
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
left join most_frequent_commands on failures.failure_id = most_frequent_commands.failure_id
left join categories on lower(trim(named.failure_reason_name)) = lower(categories.failure_reason_name)
left join reopened on failures.failure_id = reopened.failure_id
