{{ config(
    meta={
        'dagster': {'ref': {'name': 'fct_server_executions'}},
        'description': "Records of the lake that core lacks, rows of core that the lake lacks, and records that core has twice. A record that lies in "
            ~ "several partitions counts once. Build everything anew (flakehouse build --anew); if it fails again, a model loses or doubles rows.",
    },
) }}

{% set tables = [
    ('perfecto_reporting', 'test_executions', 'fct_test_runs', 'vendor_run_id', 'started_date', 'perfecto'),
    ('enterprise_tester', 'script_runs', 'fct_test_runs', 'vendor_run_id', 'started_date', 'enterprise_tester'),
    ('hcl_test_server', 'executions', 'fct_server_executions', 'execution_id', 'ended_date', none),
] %}

-- The lake's views list the days that are read: of these the touched ones are judged, also where all else is tested in full.
with records as (
    {%- for source_name, table, fact, key, day, run_source in tables %}
    select
        '{{ source_name }}' as source_name,
        connection,
        id as record_id,
        max(case when {{ is_one_of_days('cast(dt as date)', touched_days()) }} then 1 else 0 end) as is_judged
    from {{ source(source_name, table) }}
    group by connection, id
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

rows_of_core as (
    {%- for source_name, table, fact, key, day, run_source in tables %}
    select
        '{{ source_name }}' as source_name,
        connection,
        {{ key }} as record_id,
        count(*) as row_count,
        max(case when {{ is_one_of_days(day, touched_days()) }} then 1 else 0 end) as is_judged
    from {{ ref(fact) }}
    where {{ is_one_of_days(day, read_days()) }}{% if run_source %} and source_name = '{{ run_source }}'{% endif %}
    group by connection, {{ key }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    coalesce(records.source_name, rows_of_core.source_name) as source_name,
    coalesce(records.connection, rows_of_core.connection) as connection,
    coalesce(records.record_id, rows_of_core.record_id) as record_id,
    records.record_id is not null as is_in_the_lake,
    coalesce(rows_of_core.row_count, 0) as row_count
from records
full join rows_of_core
    on records.source_name = rows_of_core.source_name
    and records.connection = rows_of_core.connection
    and records.record_id = rows_of_core.record_id
where rows_of_core.row_count > 1
    or (records.record_id is null and rows_of_core.is_judged = 1)
    {%- if not var('as_of') %}
    or (rows_of_core.record_id is null and records.is_judged = 1)
    {%- endif %}
