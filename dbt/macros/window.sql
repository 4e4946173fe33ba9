{# True for days of the trailing window, which ends on the connection's last day with a test run. #}
{% macro is_in_window(day, last_run_date) -%}
    {{ day }} between {{ last_run_date }} - {{ var('window_days') - 1 }} and {{ last_run_date }}
{%- endmacro %}
