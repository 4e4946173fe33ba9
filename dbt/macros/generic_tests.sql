{# The columns together identify a row; none is null, unless named as nullable. #}
{% test primary_key(model, columns, nullable=[]) %}
    select {{ columns | join(', ') }}, count(*) as row_count
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
    {%- for column in columns if column not in nullable %} or {{ column }} is null{% endfor %}
{% endtest %}

{# Row by row the addends make the total, but for the rounding of doubles. #}
{% test sums_to(model, addends, total, tolerance=0.000001) %}
    select *
    from {{ model }}
    where abs({{ addends | join(' + ') }} - {{ total }}) > {{ tolerance }}
        or {{ total }} is null
        {%- for addend in addends %} or {{ addend }} is null{% endfor %}
{% endtest %}

{# Values lie between the bounds, both included; null is allowed. #}
{% test accepted_range(model, column_name, min_value=none, max_value=none) %}
    select {{ column_name }}
    from {{ model }}
    where false
        {%- if min_value is not none %} or {{ column_name }} < {{ min_value }}{% endif %}
        {%- if max_value is not none %} or {{ column_name }} > {{ max_value }}{% endif %}
{% endtest %}

{# dbt's own, but that of the other table, too, only the rows of touched days are read: both are of the same days. #}
{% macro default__test_relationships(model, column_name, to, field) %}
    with child as (select {{ column_name }} as id from {{ model }}),
    parent as (select {{ field }} as id from {{ get_where_subquery(to) }})

    select child.id
    from child
    left join parent on child.id = parent.id
    where child.id is not null and parent.id is null
{% endmacro %}
