{# Days on which fct_counted_runs is made anew: the touched ones; those of every build that has, or had, runs on them;
   and those on which a test and variant that has, or had, runs on them ran next. To judge their runs, the days of all
   builds on these days are read. Both kept as tables: build.counted_days and build.counted_read_days. Called where the
   model's text begins: dbt compiles it before its pre-hook clears what is made anew. #}
{% macro note_counted_days() %}
    {% if not (execute and is_continued()) %}{% do return('') %}{% endif %}
    {% set touched = touched_days() %}
    {% if touched is none %}{% do return('') %}{% endif %}
    {% do run_query("
        create table if not exists build.counted_days as
        with before as (select * from " ~ this ~ " where " ~ is_one_of_days('started_date', touched) ~ "),
        builds as (
            select build_key as build_id from before
            union
            select build_id from core.fct_build_days where " ~ is_one_of_days('date', touched) ~ "
        ),
        variants as (
            select test_id, variant_id, started_date as date from before
            union
            select test_id, variant_id, date from core.fct_result_days where " ~ is_one_of_days('date', touched) ~ "
        ),
        next_days as (
            select min(results.date) as day
            from variants
            inner join core.fct_result_days as results
                on variants.test_id = results.test_id
                and variants.variant_id = results.variant_id
                and variants.date < results.date
            group by variants.test_id, variants.variant_id, variants.date
        )
        select day from build.touched_days
        union
        select date as day from core.fct_build_days where build_id in (select build_id from builds)
        union
        select day from next_days
    ") %}
    {% do run_query("
        create table if not exists build.counted_read_days as
        select day from build.counted_days
        union
        select other_days.date as day
        from core.fct_build_days as days
        inner join core.fct_build_days as other_days on days.build_id = other_days.build_id
        where days.date in (select day from build.counted_days)
    ") %}
{% endmacro %}

{% macro is_one_of_counted_read_days(day) %}
    {%- if is_continued() -%}{{ is_one_of_days(day, days_of_build('counted_read_days')) }}{%- else -%}true{%- endif -%}
{% endmacro %}
