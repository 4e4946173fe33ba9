{# An id of several texts, also where one of them holds what stands between them: | is ~1 within a text, and ~ is ~0. #}
{% macro id_of(parts) -%}
    md5(concat_ws('|'
    {%- for part in parts %}, replace(replace({{ part }}, '~', '~0'), '|', '~1'){% endfor -%}
    ))
{%- endmacro %}
