{# A merge may rename the family of failures on days that this build does not make anew: a post-hook of the facts that
   carry it. Only rows whose family has another name now are written. #}
{% macro rename_families() %}
    {%- set failures = ref('dim_failures') -%}
    {%- if is_continued() -%}
        update {{ this }} as kept set family_id = failures.family_id
        from {{ failures }} as failures
        where kept.failure_id = failures.failure_id and kept.family_id is distinct from failures.family_id
    {%- endif -%}
{% endmacro %}
