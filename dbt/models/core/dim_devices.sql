{% set attributes = ['device_type', 'os', 'os_version', 'manufacturer', 'model', 'location'] %}

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

counted as (
    select
        *
        {%- for attribute in attributes %},
        count({{ attribute }}) over (
            partition by connection, device_id order by seen_at
            rows between unbounded preceding and current row
        ) as {{ attribute }}_number
        {%- endfor %}
    from one_per_instant
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
        lag(seen_at) over device is not null
        {%- for attribute in attributes %}
        and {{ attribute }} is not distinct from lag({{ attribute }}) over device
        {%- endfor %} as is_unchanged
    from known
    window device as (partition by connection, device_id order by seen_at)
),

numbered as (
    select
        *,
        sum(case when is_unchanged then 0 else 1 end) over (
            partition by connection, device_id order by seen_at
            rows between unbounded preceding and current row
        ) as period_number
    from compared
),

periods as (
    select
        connection,
        device_id,
        period_number,
        {{ attributes | join(',\n        ') }},
        min(seen_at) as valid_from,
        max(seen_at) as last_seen_at
    from numbered
    group by connection, device_id, period_number, {{ attributes | join(', ') }}
),

followed as (
    select
        connection,
        device_id,
        {{ attributes | join(',\n        ') }},
        valid_from,
        lead(valid_from) over (partition by connection, device_id order by valid_from) as valid_to,
        last_seen_at
    from periods
),

described as (
    select
        *,
        valid_to is null as is_current
    from followed
)

select * from described
