{# Rows are tests whose days of the window do not add up to the window's row. #}
with daily as (
    select
        tests.test_id,
        sum(days.runs) as runs,
        sum(days.failures) as failures,
        sum(days.mixed_builds) as mixed_builds,
        sum(days.flips) as flips,
        sum(days.comparisons) as comparisons
    from {{ ref('test_flakiness') }} as tests
    left join {{ ref('test_flakiness_daily') }} as days
        on tests.test_id = days.test_id
        and days.date between tests.window_start and tests.window_end
    group by tests.test_id
)

select tests.test_id
from {{ ref('test_flakiness') }} as tests
inner join daily on tests.test_id = daily.test_id
where tests.runs is distinct from daily.runs
    or tests.failures is distinct from daily.failures
    or tests.mixed_builds is distinct from daily.mixed_builds
    or tests.flips is distinct from daily.flips
    or tests.comparisons is distinct from daily.comparisons
