-- What bins of a calibration report rest on, and what their finding may say. No column changes.

CREATE OR REPLACE VIEW calibration_report
(
    model_id String COMMENT 'Model',
    model_version String COMMENT 'Its version',
    report_id String COMMENT 'The latest report of that version: model_id@model_version#N, N outcomes',
    at DateTime64(6, 'UTC') COMMENT 'Time of the latest outcome in it',
    reviewed Int32 COMMENT 'Reviewed decisions the bins and errors rest on: the latest of each bin and way to a person',
    effective Float64 COMMENT 'As many equally weighted ones (Kish): unequal weights are worth fewer',
    bin UInt32 COMMENT 'Number of the bin by confidence, least first, from 1; 0 where the report has none',
    bin_count Int32 COMMENT 'Reviewed decisions in the bin',
    mean_confidence Float64 COMMENT 'Mean of the model''s own confidence over them',
    accuracy Float64 COMMENT 'Share of all decisions of the bin that people confirm, estimated from the reviewed ones by 1 / propensity',
    lower Float64 COMMENT 'Lower end of the interval of accuracy',
    upper Float64 COMMENT 'Upper end of the same interval',
    gap Float64 COMMENT 'mean_confidence - accuracy: above 0 the model claims too much',
    finding String COMMENT 'warning: the gap exceeds what is allowed (0.1 unless set), and a calibrated model would hardly ever show it. hint: it exceeds it, but chance may explain it. too few audits (or reviews), N of about M: it does not, but so few verdicts could not show it. Empty: none of these',
    ece Float64 COMMENT 'Expected calibration error over the bins, for all decisions. Never 0 even for a perfect model: compare with ece_by_chance',
    ece_by_chance Float64 COMMENT 'What a perfectly calibrated model would show with as many outcomes',
    smooth_ece Float64 COMMENT 'Smooth calibration error (smECE), for all decisions, without bins',
    brier Float64 COMMENT 'Mean squared error of the confidence, for all decisions',
    log_loss_before Nullable(Float64) COMMENT 'Prequential log-loss of the model''s own confidence, for all decisions; null with too few outcomes',
    log_loss_after Nullable(Float64) COMMENT 'The same after recalibration: lower is better',
    method String COMMENT 'logistic, temperature, or empty where nothing is better than the model''s own confidence',
    intercept Float64 COMMENT 'Of the recalibration on log-odds; 0 for none',
    slope Float64 COMMENT 'Of the recalibration on log-odds; 1 for none',
    published Bool COMMENT 'The router was given this one',
    refusal String COMMENT 'Why nothing was fitted, or empty'
)
AS
SELECT
    model_id, model_version, report_id, at, reviewed, effective, number AS bin, one.1 AS bin_count,
    one.2 AS mean_confidence, one.3 AS accuracy, one.4 AS lower, one.5 AS upper, one.6 AS gap, one.7 AS finding, ece,
    ece_by_chance, smooth_ece, brier, log_loss_before, log_loss_after, method, intercept, slope, published, refusal
FROM
(
    -- Not by offset: after a crash an older report may be written again behind a newer one.
    SELECT * FROM calibration_reports WHERE error = ''
    ORDER BY at DESC, kafka_timestamp DESC LIMIT 1 BY model_id, model_version
)
LEFT ARRAY JOIN bins AS one, arrayEnumerate(bins) AS number
COMMENT 'How well every model version knows what it knows, one row a bin of its latest report';
