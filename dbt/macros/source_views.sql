{# One view per declared source table: <source>.<table> over <root>/<source>/<table>, where the root of the
   source `derived` is var('derived') (and its tables lie directly in it), and of every other var('lake').
   A table without any file is left out. Of a table whose readers keep what they made of other days (meta by_day)
   only the days are listed that the build has to read: what it reads does not grow with history. #}
{% macro create_source_views() %}
    {% if execute %}
        {% for source in graph.sources.values() if source_path(source) and is_written_before(source) %}
            {% set path = source_path(source) %}
            {% if lake_has_files(path) %}
                {% set relation = api.Relation.create(database=source.database, schema=source.schema, identifier=source.identifier) %}
                {% do run_query('create schema if not exists ' ~ relation.without_identifier()) %}
                {% do run_query('create or replace view ' ~ relation ~ ' as select * from ' ~ lake_files(path, read_folders(source))) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# False for a table that a Python asset is yet to write: none of the selected models reads it. #}
{% macro is_written_before(source) %}
    {% if source.source_name != 'derived' %}{% do return(true) %}{% endif %}
    {% for name in selected_resources if source.unique_id in graph.nodes.get(name, {}).get('depends_on', {}).get('nodes', []) %}
        {% do return(true) %}
    {% endfor %}
    {% do return(false) %}
{% endmacro %}

{# Where a source table's files lie; none where the root is not set. #}
{% macro source_path(source) %}
    {% if source.source_name == 'derived' %}
        {% do return(var('derived') ~ '/' ~ source.identifier if var('derived') else none) %}
    {% endif %}
    {% do return(var('lake') ~ '/' ~ source.source_name ~ '/' ~ source.identifier if var('lake') else none) %}
{% endmacro %}

{# `connection=<name>/dt=<day>` of the source table's partitions that this build reads; none where it reads all. #}
{% macro read_folders(source) %}
    {% set days = read_days() if source.meta.by_day else none %}
    {% if days is none %}{% do return(none) %}{% endif %}
    {% do return(run_query(
        "select 'connection=' || connection || '/dt=' || cast(dt as string) from build.lake_partitions where source_name = '"
        ~ source.source_name ~ "' and table_name = '" ~ source.identifier ~ "' and "
        ~ is_one_of_days('dt', ['1970-01-01'] + days) ~ " order by connection, dt"
    ).columns[0].values() | list) %}
{% endmacro %}

{% macro lake_files(path, folders=none) %}{{ return(adapter.dispatch('lake_files')(path, folders)) }}{% endmacro %}

{% macro duckdb__lake_files(path, folders) %}
    {% set globs = [] %}
    {% for folder in (['**'] if folders is none else folders) %}
        {% do globs.append("'" ~ ((path ~ '/' ~ folder) | replace("'", "''")) ~ "/*.parquet'") %}
    {% endfor %}
    {% do return('read_parquet([' ~ globs | join(', ') ~ '], hive_partitioning = true, hive_types_autocast = false, union_by_name = true)') %}
{% endmacro %}

{% macro spark__lake_files(path, folders) %}
    {% do return('parquet.`' ~ path ~ '`') %}
{% endmacro %}

{% macro lake_has_files(path) %}{{ return(adapter.dispatch('lake_has_files')(path)) }}{% endmacro %}

{% macro duckdb__lake_has_files(path) %}
    {% set glob = "'" ~ (path | replace("'", "''")) ~ "/**/*.parquet'" %}
    {% do return(run_query('select 1 from glob(' ~ glob ~ ') limit 1').rows | length > 0) %}
{% endmacro %}

{# Spark SQL cannot list files: every table of the lake holds at least its zero-row schema file. #}
{% macro spark__lake_has_files(path) %}{% do return(true) %}{% endmacro %}
