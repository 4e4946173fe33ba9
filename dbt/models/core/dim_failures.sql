{% do note_before('failures_before') %}
with messages as (
    select * from {{ ref('fct_failure_message_days') }}
),

families as (
    select * from {{ ref('stg_derived__failure_families') }}
),

site_rules as (
    select * from {{ ref('failure_category_rules') }}
),

shipped_rules as (
    select * from {{ ref('shipped_failure_category_rules') }}
),

oldest as (
    select
        failure_id,
        template,
        example_message
    from messages
    qualify row_number() over (partition by failure_id order by first_seen_at, run_started_date) = 1
),

site_categories as (
    select
        oldest.failure_id,
        site_rules.category
    from oldest
    inner join site_rules on lower(oldest.template) like lower(site_rules.template_pattern)
    qualify row_number() over (partition by oldest.failure_id order by site_rules.rule_order) = 1
),

shipped_categories as (
    select
        oldest.failure_id,
        shipped_rules.category
    from oldest
    inner join shipped_rules on lower(oldest.template) like lower(shipped_rules.template_pattern)
    qualify row_number() over (partition by oldest.failure_id order by shipped_rules.rule_order) = 1
)

select
    oldest.failure_id,
    families.family_id,
    oldest.template,
    coalesce(families.algorithm_version, '{{ failure_text_version() }}') as algorithm_version,
    oldest.example_message,
    site_categories.category as site_category,
    shipped_categories.category as shipped_category
from oldest
left join families on oldest.failure_id = families.failure_id
left join site_categories on oldest.failure_id = site_categories.failure_id
left join shipped_categories on oldest.failure_id = shipped_categories.failure_id
