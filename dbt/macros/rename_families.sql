{# A merge may rename the family of failures on days that this build does not make anew: a post-hook of the facts that
   carry it. Only rows whose family has another name now are written, and only their days are read. #}
{% macro rename_families() %}
    {%- set failures, message_days = ref('dim_failures'), ref('fct_failure_message_days') -%}
    {%- if is_continued() and touched_days() is not none -%}
        {%- set days = run_query(
            "select distinct cast(days.run_started_date as string)
            from build.failures_before as before
            inner join " ~ failures ~ " as failures on before.failure_id = failures.failure_id
            inner join " ~ message_days ~ " as days on before.failure_id = days.failure_id
            where before.family_id is distinct from failures.family_id
            order by 1"
        ).columns[0].values() | list -%}
        {%- if days -%}
            update {{ this }} as kept set family_id = failures.family_id
            from {{ failures }} as failures
            where kept.failure_id = failures.failure_id
                and kept.family_id is distinct from failures.family_id
                and {{ is_one_of_days('kept.started_date', days) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
