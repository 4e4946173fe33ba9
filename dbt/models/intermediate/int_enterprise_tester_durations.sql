{# Understood: each of week, day, hour, minute, second at most once, in any order, whole or decimal, in words or
   by first letter; or HH:MM and HH:MM:SS. Days and weeks are working time of the run's project. #}
{% set units = {'weeks': 'w(eeks?|ks?)?', 'days': 'd(ays?)?', 'hours': 'h(ours?|rs?)?', 'minutes': 'm(inutes?|ins?)?', 'seconds': 's(econds?|ecs?)?'} %}
{% set number = '[0-9]+([.][0-9]+)?' %}

with script_runs as (
    select * from {{ ref('stg_enterprise_tester__script_runs') }}
),

assignments as (
    select * from {{ ref('stg_enterprise_tester__script_assignments') }}
),

projects as (
    select * from {{ ref('stg_enterprise_tester__projects') }}
),

written as (
    select
        script_runs.connection,
        script_runs.script_run_id,
        script_runs.actual_duration,
        projects.hours_per_day,
        projects.days_per_week,
        {{ regexp_replace_all(
            "replace(replace(lower(script_runs.actual_duration), ',', ' '), ' and ', ' ')", '[ ]+', ' '
        ) }} as spaced
    from script_runs
    left join assignments
        on script_runs.connection = assignments.connection
        and script_runs.assignment_id = assignments.assignment_id
    left join projects
        on script_runs.connection = projects.connection
        and coalesce(script_runs.project_id, assignments.package_project_id) = projects.project_id
),

recognised as (
    select
        *,
        regexp_extract(spaced, '^ ?({{ number }} ?({{ units.values() | join("|") }}) ?)+$', 0) <> ''
        {%- for letter in 'wdhms' %}
        and regexp_extract(spaced, '[0-9] ?{{ letter }}.*[0-9] ?{{ letter }}', 0) = ''
        {%- endfor %} as is_amounts,
        regexp_extract(spaced, '^ ?[0-9]+:[0-5][0-9](:[0-5][0-9])? ?$', 0) <> '' as is_clock
    from written
),

amounts as (
    select
        *,
        {%- for unit in units %}
        case
            when is_amounts
                then coalesce(cast(nullif(regexp_extract(spaced, '({{ number }}) ?{{ unit[0] }}', 1), '') as double), 0e0)
            {%- if unit in ('hours', 'minutes', 'seconds') %}
            {%- set part = {'hours': 1, 'minutes': 2, 'seconds': 3}[unit] %}
            when is_clock
                then coalesce(cast(nullif(regexp_extract(split_part(spaced, ':', {{ part }}), '[0-9]+', 0), '') as double), 0e0)
            {%- else %}
            when is_clock then 0e0
            {%- endif %}
        end as {{ unit }}{{ ',' if not loop.last }}
        {%- endfor %}
    from recognised
),

working_time as (
    select
        *,
        case when days = 0 and weeks = 0 then 0e0 else days * hours_per_day end as day_hours,
        case when weeks = 0 then 0e0 else weeks * days_per_week * hours_per_day end as week_hours
    from amounts
),

measured as (
    select
        connection,
        script_run_id,
        (week_hours + day_hours + hours) * 3600e0 + minutes * 60e0 + seconds as duration_seconds,
        case
            when actual_duration is null or spaced in ('', ' ') then null
            when minutes is null then 'duration_not_understood'
            when week_hours + day_hours is null then 'working_time_unknown'
        end as issue
    from working_time
)

select * from measured
