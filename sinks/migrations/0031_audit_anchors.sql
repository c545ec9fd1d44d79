-- No TTL: an anchor proves rows for as long as they are kept. Kafka and the directory of anchors have them as well.
CREATE TABLE IF NOT EXISTS audit_anchors
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the sink wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    anchor_id String COMMENT 'SHA-256 of what is signed, in hexadecimal; of an unreadable record its key',
    previous String COMMENT 'The latest anchor that its signer knew; empty for a signer''s first',
    signed_at DateTime64(6, 'UTC') COMMENT 'When it was signed, by the signer''s clock',
    signer LowCardinality(String) COMMENT 'Which process signed, for example sink-1',
    public_key LowCardinality(String) COMMENT 'Ed25519 key that proves the signature, in hexadecimal; proves nothing unless you trust it',
    next_key LowCardinality(String) COMMENT 'The key that signs from now on as well, named by the old one; empty: nothing changes',
    heads Array(Tuple(stream String, topic String, partition Int32, offset Int64, link String)) COMMENT 'Ends of the chains that have grown since the signer''s anchor before; link in hexadecimal',
    signature String COMMENT 'Ed25519 over everything else, in hexadecimal',
    link FixedString(32) CODEC(NONE) COMMENT 'SHA-256 over the row and the link of the row before in its partition',
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Where the hash chains of the audit trail ended, signed again and again: `interlock audit verify` compares'
