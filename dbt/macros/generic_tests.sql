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
