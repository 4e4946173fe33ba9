with last_days as (
    select source_name, connection, max(started_date) as last_run_date
    from {{ ref('fct_test_runs') }}
    where not is_manual_session and {{ is_within_as_of('started_date') }}
    group by source_name, connection
)

select
    source_name,
    connection,
    {{ dbt.dateadd('day', 1 - var('window_days'), 'last_run_date') }} as window_start,
    last_run_date as window_end
from last_days
where last_run_date is not null
