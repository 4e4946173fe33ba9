{# Everything that DuckDB and Spark spell differently, the lake's files apart. #}

{# Microseconds since 1970-01-01, as bigint. #}
{% macro epoch_us(moment) %}{{ return(adapter.dispatch('epoch_us')(moment)) }}{% endmacro %}
{% macro duckdb__epoch_us(moment) %}epoch_us({{ moment }}){% endmacro %}
{% macro spark__epoch_us(moment) %}unix_micros(cast({{ moment }} as timestamp_ltz)){% endmacro %}

{# The UTC timestamp (without zone) that many microseconds after 1970-01-01. #}
{% macro timestamp_from_us(microseconds) %}{{ return(adapter.dispatch('timestamp_from_us')(microseconds)) }}{% endmacro %}
{% macro duckdb__timestamp_from_us(microseconds) %}make_timestamp({{ microseconds }}){% endmacro %}
{% macro spark__timestamp_from_us(microseconds) %}cast(timestamp_micros({{ microseconds }}) as timestamp){% endmacro %}

{# A list of the integers from first to last, both included; last must not be below first. #}
{% macro int_range(first, last) %}{{ return(adapter.dispatch('int_range')(first, last)) }}{% endmacro %}
{% macro duckdb__int_range(first, last) %}generate_series({{ first }}, {{ last }}){% endmacro %}
{% macro spark__int_range(first, last) %}sequence({{ first }}, {{ last }}){% endmacro %}

{# Every match replaced; pattern and replacement are plain text without quotes, no back-references. #}
{% macro regexp_replace_all(text, pattern, replacement) %}{{ return(adapter.dispatch('regexp_replace_all')(text, pattern, replacement)) }}{% endmacro %}
{% macro duckdb__regexp_replace_all(text, pattern, replacement) %}regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement }}', 'g'){% endmacro %}
{% macro spark__regexp_replace_all(text, pattern, replacement) %}regexp_replace({{ text }}, r'{{ pattern }}', '{{ replacement }}'){% endmacro %}

{# A list of strings as one text, its members separated by commas. #}
{% macro list_text(list) %}{{ return(adapter.dispatch('list_text')(list)) }}{% endmacro %}
{% macro duckdb__list_text(list) %}array_to_string({{ list }}, ','){% endmacro %}
{% macro spark__list_text(list) %}array_join({{ list }}, ','){% endmacro %}
