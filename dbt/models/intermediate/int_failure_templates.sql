with texts as (
    select * from {{ ref('int_failure_texts') }}
),

masked as (
    select
        message,
        {{ masked_message('marked_message') }} as masked_message,
        {{ masked_frames('marked_message') }} as masked_frames
    from texts
)

select
    message,
    {{ failure_template('masked_message', 'masked_frames') }} as template
from masked
