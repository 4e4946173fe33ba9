with days as (
    select * from {{ ref('fct_failure_days') }}
),

daily as (
    select
        failure_id,
        date,
        cast(sum(case when is_of_a_command then 0 else occurrences end) as bigint) as occurrences,
        cast(sum(case when is_of_a_command then occurrences else 0 end) as bigint) as command_occurrences,
        count(distinct case when not is_of_a_command then test_id end) as tests,
        count(distinct case when not is_of_a_command then device_id end) as devices
    from days
    group by failure_id, date
)

select * from daily
