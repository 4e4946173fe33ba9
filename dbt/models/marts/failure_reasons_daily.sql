with messages as (
    select
        messages.failure_id,
        cast(messages.occurred_at as date) as date,
        messages.test_run_id,
        messages.command_key,
        test_runs.test_id,
        test_runs.device_id
    from {{ ref('fct_failure_messages') }} as messages
    inner join {{ ref('fct_test_runs') }} as test_runs on messages.test_run_id = test_runs.test_run_id
)

select
    failure_id,
    date,
    count(*) filter (where command_key is null) as occurrences,
    count(*) filter (where command_key is not null) as command_occurrences,
    count(distinct case when command_key is null then test_id end) as tests,
    count(distinct case when command_key is null then device_id end) as devices
from messages
group by failure_id, date
