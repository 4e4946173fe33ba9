with source as (
    select * from {{ source('enterprise_tester', 'execution_packages') }}
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
        id as execution_package_id,
        parent_id,
        project_id,
        name as package_name,
        stereotype,
        order_number,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues,
        _interval_seconds as interval_seconds
    from newest
)

select * from renamed
