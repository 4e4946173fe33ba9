{{ config(materialized='incremental', meta={'day': 'date'}) }}

with samples as (
    select * from {{ ref('fct_agent_samples') }}
    where {{ is_touched('observed_date') }}
),

counted as (
    select
        connection,
        agent_id,
        observed_date as date,
        max_by(host_name, observed_at) filter (where host_name is not null) as host_name,
        count(*) as samples,
        cast(sum(case when is_busy then 1 else 0 end) as bigint) as busy_samples,
        cast(sum(case when is_lost then 1 else 0 end) as bigint) as lost_samples
    from samples
    group by connection, agent_id, observed_date
),

utilization as (
    select
        connection,
        agent_id,
        date,
        host_name,
        samples,
        busy_samples,
        lost_samples,
        busy_samples / nullif(cast(samples - lost_samples as double), 0e0) as busy_ratio,
        lost_samples / cast(samples as double) as lost_ratio
    from counted
)

select * from utilization
