with segments as (
    select * from {{ ref('fct_test_segments') }}
),

changes as (
    select
        newest.test_id,
        newest.segment,
        newest.started_at,
        newest.changed_after,
        newest.changed_before,
        previous.started_at as previous_started_at,
        previous.runs as base_runs,
        previous.failures as base_failures,
        newest.runs as sample_runs,
        newest.failures as sample_failures
    from segments as newest
    inner join segments as previous
        on newest.test_id = previous.test_id and newest.segment = previous.segment + 1
    where newest.is_last
),

{{ fisher_tails('changes') }},

measured as (
    select
        changes.*,
        cast(changes.base_failures as double) / changes.base_runs as base_rate,
        fisher_tails.p_value,
        row_number() over (order by fisher_tails.p_value, changes.test_id) as p_rank,
        count(*) over () as tests
    from changes
    inner join fisher_tails on changes.test_id = fisher_tails.test_id
),

judged as (
    select
        *,
        {{ clean_runs_to_clear('base_rate') }} as clean_runs_to_clear,
        {{ benjamini_hochberg('p_value') }} as q_value
    from measured
)

select
    test_id,
    segment,
    started_at,
    changed_after,
    changed_before,
    previous_started_at,
    base_runs,
    base_failures,
    sample_runs,
    sample_failures,
    clean_runs_to_clear,
    p_value,
    q_value,
    q_value < {{ var('regressed_q') }} as is_worse,
    sample_failures = 0 and coalesce(sample_runs >= clean_runs_to_clear, false) as is_clear
from judged
