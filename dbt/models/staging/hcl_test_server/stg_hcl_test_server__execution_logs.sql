with source as (
    select * from {{ source('hcl_test_server', 'execution_logs') }}
),

newest as (
    select *
    from source
    qualify row_number() over (partition by connection, execution_id order by _fetched_at desc, dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        execution_id,
        _project_id as project_id,
        log,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues,
        cast(_missing_since as timestamp) as missing_since
    from newest
)

select * from renamed
