{{ config(materialized='incremental', meta={'day': 'started_date', 'days': 'counted_days'}) }}

{# A run is compared with the one before it, and a verdict is of all attempts of a build, on whatever days: which days
   a build makes anew here, and which it reads for them, is in macros/counted_days.sql. #}
-- depends_on: {{ ref('fct_result_days') }}, {{ ref('fct_build_days') }}
{% do note_counted_days() %}
with counted as (
    select
        source_name,
        connection,
        project_name,
        test_name,
        test_id,
        variant_id,
        test_run_id,
        build_id is not null as has_build,
        coalesce(build_id, test_run_id) as build_key,
        device_id,
        started_at,
        coalesce(started_at, cast(started_date as timestamp)) as ordered_at,
        started_date,
        duration_seconds,
        run_status = 'failed' as is_failure,
        is_doubted
    from {{ ref('fct_test_runs') }}
    where is_counted and {{ is_one_of_counted_read_days('started_date') }}
),

compared_with as (
    select * from counted
    {%- if is_continued() %}
    union all
    select
        source_name,
        connection,
        cast(null as string) as project_name,
        cast(null as string) as test_name,
        test_id,
        variant_id,
        test_run_id,
        false as has_build,
        test_run_id as build_key,
        cast(null as string) as device_id,
        ordered_at as started_at,
        ordered_at,
        date as started_date,
        cast(null as double) as duration_seconds,
        is_failure,
        false as is_doubted
    from {{ ref('fct_result_days') }}
    where not {{ is_one_of_counted_read_days('date') }}
    {%- endif %}
),

compared as (
    select
        *,
        lag(is_failure) over (
            partition by test_id, variant_id order by ordered_at, test_run_id
        ) as previous_is_failure,
        lag(is_failure and not is_doubted) over (
            partition by test_id, variant_id, build_key order by ordered_at, test_run_id
        ) as previous_in_verdict_is_proof,
        first_value(is_failure) over (
            partition by test_id, variant_id, build_key order by ordered_at, test_run_id
        ) as first_in_verdict_is_failure,
        sum(case when is_failure then 1 else 0 end) over (
            partition by test_id, variant_id, build_key order by ordered_at, test_run_id
            rows between unbounded preceding and current row
        ) as verdict_failures_so_far,
        sum(case when is_failure then 1 else 0 end) over (
            partition by test_id, variant_id, build_key
        ) as verdict_failures,
        count(*) over (partition by test_id, variant_id, build_key) as verdict_attempts
    from compared_with
),

first_disagreements as (
    select test_run_id
    from compared
    where is_failure <> first_in_verdict_is_failure
    qualify row_number() over (partition by test_id, build_key order by ordered_at, test_run_id) = 1
)

select
    compared.source_name,
    compared.connection,
    compared.project_name,
    compared.test_name,
    compared.test_id,
    compared.variant_id,
    compared.test_run_id,
    compared.has_build,
    compared.build_key,
    compared.device_id,
    compared.started_at,
    compared.ordered_at,
    compared.started_date,
    compared.duration_seconds,
    compared.is_failure,
    compared.is_doubted,
    case
        when verdict_failures = 0 then 'passed'
        when verdict_failures = verdict_attempts then 'failed'
        else 'mixed'
    end as verdict,
    previous_is_failure is not null as has_predecessor,
    coalesce(previous_is_failure <> is_failure, false) as is_flip,
    coalesce(previous_in_verdict_is_proof and not is_failure, false) as is_return_in_verdict,
    first_disagreements.test_run_id is not null as is_first_disagreement,
    verdict_failures_so_far > 0 and verdict_failures < verdict_attempts as is_wasted
from compared
left join first_disagreements on compared.test_run_id = first_disagreements.test_run_id
where {{ is_touched('compared.started_date') }}
