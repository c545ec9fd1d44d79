-- What somebody did to the keys of subjects (docs/erasure.md). No TTL: it says why something cannot be read.
CREATE TABLE IF NOT EXISTS key_events
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the record was sent, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    event_id String COMMENT 'Id of the event; of an unreadable record its key',
    kind LowCardinality(String) COMMENT 'erasing (about to be erased), erased, held (under a legal hold), lifted (no more), rotated (a new master key)',
    key_ids Array(String) COMMENT 'The keys concerned, as subject_key in other tables, that of the subject first; empty for rotated, and for a hold of a subject who has no key yet',
    decisions Int32 COMMENT 'erasing, erased: of how many decisions nothing is stored again',
    by String COMMENT 'Who did it',
    at DateTime64(6, 'UTC') COMMENT 'When, UTC',
    reason String COMMENT 'Why, in that person''s words',
    link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition',
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'What was erased, held and rotated: by key, never by subject';
