CREATE TABLE IF NOT EXISTS findings
(
    model            LowCardinality(String) COMMENT 'Name of the model',
    model_version    LowCardinality(String) COMMENT 'Version of the model',
    category         LowCardinality(String) COMMENT 'Kind of trouble: drift, quality, silence, ownership',
    alertname        LowCardinality(String) COMMENT 'Name of the alert that it feeds',
    segment          String CODEC(ZSTD(1)) COMMENT 'Segment, or empty for all traffic',
    clock            Bool COMMENT 'Whether the clock raised it: outside the replay guarantee',
    check            LowCardinality(String) COMMENT 'Name of the test: ks, total_variation, missing_rate, ...',
    feature          LowCardinality(String) COMMENT 'Feature, score or prediction; empty for the model as a whole',
    scale            UInt32 CODEC(ZSTD(1)) COMMENT 'Window size in events; 0 for a sequential test',
    verdict          LowCardinality(String) COMMENT 'drift, ok or cannot_tell',
    statistic        Float64 CODEC(ZSTD(1)) COMMENT 'What the test computed',
    effect           Float64 CODEC(ZSTD(1)) COMMENT 'Effect size, in the units of threshold',
    threshold        Float64 CODEC(ZSTD(1)) COMMENT 'Effect from which the verdict is drift',
    p_value          Float64 CODEC(ZSTD(1)) COMMENT 'p-value, corrected for dependence; NaN where the test has none',
    n_ref            UInt64 CODEC(ZSTD(1)) COMMENT 'Reference values compared with',
    n_cur            UInt64 CODEC(ZSTD(1)) COMMENT 'Current values tested',
    n_effective      Float64 CODEC(ZSTD(1)) COMMENT 'Independent observations that the window is worth',
    smallest_visible Float64 CODEC(ZSTD(1)) COMMENT 'Smallest effect that this window could have shown',
    cleared          Bool COMMENT 'Whether the effect is below the level at which an alert may resolve',
    immediate        Bool COMMENT 'Whether it fires without further confirmation',
    reason           String CODEC(ZSTD(1)) COMMENT 'Words, where the verdict needs them',
    values           Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Further effect sizes and numbers',
    topic            LowCardinality(String) COMMENT 'Kafka topic of the tested events',
    partition        Int32 CODEC(ZSTD(1)) COMMENT 'Kafka partition of the tested events',
    first_event      Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Index of the first tested event in the stream of the version',
    last_event       Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Index of the last tested event, inclusive',
    first_offset     Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Offset of the first tested event',
    last_offset      Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Offset of the last tested event, inclusive',
    started_at       DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'Smallest event time tested',
    ended_at         DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'Largest event time tested',
    stored_at        DateTime('UTC') DEFAULT now() CODEC(Delta(4), ZSTD(1)) COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, alertname, feature, ended_at, model_version, segment, check, scale, first_event, topic, partition, first_offset, last_offset)
COMMENT 'Every measured claim, whatever its verdict'
