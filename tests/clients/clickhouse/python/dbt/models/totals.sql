{{ config(materialized='table') }}
select sum(facts) as facts from {{ ref('kinds') }}
