{# Rows are flaky tests whose evidence does not hold what their state rests on. #}
with evidence as (
    select
        test_id,
        count(case when role = 'first disagreement in a build' then 1 end) as first_disagreements,
        count(case when role = 'return to pass' then 1 end) as returns
    from {{ ref('test_flakiness_evidence') }}
    group by test_id
)

select tests.test_id
from {{ ref('test_flakiness') }} as tests
left join evidence on tests.test_id = evidence.test_id
where (tests.evidence = 'mixed_builds' and evidence.first_disagreements is distinct from tests.proven_builds)
    or (tests.evidence = 'alternation' and not coalesce(evidence.returns >= {{ var('alternation_returns') }}, false))
