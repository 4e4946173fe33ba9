{{ config(materialized='incremental', meta={'day': 'date'}) }}

with counted as (
    select
        *,
        coalesce(started_at, cast(started_date as timestamp)) as ordered_at
    from {{ ref('fct_test_runs') }}
    where is_counted and {{ is_touched('started_date') }}
),

last_of_the_day as (
    select
        source_name,
        connection,
        test_id,
        variant_id,
        started_date as date,
        test_run_id,
        ordered_at,
        run_status = 'failed' as is_failure
    from counted
    qualify row_number() over (
        partition by test_id, variant_id, started_date order by ordered_at desc, test_run_id desc
    ) = 1
)

select * from last_of_the_day
