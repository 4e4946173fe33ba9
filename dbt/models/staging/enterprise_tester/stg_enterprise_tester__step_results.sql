with source as (
    select * from {{ source('enterprise_tester', 'step_results') }}
),

newest as (
    select *
    from source
    qualify row_number() over (partition by connection, run_id, id, step_index order by _fetched_at desc, dt desc) = 1
),

renamed as (
    select
        connection,
        cast(dt as date) as dt,
        run_id as script_run_id,
        id as step_result_id,
        step_index,
        description as step_description,
        data,
        notes,
        expected_result,
        actual_result,
        outcome as vendor_outcome,
        has_incidents,
        has_attachments,
        cast(_fetched_at as timestamp) as fetched_at,
        _issues as issues
    from newest
    where _missing_since is null   -- the parent's newest answer no longer lists it
)

select * from renamed
