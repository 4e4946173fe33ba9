{{ config(materialized='incremental', meta={'day': 'outage_date'}) }}

with signals as (
    select * from {{ ref('fct_outage_signals') }}
    where {{ is_touched('outage_date') }}
),

chains as (
    select
        chain_id,
        connection,
        scope,
        scope_id,
        outage_date,
        chain_started_at,
        chain_ended_at,
        count(distinct signal_id) as signals,
        count(distinct case when signal_kind = 'blocked_run' then signal_id end) as blocked_runs,
        count(distinct case when signal_kind = 'lab_failure' then signal_id end) as lab_failures,
        count(distinct case when signal_kind = 'device_state' then signal_id end) as device_states,
        count(distinct device_id) as devices,
        count(distinct test_id) as tests
    from signals
    group by chain_id, connection, scope, scope_id, outage_date, chain_started_at, chain_ended_at
),

-- Where most signals come from one device, or from one location with enough devices, that is out and not the connection.
explained_by_one_place as (
    select signals.chain_id
    from signals
    inner join chains on signals.chain_id = chains.chain_id
    where signals.scope = 'connection' and signals.device_id is not null
    group by signals.chain_id, signals.device_id, chains.signals
    having count(distinct signals.signal_id) * 2 > chains.signals
    union
    select signals.chain_id
    from signals
    inner join chains on signals.chain_id = chains.chain_id
    where signals.scope = 'connection' and signals.location is not null
    group by signals.chain_id, signals.location, chains.signals
    having count(distinct signals.signal_id) * 2 > chains.signals
        and count(distinct signals.device_id) >= {{ var('outage_location_devices') }}
),

connection_outages as (
    select chains.*
    from chains
    left join explained_by_one_place on chains.chain_id = explained_by_one_place.chain_id
    where chains.scope = 'connection'
        and (chains.devices >= {{ var('outage_connection_spread') }} or chains.tests >= {{ var('outage_connection_spread') }})
        and explained_by_one_place.chain_id is null
),

-- A narrower outage needs enough signals outside the wider ones.
outside_connection_outages as (
    select signals.*
    from signals
    left join connection_outages
        on signals.connection = connection_outages.connection
        and signals.outage_date = connection_outages.outage_date
        and signals.happened_at between connection_outages.chain_started_at and connection_outages.chain_ended_at
    where connection_outages.chain_id is null
),

location_outages as (
    select
        chain_id,
        connection,
        scope_id,
        outage_date,
        chain_started_at,
        chain_ended_at
    from outside_connection_outages
    where scope = 'location'
    group by chain_id, connection, scope_id, outage_date, chain_started_at, chain_ended_at
    having count(distinct device_id) >= {{ var('outage_location_devices') }}
),

device_outages as (
    select outside_connection_outages.chain_id
    from outside_connection_outages
    left join location_outages
        on outside_connection_outages.connection = location_outages.connection
        and outside_connection_outages.location = location_outages.scope_id
        and outside_connection_outages.outage_date = location_outages.outage_date
        and outside_connection_outages.happened_at
            between location_outages.chain_started_at and location_outages.chain_ended_at
    where outside_connection_outages.scope = 'device' and location_outages.chain_id is null
    group by outside_connection_outages.chain_id
    having count(distinct outside_connection_outages.signal_id) >= {{ var('outage_device_signals') }}
),

found as (
    select chain_id from connection_outages
    union all
    select chain_id from location_outages
    union all
    select chain_id from device_outages
)

select
    chains.chain_id as outage_id,
    chains.connection,
    chains.scope,
    chains.scope_id,
    chains.outage_date,
    greatest(chains.chain_started_at, cast(chains.outage_date as timestamp)) as started_at,
    chains.chain_ended_at as ended_at,
    chains.chain_started_at < cast(chains.outage_date as timestamp) as is_continued,
    chains.signals,
    chains.blocked_runs,
    chains.lab_failures,
    chains.device_states,
    chains.devices,
    chains.tests
from chains
inner join found on chains.chain_id = found.chain_id
