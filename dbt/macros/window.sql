{# True for days of the trailing window, which ends on the connection's last day with a test run. #}
{% macro is_in_window(day, last_run_date) -%}
    {{ day }} between {{ last_run_date }} - {{ var('window_days') - 1 }} and {{ last_run_date }}
        and {{ is_of_a_window(day) }}
{%- endmacro %}

{# True for days of any connection's window, as dates that are known before the query runs: no other day is read then. #}
{% macro is_of_a_window(day) %}
    {%- set days = days_of_windows() -%}
    {{ is_one_of_days(day, days) }}
{%- endmacro %}

{# True for days of the CI builds that have runs in any connection's window: none of their attempts is left out. #}
{% macro is_of_a_windows_build(day) %}
    {%- set days = days_of_windows() -%}
    {%- if days -%}
        {%- set days = run_query(
            "select cast(unnest(['" ~ days | join("', '") ~ "']) as string) as day
            union
            select cast(others.date as string)
            from " ~ ref('fct_build_days') ~ " as of_window
            inner join " ~ ref('fct_build_days') ~ " as others on of_window.build_id = others.build_id
            where " ~ is_one_of_days('of_window.date', days) ~ "
            order by day"
        ).columns[0].values() | list -%}
    {%- endif -%}
    {{ is_one_of_days(day, days) }}
{%- endmacro %}

{# None where all of history is made anew, and so read. #}
{% macro days_of_windows() %}
    {% if not execute or model.resource_type == 'unit_test' or touched_days() is none %}{% do return(none) %}{% endif %}
    {% do return(run_query(
        "select distinct cast(last_run_date - cast(u.days_before as int) as string) as day
        from " ~ ref('dim_connections') ~ " cross join unnest(generate_series(0, " ~ (var('window_days') - 1) ~ ")) as u(days_before)
        where last_run_date is not null
        order by day"
    ).columns[0].values() | list) %}
{% endmacro %}
