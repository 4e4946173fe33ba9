{% set attributes = ['device_type', 'os', 'os_version', 'manufacturer', 'model', 'location'] %}
{% set differs_from_previous -%}
lag(seen_at) over device is null
        {%- for attribute in attributes %}
        or {{ attribute }} is distinct from lag({{ attribute }}) over device
        {%- endfor %}
{%- endset %}

with platforms as (
    select * from {{ ref('int_perfecto_platforms') }}
),

test_runs as (
    select * from {{ ref('fct_test_runs') }}
),

sightings as (
    select
        test_runs.connection,
        platforms.device_id,
        {%- for attribute in attributes %}
        platforms.{{ attribute }},
        {%- endfor %}
        coalesce(test_runs.started_at, cast(test_runs.started_date as timestamp)) as seen_at,
        platforms.test_run_id,
        platforms.platform_index
    from platforms
    inner join test_runs on platforms.test_run_id = test_runs.test_run_id
    where platforms.device_id is not null
),

one_per_instant as (
    select *
    from sightings
    qualify row_number() over (
        partition by connection, device_id, seen_at order by test_run_id, platform_index
    ) = 1
),

reported as (
    select
        *,
        {{ differs_from_previous }} as is_other_report
    from one_per_instant
    window device as (partition by connection, device_id order by seen_at)
),

counted as (
    select
        *
        {%- for attribute in attributes %},
        count({{ attribute }}) over (
            partition by connection, device_id order by seen_at
            rows between unbounded preceding and current row
        ) as {{ attribute }}_number
        {%- endfor %}
    from reported
    where is_other_report
),

-- A report that leaves something out does not change it: the last known value holds.
known as (
    select
        connection,
        device_id,
        seen_at
        {%- for attribute in attributes %},
        max({{ attribute }}) over (
            partition by connection, device_id, {{ attribute }}_number
        ) as {{ attribute }}
        {%- endfor %}
    from counted
),

compared as (
    select
        *,
        {{ differs_from_previous }} as is_changed
    from known
    window device as (partition by connection, device_id order by seen_at)
),

periods as (
    select
        connection,
        device_id,
        {{ attributes | join(',\n        ') }},
        seen_at as valid_from,
        lead(seen_at) over (partition by connection, device_id order by seen_at) as valid_to
    from compared
    where is_changed
),

described as (
    select
        *,
        valid_to is null as is_current
    from periods
)

select * from described
