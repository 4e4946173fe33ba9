with days as (
    select
        days.*,
        days.date > connections.last_run_date - {{ var('regression_sample_days') }} as is_sample
    from {{ ref('fct_test_days') }} as days
    inner join {{ ref('dim_connections') }} as connections
        on days.source_name = connections.source_name
        and days.connection = connections.connection
        and days.date > connections.last_run_date - {{ var('regression_sample_days') + var('regression_base_days') }}
),

tests as (
    select * from {{ ref('dim_tests') }}
),

changes as (
    select * from {{ ref('fct_test_changes') }}
),

counted as (
    select
        test_id,
        min(date) as first_date,
        cast(sum(case when is_sample then 0 else runs end) as bigint) as base_runs,
        cast(sum(case when is_sample then 0 else failures end) as bigint) as base_failures,
        cast(sum(case when is_sample then runs else 0 end) as bigint) as sample_runs,
        cast(sum(case when is_sample then failures else 0 end) as bigint) as sample_failures
    from days
    group by test_id
),

{{ fisher_tails('counted') }},

ranked as (
    select
        counted.*,
        fisher_tails.p_value,
        row_number() over (order by fisher_tails.p_value, counted.test_id) as p_rank,
        count(*) over () as tests
    from counted
    inner join fisher_tails on counted.test_id = fisher_tails.test_id
),

judged as (
    select
        *,
        {{ benjamini_hochberg('p_value') }} as q_value
    from ranked
)

select
    tests.source_name,
    tests.connection,
    tests.project_name,
    tests.test_name,
    judged.test_id,
    judged.base_runs,
    judged.base_failures,
    cast(judged.base_failures as double) / nullif(judged.base_runs, 0) as base_rate,
    judged.sample_runs,
    judged.sample_failures,
    cast(judged.sample_failures as double) / nullif(judged.sample_runs, 0) as sample_rate,
    judged.p_value,
    judged.q_value,
    judged.q_value < {{ var('regression_q') }} as is_regression,
    changes.changed_after,
    changes.changed_before
from judged
inner join tests on judged.test_id = tests.test_id
left join changes
    on judged.test_id = changes.test_id
    and changes.is_worse
    and cast(changes.started_at as date) > judged.first_date
