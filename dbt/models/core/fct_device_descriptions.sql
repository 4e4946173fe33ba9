{{ config(materialized='incremental', meta={'day': 'started_date'}) }}

{% set attributes = ['device_type', 'os', 'os_version', 'manufacturer', 'model', 'location'] %}

with platforms as (
    select * from {{ ref('int_perfecto_platforms') }}
),

test_runs as (
    select * from {{ ref('int_test_runs') }}
    where {{ is_touched('started_date') }}
),

observations as (
    select *
    from {{ ref('fct_device_observations') }}
    where {{ is_within_as_of('dt') }} and {{ is_touched('dt') }}
),

reports as (
    select
        'test run' as reporter,
        test_runs.connection,
        platforms.device_id,
        test_runs.started_date,
        coalesce(test_runs.started_at, cast(test_runs.started_date as timestamp)) as seen_at,
        {%- for attribute in attributes %}
        platforms.{{ attribute }},
        {%- endfor %}
        platforms.test_run_id,
        platforms.platform_index
    from platforms
    inner join test_runs on platforms.test_run_id = test_runs.test_run_id
    where platforms.device_id is not null
    union all
    select
        'snapshot' as reporter,
        connection,
        device_id,
        dt as started_date,
        first_observed_at as seen_at,
        {%- for attribute in attributes %}
        {{ attribute if attribute != 'device_type' else 'cast(null as string)' }},
        {%- endfor %}
        cast(null as string) as test_run_id,
        cast(null as bigint) as platform_index
    from observations
),

one_per_instant as (
    select *
    from reports
    qualify row_number() over (
        partition by connection, device_id, started_date, reporter, seen_at order by test_run_id, platform_index
    ) = 1
),

compared as (
    select
        *,
        lag(seen_at) over of_day is null
        {%- for attribute in attributes %}
        or {{ attribute }} is distinct from lag({{ attribute }}) over of_day
        {%- endfor %} as is_other
    from one_per_instant
    window of_day as (partition by connection, device_id, started_date, reporter order by seen_at)
),

descriptions as (
    select
        connection,
        device_id,
        started_date,
        reporter,
        seen_at,
        {{ attributes | join(',\n        ') }}
    from compared
    where is_other
)

select * from descriptions
