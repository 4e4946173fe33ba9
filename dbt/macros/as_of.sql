{# True for days that a build capped by var('as_of') may see; always true without a cap. #}
{% macro is_within_as_of(day) %}
    {%- if var('as_of') -%} {{ day }} <= cast('{{ var("as_of") }}' as date) {%- else -%} true {%- endif -%}
{% endmacro %}
