{{ config(materialized='incremental', meta={'day': 'dt'}) }}

with observations as (
    select * from {{ ref('int_device_observations') }}
    where {{ is_touched('dt') }}
)

select * from observations
