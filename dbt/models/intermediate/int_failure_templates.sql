with texts as (
    select * from {{ ref('int_failure_texts') }}
),

masked as (
    {%- for version in failure_text_versions() %}
    select
        algorithm_version,
        message,
        {{ masked_message('marked_message', version) }} as masked_message,
        {{ masked_frames('marked_message', version) }} as masked_frames
    from texts
    where algorithm_version = '{{ version }}'
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

templates as (
    select
        algorithm_version,
        message,
        {{ failure_template('masked_message', 'masked_frames') }} as template
    from masked
)

select
    algorithm_version,
    message,
    template,
    case when template <> '' then {{ failure_id('template', 'algorithm_version') }} end as failure_id
from templates
