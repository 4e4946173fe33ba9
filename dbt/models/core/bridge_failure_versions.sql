{{ config(materialized='incremental', meta={'day': 'run_started_date'}) }}

with messages as (
    select * from {{ ref('fct_failure_messages') }}
    where {{ is_touched('run_started_date') }}
),

templates as (
    select * from {{ ref('int_failure_templates') }}
    where failure_id is not null
),

paired as (
    select
        messages.run_started_date,
        templates.algorithm_version,
        templates.failure_id as versioned_failure_id,
        messages.failure_id,
        count(*) as messages
    from messages
    inner join templates on messages.message = templates.message
    group by messages.run_started_date, templates.algorithm_version, templates.failure_id, messages.failure_id
)

select * from paired
