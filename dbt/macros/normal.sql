{# How likely a standard normal number exceeds z, a column or parameter: Hart's rational approximation (1968, algorithm
   5666) within 7.07 standard deviations, a continued fraction beyond. #}
{% macro normal_upper_tail(z) %}
    {%- set size = 'abs(' ~ z ~ ')' -%}
    {%- set tail %}
        case
            when {{ size }} < 7.07106781186547e0 then exp(-{{ z }} * {{ z }} / 2)
                * {{ polynomial(size, [
                    '3.52624965998911e-2', '7.00383064443688e-1', '6.37396220353165e0', '3.3912866078383e1',
                    '1.12079291497871e2', '2.21213596169931e2', '2.20206867912376e2',
                ]) }}
                / {{ polynomial(size, [
                    '8.83883476483184e-2', '1.75566716318264e0', '1.6064177579207e1', '8.67807322029461e1',
                    '2.96564248779674e2', '6.37333633378831e2', '7.93826512519948e2', '4.40413735824752e2',
                ]) }}
            else exp(-{{ z }} * {{ z }} / 2) / 2.506628274631001e0
                / ({{ size }} + 1 / ({{ size }} + 2 / ({{ size }} + 3 / ({{ size }} + 4 / ({{ size }} + 0.65e0)))))
        end
    {%- endset -%}
    case when {{ z }} < 0 then 1e0 - {{ tail }} else {{ tail }} end
{% endmacro %}

{# Horner's scheme, from the highest power's coefficient down. #}
{% macro polynomial(x, coefficients) -%}
    {%- set sum = namespace(sql=coefficients[0]) -%}
    {%- for coefficient in coefficients[1:] -%}
        {%- set sum.sql = '(' ~ sum.sql ~ ' * ' ~ x ~ ' + ' ~ coefficient ~ ')' -%}
    {%- endfor -%}
    {{ sum.sql }}
{%- endmacro %}

{# Student's t as the normal number that is as rare (Wallace 1959): right to 0.04 from four degrees of freedom on, to 0.005 from 30. #}
{% macro normal_of_student(t, degrees_of_freedom) -%}
    (sign({{ t }}) * sqrt({{ degrees_of_freedom }} * ln(1e0 + ({{ t }}) * ({{ t }}) / nullif({{ degrees_of_freedom }}, 0)))
        * (8e0 * {{ degrees_of_freedom }} + 1) / (8e0 * {{ degrees_of_freedom }} + 3))
{%- endmacro %}
