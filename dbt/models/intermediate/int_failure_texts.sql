{# Masking is the dearest step of the build, so it is done once per distinct text. It takes two tables, of which this
   is the first: in one query the optimiser repeats each nested expression until memory ends. #}
with test_runs as (
    select * from {{ ref('int_test_runs') }}
),

commands as (
    select * from {{ ref('stg_perfecto_reporting__commands') }}
),

-- A union of sets: each text once.
texts as (
    select message
    from test_runs
    where run_status in ('failed', 'blocked') and message is not null
    union
    select message
    from commands
    where vendor_status = 'FAILURE' and message is not null
),

marked as (
    {%- for version in failure_text_versions() %}
    select
        '{{ version }}' as algorithm_version,
        message,
        {{ marked_frames('message', version) }} as marked_message
    from texts
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from marked
