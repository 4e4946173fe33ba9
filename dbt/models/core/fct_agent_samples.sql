{{ config(materialized='incremental', meta={'day': 'observed_date'}) }}

with agents as (
    select * from {{ ref('stg_hcl_test_server__agents') }}
),

samples as (
    select
        connection,
        agent_id,
        observed_at,
        cast(observed_at as date) as observed_date,
        host_name,
        operating_system,
        lower(agent_state) as agent_state,
        coalesce(lower(agent_state) = 'busy', false) as is_busy,
        coalesce(lower(agent_state) = 'lost', false) as is_lost,
        cast(active_engines as bigint) as active_engines,
        last_contact_at,
        interval_seconds
    from agents
    where {{ is_within_as_of('cast(observed_at as date)') }}
)

select * from samples
where {{ is_touched('observed_date') }}
