{# A fact that is kept by day says so in its config: materialized='incremental', meta={'day': <column>}. Each build takes
   the touched days out of it (clear_touched_days, a pre-hook of every model) and appends them anew (is_touched), so
   that a day which became empty becomes empty here too. Which days: pipelines/defs/warehouse/touched.py; where a model
   needs others, meta.days names their table. #}

{# Days that this build makes anew, as 'YYYY-MM-DD'; none where it makes everything anew. #}
{% macro touched_days() %}{% do return(days_of_build('touched_days')) %}{% endmacro %}

{# Days that this build reads from the lake: the touched ones, and what they need beside them. #}
{% macro read_days() %}{% do return(days_of_build('read_days')) %}{% endmacro %}

{% macro days_of_build(table) %}{{ return(adapter.dispatch('days_of_build')(table)) }}{% endmacro %}

{# A build on Spark has no predecessor. #}
{% macro spark__days_of_build(table) %}{% do return(none) %}{% endmacro %}

{% macro duckdb__days_of_build(table) %}
    {% if not execute %}{% do return([]) %}{% endif %}
    {% set found = run_query("select 1 from duckdb_tables() where schema_name = 'build' and table_name = '" ~ table ~ "'") %}
    {% if not found.rows %}{% do return(none) %}{% endif %}
    {% do return(run_query('select cast(day as string) from build.' ~ table ~ ' order by day').columns[0].values() | list) %}
{% endmacro %}

{# Whether the model's table has rows of an earlier build; in a unit test there is no table. #}
{% macro is_continued() %}{% do return(model.resource_type == 'model' and is_incremental()) %}{% endmacro %}

{# True for rows of days on which this build makes the model anew. #}
{% macro is_touched(day) %}
    {%- if is_continued() -%}{{ is_one_of_days(day, days_of_build(config.get('meta').get('days', 'touched_days'))) }}{%- else -%}true{%- endif -%}
{% endmacro %}

{# True for intervals that may reach into the days on which this build makes the model anew. #}
{% macro is_of_touched_time(starts_at, ends_at) %}
    {%- set days = days_of_build(config.get('meta').get('days', 'touched_days')) if is_continued() else none -%}
    {%- if days -%}
        {{ ends_at }} >= cast('{{ days[0] }}' as timestamp) and {{ starts_at }} <= cast('{{ days[-1] }} 23:59:59.999999' as timestamp)
    {%- else -%}
        true
    {%- endif -%}
{% endmacro %}

{# True for rows of days that a build reads: the touched ones, and what they need beside them. #}
{% macro is_read(day) %}
    {%- if is_continued() -%}{{ is_one_of_days(day, read_days()) }}{%- else -%}true{%- endif -%}
{% endmacro %}

{# Days that follow each other as one range, and all of them between the first and the last: DuckDB skips what lies
   outside of a range, and reads whatever may be in a list. #}
{% macro is_one_of_days(day, days) %}
    {%- if days is none -%}
        true
    {%- elif days -%}
        {%- set ranges = ranges_of_days(days) -%}
        ({{ day }} between cast('{{ days[0] }}' as date) and cast('{{ days[-1] }}' as date)
        {%- if ranges | length > 1 %} and (
            {%- for first, last in ranges -%}
                {{ day }} between cast('{{ first }}' as date) and cast('{{ last }}' as date){{ ' or ' if not loop.last }}
            {%- endfor -%}
        )
        {%- endif -%})
    {%- else -%}
        false
    {%- endif -%}
{% endmacro %}

{# Of days in order, as 'YYYY-MM-DD': the first and the last of those that follow each other. #}
{% macro ranges_of_days(days) %}
    {% set ranges = [] %}
    {% for day in days %}
        {% set day_before = (modules.datetime.date.fromisoformat(day) - modules.datetime.timedelta(days=1)).isoformat() %}
        {% if ranges and ranges[-1][1] == day_before %}
            {% do ranges.append([ranges.pop()[0], day]) %}
        {% else %}
            {% do ranges.append([day, day]) %}
        {% endif %}
    {% endfor %}
    {% do return(ranges) %}
{% endmacro %}

{# What a model's table has of the build before, as build.<name>. Called where the model's text begins: dbt compiles it
   before anything is made anew. Noted once a build: where a step of it is run again, the table is no longer as it was. #}
{% macro note_before(name, condition='true') %}
    {% if execute and model.resource_type == 'model' and touched_days() is not none %}
        {% do run_query('create table if not exists build.' ~ name ~ ' as select * from ' ~ this ~ ' where ' ~ condition) %}
    {% endif %}
{% endmacro %}

{% macro clear_touched_days() %}
    {%- set meta = config.get('meta', {}) -%}
    {%- if is_continued() and meta.get('day') -%}
        delete from {{ this }} where {{ is_touched(meta.day) }}
    {%- endif -%}
{% endmacro %}

{# Tests look at the rows of touched days, and once a week at all: dbt's own macro, which wraps whatever is tested. #}
{% macro default__get_where_subquery(relation) %}
    {%- set conditions = [config.get('where')] if config.get('where') else [] -%}
    {%- if execute -%}
        {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
            | selectattr('relation_name', 'equalto', relation | string) | list -%}
        {%- if nodes and nodes[0].config.materialized == 'incremental' and not tests_in_full() -%}
            {%- set meta = nodes[0].config.meta -%}
            {%- do conditions.append(is_one_of_days(meta.day, days_of_build(meta.get('days', 'touched_days')))) -%}
        {%- endif -%}
    {%- endif -%}
    {%- if conditions -%}
        {%- do return('(select * from ' ~ relation ~ ' where ' ~ conditions | join(' and ') ~ ') dbt_subquery') -%}
    {%- endif -%}
    {%- do return(relation) -%}
{% endmacro %}

{# True for rows that a test of several tables looks at: those of the days on which a model was made anew, or all. #}
{% macro is_tested(day, days='touched_days') %}
    {%- if execute and not tests_in_full() -%}{{ is_one_of_days(day, days_of_build(days)) }}{%- else -%}true{%- endif -%}
{% endmacro %}

{% macro tests_in_full() %}
    {% do return(touched_days() is none or run_query('select tests_in_full from build.this_build').columns[0].values()[0]) %}
{% endmacro %}
