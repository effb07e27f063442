CREATE TABLE IF NOT EXISTS rejections
(
    topic               LowCardinality(String) COMMENT 'Kafka topic of the record',
    partition           Int32 CODEC(Delta(4), ZSTD(1)) COMMENT 'Kafka partition of the record',
    offset              Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Kafka offset of the record',
    appended_at         DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'When the broker appended the record to its log',
    model               String CODEC(ZSTD(1)) COMMENT 'Name of the model as far as it could be read, or empty',
    reasons             Array(LowCardinality(String)) COMMENT 'Every reason: not_json, missing_field, wrong_type, ...',
    fields              Array(String) CODEC(ZSTD(1)) COMMENT 'The field that each reason is about, or empty',
    messages            Array(String) CODEC(ZSTD(1)) COMMENT 'Each reason in words',
    original            String CODEC(ZSTD(1)) COMMENT 'The first 16,384 bytes of the record',
    original_size_bytes UInt64 CODEC(ZSTD(1)) COMMENT 'Size of the whole record'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(appended_at)
ORDER BY (topic, partition, offset)
COMMENT 'Every record that could not be taken, with the reasons'
