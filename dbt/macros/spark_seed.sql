{# dbt-spark pastes seed values between quotes: an apostrophe breaks the statement and null becomes 'None'.
   Here every value is a literal, cast to the column's declared type. #}
{% macro spark__load_csv_rows(model, agate_table) %}
    {% set types = model.config.get('column_types', {}) %}
    {% for batch in agate_table.rows | batch(1000) %}
        {% set rows = [] %}
        {% for row in batch %}
            {% set literals = [] %}
            {% for column in agate_table.column_names %}
                {% set value = row[column] %}
                {% set literal = 'null' if value is none else "'" ~ (value | string | replace('\\', '\\\\') | replace("'", "\\'")) ~ "'" %}
                {% do literals.append('cast(' ~ literal ~ ' as ' ~ types.get(column, 'string') ~ ')') %}
            {% endfor %}
            {% do rows.append('(' ~ literals | join(', ') ~ ')') %}
        {% endfor %}
        {% do adapter.add_query('insert into ' ~ this ~ ' values ' ~ rows | join(', '), abridge_sql_log=true) %}
    {% endfor %}
    {{ return('') }}
{% endmacro %}
