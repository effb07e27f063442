CREATE TABLE IF NOT EXISTS labels
(
    model           LowCardinality(String) COMMENT 'Name of the model',
    event_id        String CODEC(ZSTD(1)) COMMENT 'The prediction that the label belongs to, or empty',
    request_id      String CODEC(ZSTD(1)) COMMENT 'The request whose predictions it belongs to, or empty',
    label           String CODEC(ZSTD(1)) COMMENT 'The truth as text: a class, true or false, or a number',
    label_number    Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'The truth as a number where it is one; true is 1',
    observed_at     DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'When the truth became known, says the producer',
    appended_at     DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'When the broker appended the record to its log',
    offline_numbers Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Features as the training pipeline computes them: numbers and booleans',
    offline_strings Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'Features as the training pipeline computes them: text',
    topic           LowCardinality(String) COMMENT 'Kafka topic of the record',
    partition       Int32 CODEC(Delta(4), ZSTD(1)) COMMENT 'Kafka partition of the record',
    offset          Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Kafka offset of the record',
    PROJECTION stored_until (SELECT topic, partition, max(offset), max(appended_at) GROUP BY topic, partition)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(appended_at)
ORDER BY (model, event_id, request_id, topic, partition, offset)
SETTINGS deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild'
COMMENT 'Every valid label event; a correction is a further row'
