-- The monitor of confidence is no ADWIN any more and sees every decision, reviewed or not, and only errors under a
-- certificate revoke: 0007 and 0008 said otherwise.

ALTER TABLE drift_signals
    COMMENT COLUMN monitor 'confidence (mean confidence compared with the same hours of other days), overrides (e-process on the corrected override rate) or certificate (e-process on errors under a certificate)';

CREATE OR REPLACE VIEW drift
(
    at DateTime64(6, 'UTC') COMMENT 'Time of the observation that raised the alarm',
    model_id String COMMENT 'Model',
    model_version String COMMENT 'Its version',
    domain String COMMENT 'What it decides',
    monitor String COMMENT 'confidence (mean confidence differs from that of the same hours of other days: every decision; a warning), overrides (people override more than the override limit allows: all decisions, corrected for who was reviewed; a warning) or certificate (more errors than certified: decisions under the certificate; it revokes)',
    statistic Float64 COMMENT 'Value that raised the alarm',
    threshold Float64 COMMENT 'Value above which it does',
    seen Int32 COMMENT 'Observations up to then',
    message String COMMENT 'For a person: what changed, since when, and what to do',
    revoked_proposals Array(String) COMMENT 'Proposals whose certificate no longer holds',
    signal_id String COMMENT 'Id of the signal'
)
AS
SELECT at, model_id, model_version, domain, monitor, statistic, threshold, seen, message, revokes AS revoked_proposals, signal_id
FROM drift_signals
WHERE error = ''
ORDER BY at, signal_id
LIMIT 1 BY signal_id
COMMENT 'Alarms of the monitors, oldest first';
