CREATE TABLE IF NOT EXISTS schema_versions
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
    key String COMMENT 'Record key: the id',
    tombstone Bool COMMENT 'The record was withdrawn from Kafka',
    id String COMMENT 'interlock/ID of a version of Interlock''s own schemas; registry/ID or guid/GUID of one of a registry',
    name String COMMENT 'Full name of the record that it describes',
    version Int32 COMMENT 'Version of Interlock''s own schemas, from 1; 0 for others',
    schema String CODEC(ZSTD(1)) COMMENT 'The Avro schema as JSON: what bytes under this id mean, also those in raw of other tables',
    origin String COMMENT 'Who recorded it: prepare, or the address of the registry',
    recorded_at DateTime64(6, 'UTC') COMMENT 'When, UTC'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'The schemas in which records were written';
