with templates as (
    select * from {{ ref('int_failure_templates') }}
    where failure_id is not null
),

newest as (
    select
        message,
        failure_id
    from templates
    where algorithm_version = '{{ failure_text_version() }}'
),

paired as (
    select
        templates.algorithm_version,
        templates.failure_id as versioned_failure_id,
        newest.failure_id,
        count(*) as texts
    from templates
    inner join newest on templates.message = newest.message
    group by templates.algorithm_version, templates.failure_id, newest.failure_id
)

select * from paired
