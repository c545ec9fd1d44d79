-- Retraining is also requested where a rate has risen above its limit, however long it was good before.
ALTER TABLE retraining_requests
    ADD COLUMN IF NOT EXISTS kind LowCardinality(String) COMMENT 'start: the rate of all decisions since the version began is above the limit; change: it has risen above it since changed_at; empty in older records: start',
    ADD COLUMN IF NOT EXISTS changed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Since when the rate has most likely been above the limit, at the latest; null: no change is beyond doubt',
    ADD COLUMN IF NOT EXISTS rate_since_change Nullable(Float64) COMMENT 'Override rate of all decisions since changed_at, corrected for selection',
    ADD COLUMN IF NOT EXISTS rate_since_change_lower Nullable(Float64) COMMENT 'Lower end of its interval, valid at any time of looking and for any moment of change',
    ADD COLUMN IF NOT EXISTS rate_since_change_upper Nullable(Float64) COMMENT 'Upper end of its interval, likewise',
    ADD COLUMN IF NOT EXISTS reviewed_since_change Nullable(Int32) COMMENT 'Outcomes these rest on',
    ADD COLUMN IF NOT EXISTS slices_since_change Array(Tuple(pattern String, support Int32, overrides Int32, rate Float64, lift Float64, p_value Float64, q_value Float64)) COMMENT 'Where it has erred most since changed_at, worst first; see view retraining_slices';

CREATE OR REPLACE VIEW retraining_slices
(
    model_id String COMMENT 'Model',
    model_version String COMMENT 'Its version',
    domain String COMMENT 'What it decides',
    at DateTime64(6, 'UTC') COMMENT 'When retraining was asked for last',
    span String COMMENT 'Of which decisions the row speaks: start: all of the version; change: those since changed_at',
    changed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Since when the rate has most likely been above the limit, at the latest; null: no change is beyond doubt',
    override_rate_estimate Nullable(Float64) COMMENT 'Override rate of all decisions of span, corrected for who was reviewed',
    override_rate_lower Nullable(Float64) COMMENT 'Lower end of its interval, which holds at any time of looking',
    override_rate_limit Float64 COMMENT 'Override rate that is allowed',
    pattern String COMMENT 'Facts that the cases of the slice share',
    support Int32 COMMENT 'Reviewed decisions in it',
    overrides Int32 COMMENT 'Those of support that people overrode',
    rate Float64 COMMENT 'Override rate of all decisions in it, estimated from support by 1 / propensity',
    lift Float64 COMMENT 'rate over that of all decisions of span',
    p_value Float64 COMMENT 'How often chance alone gives so many, in all decisions and among those of equal propensity',
    q_value Float64 COMMENT 'The same, corrected for how many slices were looked at'
)
AS
SELECT
    model_id, model_version, domain, at, one.1 AS span, changed_at,
    if(span = 'change', rate_since_change, override_rate_estimate) AS override_rate_estimate,
    if(span = 'change', rate_since_change_lower, override_rate_lower) AS override_rate_lower,
    retraining_requests.limit AS override_rate_limit, one.2.1 AS pattern, one.2.2 AS support, one.2.3 AS overrides,
    one.2.4 AS rate, one.2.5 AS lift, one.2.6 AS p_value, one.2.7 AS q_value
FROM
(
    SELECT * FROM retraining_requests WHERE error = ''
    ORDER BY at DESC, kafka_timestamp DESC LIMIT 1 BY model_id, model_version
) AS retraining_requests
ARRAY JOIN arrayConcat(
    arrayMap(slice -> ('change', slice), slices_since_change), arrayMap(slice -> ('start', slice), slices)
) AS one
COMMENT 'Where each version of a model errs most, by its latest request for retraining: since the rate rose, and in all. For simple slices of all overrides see overrides_by_slice';
