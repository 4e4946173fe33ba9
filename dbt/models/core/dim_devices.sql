{# Test runs and device lists both describe devices, each in its own spelling. Where they disagree for good, the one that
   changed last is believed, so that the description does not change with every report. #}
{% set attributes = ['device_type', 'os', 'os_version', 'manufacturer', 'model', 'location'] %}
{% set differs_from_previous -%}
lag(seen_at) over previous is null
        {%- for attribute in attributes %}
        or {{ attribute }} is distinct from lag({{ attribute }}) over previous
        {%- endfor %}
{%- endset %}

{% do note_before('devices_before') %}
with reports as (
    select * from {{ ref('fct_device_descriptions') }}
),

reported as (
    select
        *,
        {{ differs_from_previous }} as is_other_report
    from reports
    window previous as (partition by connection, device_id, reporter order by seen_at)
),

counted as (
    select
        *
        {%- for attribute in attributes %},
        count({{ attribute }}) over (
            partition by connection, device_id, reporter order by seen_at
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
        reporter,
        seen_at
        {%- for attribute in attributes %},
        max({{ attribute }}) over (
            partition by connection, device_id, reporter, {{ attribute }}_number
        ) as {{ attribute }}
        {%- endfor %}
    from counted
),

news as (
    select
        connection,
        device_id,
        reporter,
        seen_at
        {%- for attribute in attributes %},
        case when {{ attribute }} is distinct from lag({{ attribute }}) over previous then {{ attribute }} end as {{ attribute }}
        {%- endfor %}
    from known
    window previous as (partition by connection, device_id, reporter order by seen_at)
),

-- What both say anew at the same instant is taken from the device list.
news_by_instant as (
    select
        connection,
        device_id,
        seen_at
        {%- for attribute in attributes %},
        coalesce(
            max(case when reporter = 'snapshot' then {{ attribute }} end), max({{ attribute }})
        ) as {{ attribute }}
        {%- endfor %}
    from news
    group by connection, device_id, seen_at
),

news_counted as (
    select
        *
        {%- for attribute in attributes %},
        count({{ attribute }}) over (
            partition by connection, device_id order by seen_at
            rows between unbounded preceding and current row
        ) as {{ attribute }}_number
        {%- endfor %}
    from news_by_instant
),

believed as (
    select
        connection,
        device_id,
        seen_at
        {%- for attribute in attributes %},
        max({{ attribute }}) over (
            partition by connection, device_id, {{ attribute }}_number
        ) as {{ attribute }}
        {%- endfor %}
    from news_counted
),

compared as (
    select
        *,
        {{ differs_from_previous }} as is_changed
    from believed
    window previous as (partition by connection, device_id order by seen_at)
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
