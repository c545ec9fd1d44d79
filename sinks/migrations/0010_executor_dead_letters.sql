-- Dead letters of executors: what was sent back to them, and which actions wait. Neither counts as routed or ordered.

CREATE TABLE IF NOT EXISTS action_retries
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the dead letter was replayed, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    executor_group LowCardinality(String) COMMENT 'The executor group that reads it; empty if the record names none',
    request LowCardinality(String) COMMENT 'retry, or discard: the group is not to wait for it any more',
    source_topic LowCardinality(String) COMMENT 'Topic the action was read from at first',
    source_partition Nullable(Int32) COMMENT 'Its partition there',
    source_offset Nullable(Int64) COMMENT 'Its offset there',
    original_key Nullable(String) COMMENT 'Key of the record, unchanged bytes: the decision id',
    original_value Nullable(String) CODEC(ZSTD(1)) COMMENT 'Value of the record, unchanged bytes',
    INDEX by_key original_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Dead letters of executors that were sent back to them. The actions themselves are in actions and routed_decisions';

CREATE TABLE IF NOT EXISTS action_sequences
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers, compaction)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the executor wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: group/decision_id',
    tombstone Bool COMMENT 'Nothing has to be kept in mind any more',
    group LowCardinality(String) COMMENT 'The executor group',
    decision_id String COMMENT 'The decision; of a record that cannot be read, its key',
    actions Array(Tuple(topic String, partition Int32, offset Int64, action_id String, kind String, version Int32, state String, in_doubt Bool)) COMMENT 'Its actions that became dead letters, in their order, with the place they were read from. state: waiting (to be replayed or discarded), done (carried out when it was replayed), superseded (overruled before it was carried out), not_executed (a roll_back of what was never carried out) or discarded. in_doubt: an attempt may have taken effect although it failed',
    at DateTime64(6, 'UTC') COMMENT 'The executor''s clock',
    INDEX by_decision_id decision_id TYPE bloom_filter GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'What executors could not carry out, decision by decision and group by group; the latest row of a key holds';
