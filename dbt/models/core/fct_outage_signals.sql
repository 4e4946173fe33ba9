{{ config(materialized='incremental', meta={'day': 'outage_date'}) }}

{# A day is reckoned by itself, from the signals of its own and of the last minutes before it, so that an incremental
   build need not read further back. #}
{% set gap = "interval '" ~ var('outage_gap_minutes') ~ " minutes'" %}

with test_runs as (
    select * from {{ ref('int_test_runs') }}
    where not is_manual_session
),

failures as (
    select * from {{ ref('fct_failures') }}
    where {{ is_read('started_date') }}
),

platforms as (
    select * from {{ ref('int_perfecto_platforms') }}
),

device_states as (
    select * from {{ ref('fct_device_states') }}
    where {{ is_read('date') }}
),

observations as (
    select * from {{ ref('int_device_observations') }}
),

places as (
    select distinct
        test_run_id,
        device_id,
        location
    from platforms
),

-- Signs of trouble (signals) and of health (recoveries), with the device and location that they speak of.
signs as (
    select
        test_runs.connection,
        case when test_runs.run_status = 'blocked' then 'blocked_run' else 'lab_failure' end as signal_kind,
        false as is_recovery,
        test_runs.started_at as happened_at,
        test_runs.test_run_id,
        test_runs.test_id,
        places.device_id,
        places.location
    from test_runs
    inner join failures on test_runs.test_run_id = failures.test_run_id
    left join places on test_runs.test_run_id = places.test_run_id
    where failures.is_lab_failure
    union all
    select
        test_runs.connection,
        cast(null as string) as signal_kind,
        true as is_recovery,
        test_runs.started_at as happened_at,
        test_runs.test_run_id,
        test_runs.test_id,
        places.device_id,
        places.location
    from test_runs
    left join places on test_runs.test_run_id = places.test_run_id
    where test_runs.run_status = 'passed'
    union all
    select
        device_states.connection,
        case when device_states.device_state <> 'connected' then 'device_state' end as signal_kind,
        device_states.device_state = 'connected' as is_recovery,
        device_states.started_at as happened_at,
        cast(null as string) as test_run_id,
        cast(null as string) as test_id,
        device_states.device_id,
        observations.location
    from device_states
    inner join observations
        on device_states.connection = observations.connection
        and device_states.device_id = observations.device_id
        and device_states.started_at = observations.first_observed_at
    where (
        device_states.device_state in ('not_connected', 'error')
        and device_states.previous_device_state not in ('not_connected', 'error')
    ) or (device_states.device_state = 'connected' and device_states.previous_device_state <> 'connected')
),

scoped as (
    select *, 'device' as scope, device_id as scope_id from signs where device_id is not null
    union all
    select *, 'location' as scope, location as scope_id from signs where location is not null
    union all
    select *, 'connection' as scope, connection as scope_id from signs
),

dated as (
    select *, cast(happened_at as date) as outage_date from scoped
    union all
    select *, cast(happened_at as date) + 1 as outage_date
    from scoped
    where happened_at + {{ gap }} >= cast(cast(happened_at as date) + 1 as timestamp)
),

troubled_days as (
    select distinct connection, scope, scope_id, outage_date
    from dated
    where not is_recovery
),

in_order as (
    select
        dated.*,
        max(case when not dated.is_recovery then dated.happened_at end) over before as previous_signal_at,
        max(case when dated.is_recovery then dated.happened_at end) over before as previous_recovery_at
    from dated
    inner join troubled_days
        on dated.connection = troubled_days.connection
        and dated.scope = troubled_days.scope
        and dated.scope_id = troubled_days.scope_id
        and dated.outage_date = troubled_days.outage_date
    window before as (
        partition by dated.connection, dated.scope, dated.scope_id, dated.outage_date
        order by dated.happened_at, dated.is_recovery, dated.test_run_id, dated.device_id
        rows between unbounded preceding and 1 preceding
    )
),

numbered as (
    select
        *,
        sum(
            case
                when is_recovery then 0
                when previous_signal_at + {{ gap }} >= happened_at
                    and (previous_recovery_at < previous_signal_at or previous_recovery_at is null) then 0
                else 1
            end
        ) over (
            partition by connection, scope, scope_id, outage_date
            order by happened_at, is_recovery, test_run_id, device_id
            rows between unbounded preceding and current row
        ) as chain
    from in_order
),

chained as (
    select
        *,
        min(case when not is_recovery then happened_at end) over chain as chain_started_at,
        max(case when not is_recovery then happened_at end) over chain as last_signal_at,
        max(case when not is_recovery then previous_recovery_at end) over chain as recovered_before_at,
        min(case when is_recovery then happened_at end) over chain as recovered_at
    from numbered
    where chain > 0
    window chain as (partition by connection, scope, scope_id, outage_date, chain)
)

select
    md5(concat_ws(
        '|', connection, scope, scope_id, cast(outage_date as string), cast({{ epoch_us('chain_started_at') }} as string)
    )) as chain_id,
    connection,
    scope,
    scope_id,
    outage_date,
    coalesce(test_run_id, concat_ws('|', device_id, cast({{ epoch_us('happened_at') }} as string))) as signal_id,
    signal_kind,
    happened_at,
    test_run_id,
    test_id,
    device_id,
    location,
    chain_started_at,
    greatest(
        chain_started_at - {{ gap }},
        coalesce(recovered_before_at, chain_started_at - {{ gap }})
    ) as chain_reaches_back_to,
    least(
        last_signal_at + {{ gap }},
        coalesce(recovered_at, last_signal_at + {{ gap }}),
        cast(outage_date + 1 as timestamp)
    ) as chain_ended_at
from chained
where not is_recovery
    and last_signal_at >= cast(outage_date as timestamp)
    and {{ is_touched('outage_date') }}
