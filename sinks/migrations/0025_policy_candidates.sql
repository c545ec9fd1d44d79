-- Versions of policies that are tried beside those in force, and what both would have done.

CREATE TABLE IF NOT EXISTS policy_candidates
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (compaction)',
    kafka_timestamp DateTime64(3, 'UTC') COMMENT 'When the record was sent, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: the name of the policy',
    tombstone Bool COMMENT 'The trial is over: the candidate was promoted or withdrawn',
    name LowCardinality(String) COMMENT 'Name of the policy',
    version String COMMENT 'First 16 hex digits of the SHA-256 of resolved; candidate_version of every decision it was asked about',
    resolved String CODEC(ZSTD(1)) COMMENT 'Canonical JSON, packs expanded, defaults explicit: what the router runs',
    source String CODEC(ZSTD(1)) COMMENT 'The YAML as a person wrote it',
    base_version String COMMENT 'The version in force that it was tried against; empty: none',
    stage LowCardinality(String) COMMENT 'shadow: it decides nothing; share: it decides a share of the decisions',
    share Float64 COMMENT 'Which share of the decisions it decides; 0 in shadow',
    published_at DateTime64(6, 'UTC') COMMENT 'When its trial began, UTC',
    published_by String COMMENT 'Who began it',
    note String COMMENT 'Why, in that person''s words',
    signed_by Array(String) COMMENT 'Who answers for the stage: whoever began the trial, then who gave it a share',
    started_at DateTime64(6, 'UTC') COMMENT 'When the stage began, or its share was changed, UTC',
    forecast String CODEC(ZSTD(1)) COMMENT 'What a replay on history had forecast, as JSON; empty: none',
    roll_back_of String COMMENT 'The earlier version whose text it repeats; empty: none'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every stage of every trial of a policy';

ALTER TABLE policies
    ADD COLUMN IF NOT EXISTS base_version String COMMENT 'The version that it replaced; empty: none was in force, or not told' AFTER note,
    ADD COLUMN IF NOT EXISTS stage LowCardinality(String) COMMENT 'How it was published: whole, from shadow, or from share; empty: not told' AFTER base_version,
    ADD COLUMN IF NOT EXISTS signed_by Array(String) COMMENT 'Who answers for it: whoever wrote it first, then who signed. Empty: not told' AFTER stage,
    ADD COLUMN IF NOT EXISTS forecast String CODEC(ZSTD(1)) COMMENT 'What a replay on history had forecast, as JSON; empty: none' AFTER signed_by,
    ADD COLUMN IF NOT EXISTS observed String CODEC(ZSTD(1)) COMMENT 'What its trial beside the version before had shown when it was promoted, as JSON; empty: it was not tried' AFTER forecast,
    ADD COLUMN IF NOT EXISTS roll_back_of String COMMENT 'The earlier version whose text it repeats; empty: none' AFTER observed;

ALTER TABLE routed_decisions
    ADD COLUMN IF NOT EXISTS candidate_version LowCardinality(String) COMMENT 'The version of the policy that was being tried; it decided this one where it is policy_version. Empty: none, or not told' AFTER outcome_notices,
    ADD COLUMN IF NOT EXISTS candidate_route LowCardinality(String) COMMENT 'The route that the candidate gave or would have given; shadow: it would have had no effect' AFTER candidate_version,
    ADD COLUMN IF NOT EXISTS live_route LowCardinality(String) COMMENT 'The same of the policy in force, where a candidate was being tried' AFTER candidate_route;

ALTER TABLE shadow_decisions
    ADD COLUMN IF NOT EXISTS candidate_version LowCardinality(String) COMMENT 'The version of the policy that was being tried; empty: none, or not told' AFTER outcome_notices,
    ADD COLUMN IF NOT EXISTS candidate_route LowCardinality(String) COMMENT 'The route that the candidate would have given; shadow: it would have had no effect' AFTER candidate_version,
    ADD COLUMN IF NOT EXISTS live_route LowCardinality(String) COMMENT 'The same of the policy in force, where a candidate was being tried' AFTER candidate_route;
