with source as (
    select * from {{ source('hcl_test_server', 'executions') }}
),

newest as (
    select *
    from source
    qualify row_number() over (partition by connection, id order by _fetched_at desc, dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        _project_id as project_id,
        id as execution_id,
        result_id,
        status as vendor_status,
        message,
        cast(start_date as timestamp) as started_at,
        cast(completion_date as timestamp) as completed_at,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues,
        cast(_missing_since as timestamp) as missing_since
    from newest
)

select * from renamed
