{# Statistics of one group of runs, as SQL expressions over doubles. The formulas, with reasons, are in
   docs/how-numbers-are-computed.md; tests/warehouse/test_statistics.py holds each to scipy. #}

{# The standard normal's 95% point: a two-sided 90% interval. #}
{% macro normal_95() %}1.6448536269514722e0{% endmacro %}

{# Wilson's bounds of a share; runs is the effective number and need not be whole. Null without runs. #}
{% macro wilson_low(share, runs) %}
    greatest(0e0, {{ wilson_centre(share, runs) }} - {{ wilson_half_width(share, runs) }})
{% endmacro %}

{% macro wilson_high(share, runs) %}
    least(1e0, {{ wilson_centre(share, runs) }} + {{ wilson_half_width(share, runs) }})
{% endmacro %}

{% macro wilson_centre(share, runs) %}
    {%- set z = normal_95() -%}
    (({{ share }}) + {{ z }} * {{ z }} / (2e0 * nullif({{ runs }}, 0))) / (1e0 + {{ z }} * {{ z }} / nullif({{ runs }}, 0))
{%- endmacro %}

{% macro wilson_half_width(share, runs) %}
    {%- set z = normal_95() -%}
    ({{ z }} * sqrt(({{ share }}) * (1e0 - ({{ share }})) / nullif({{ runs }}, 0)
        + {{ z }} * {{ z }} / (4e0 * nullif({{ runs }}, 0) * nullif({{ runs }}, 0)))
        / (1e0 + {{ z }} * {{ z }} / nullif({{ runs }}, 0)))
{%- endmacro %}

{# Shannon entropy of pass and fail, in bits: 0 where all runs agree, 1 at one half. #}
{% macro entropy_bits(share) %}
    case
        when {{ share }} is null then null
        when {{ share }} <= 0 or {{ share }} >= 1 then 0e0
        else -({{ share }}) * log2({{ share }}) - (1e0 - ({{ share }})) * log2(1e0 - ({{ share }}))
    end
{% endmacro %}

{# The smallest failure rate that would have shown at least one failure in 95% of such windows. #}
{% macro min_detectable_rate(runs) %}
    1e0 - power(0.05e0, 1e0 / nullif({{ runs }}, 0))
{% endmacro %}

{# How many passes in a row rule this rate out at 95%. #}
{% macro clean_runs_to_clear(rate) %}
    case
        when {{ rate }} >= 0.95e0 then cast(1 as bigint)
        when {{ rate }} > 0 then cast(ceil(ln(0.05e0) / ln(1e0 - ({{ rate }}))) as bigint)
    end
{% endmacro %}

{# True where chance does not explain that every one of several attempts in a build failed;
   other_* are the test's attempts and failures outside this build. #}
{% macro is_solidly_failing(attempts, failures, other_attempts, other_failures) %}
    ({{ attempts }} >= 2
        and {{ failures }} = {{ attempts }}
        and power(
            case when {{ other_attempts }} = 0 then 1e0 else cast({{ other_failures }} as double) / nullif({{ other_attempts }}, 0) end,
            {{ attempts }}
        ) < {{ var('solid_failure_chance') }})
{% endmacro %}

{# Intra-class correlation of pass and fail between groups (analysis of variance), 0 to 1.
   sum_squared_runs is the sum over groups of runs squared; within is the sum over groups of f * (1 - f / n). #}
{% macro intra_class_correlation(groups, runs, failures, sum_squared_runs, between, within) %}
    {%- set mean_square_between -%} (({{ between }}) / nullif({{ groups }} - 1, 0)) {%- endset -%}
    {%- set mean_square_within -%} (({{ within }}) / nullif({{ runs }} - {{ groups }}, 0)) {%- endset -%}
    {%- set typical_size -%}
        (({{ runs }} - cast({{ sum_squared_runs }} as double) / nullif({{ runs }}, 0)) / nullif({{ groups }} - 1, 0))
    {%- endset -%}
    greatest(0e0, least(1e0, coalesce(
        ({{ mean_square_between }} - {{ mean_square_within }})
            / nullif({{ mean_square_between }} + ({{ typical_size }} - 1) * {{ mean_square_within }}, 0),
        0e0)))
{% endmacro %}

{# How many dependent runs weigh as much as one independent run; 1 where nothing speaks for dependence. #}
{% macro design_effect(groups, runs, failures, sum_squared_runs, between, within) %}
    {%- set z = normal_95() -%}
    {%- set correlation = intra_class_correlation(groups, runs, failures, sum_squared_runs, between, within) -%}
    case
        when {{ failures }} = 0 or {{ groups }} < 2 or {{ runs }} = {{ groups }} or {{ correlation }} <= 0 then 1e0
        else (1e0 + (cast({{ sum_squared_runs }} as double) / {{ runs }} - 1) * {{ correlation }})
            * power(1e0 + ({{ z }} * {{ z }} + 1) / (4e0 * nullif({{ groups }} - 1, 0)), 2)
    end
{% endmacro %}

{# Natural logarithm of the ratio of two neighbouring binomial probabilities, P(successes) / P(successes - 1). #}
{% macro ln_binomial_step(trials, chance, successes) %}
    ln(({{ trials }} - {{ successes }} + 1) * ({{ chance }}) / ({{ successes }} * (1e0 - ({{ chance }}))))
{% endmacro %}

{# Benjamini-Hochberg's q of each row's p_value, over every row of the relation. #}
{% macro benjamini_hochberg(p_value) %}
    least(1e0, min({{ p_value }} * tests / p_rank) over (
        order by p_rank desc rows between unbounded preceding and current row
    ))
{% endmacro %}

{# Fisher's one-sided exact test of each row of a CTE, as further CTEs; the last one is `fisher_tails`, with `test_id`
   and `p_value`: how likely the sample would have at least so many of all failures, did it fail like the base.
   The CTE has one row per `test_id` with `sample_runs, sample_failures, base_runs, base_failures`.
   Weights of the hypergeometric distribution follow from their ratios, and are scaled by the largest of a test. #}
{% macro fisher_tails(cases) %}
fisher_tables as (
    select
        test_id,
        sample_failures,
        sample_runs,
        sample_failures + base_failures as failures,
        sample_runs + base_runs as runs,
        greatest(0, sample_failures - (base_runs - base_failures)) as fewest,
        least(sample_runs, sample_failures + base_failures) as most
    from {{ cases }}
),

fisher_ranges as (
    select
        *,
        {{ int_range('fewest', 'most') }} as possible
    from fisher_tables
),

fisher_steps as (
    select
        fisher_ranges.test_id,
        fisher_ranges.sample_failures,
        fisher_ranges.sample_runs,
        fisher_ranges.failures,
        fisher_ranges.runs,
        fisher_ranges.fewest,
        u.x
    from fisher_ranges, lateral unnest(fisher_ranges.possible) as u(x)
),

fisher_weights as (
    select
        test_id,
        sample_failures,
        x,
        sum({{ ln_hypergeometric_step('sample_runs', 'failures', 'runs', 'fewest', 'x') }}) over (
            partition by test_id order by x rows between unbounded preceding and current row
        ) as ln_weight
    from fisher_steps
),

fisher_scaled as (
    select
        test_id,
        sample_failures,
        x,
        exp(ln_weight - max(ln_weight) over (partition by test_id)) as weight
    from fisher_weights
),

fisher_tails as (
    select
        test_id,
        least(1e0, sum(case when x >= sample_failures then weight else 0e0 end) / sum(weight)) as p_value
    from fisher_scaled
    group by test_id
)
{%- endmacro %}

{# Natural logarithm of the ratio of two neighbouring hypergeometric probabilities, P(x) / P(x - 1), of x failures in
   the sample; 0 for the fewest that there can be. #}
{% macro ln_hypergeometric_step(sample_runs, failures, runs, fewest, x) %}
    case
        when {{ x }} = {{ fewest }} then 0e0
        else ln(
            cast({{ failures }} - {{ x }} + 1 as double) * ({{ sample_runs }} - {{ x }} + 1)
                / (cast({{ x }} as double) * ({{ runs }} - {{ failures }} - {{ sample_runs }} + {{ x }}))
        )
    end
{%- endmacro %}
