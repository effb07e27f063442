CREATE TABLE IF NOT EXISTS pane_summaries
(
    model         LowCardinality(String) COMMENT 'Name of the model',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    column        LowCardinality(String) COMMENT 'Feature, score or prediction',
    pane          UInt64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Index of the pane in the tested stream of the version, from 0',
    first_event   UInt64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Index of its first event in the tested stream',
    last_event    UInt64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Index of its last event, inclusive',
    started_at    DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'Smallest event time in the pane',
    ended_at      DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'Largest event time in the pane',
    n             UInt32 CODEC(ZSTD(1)) COMMENT 'Events in the pane',
    missing       UInt32 CODEC(ZSTD(1)) COMMENT 'Events without a usable value in this column',
    mean          Float64 CODEC(ZSTD(1)) COMMENT 'Mean of the values; NaN for a category or without values',
    minimum       Float64 CODEC(ZSTD(1)) COMMENT 'Smallest value; NaN for a category or without values',
    maximum       Float64 CODEC(ZSTD(1)) COMMENT 'Largest value; NaN for a category or without values',
    sketch        String CODEC(ZSTD(1)) COMMENT 'Quantile sketch (Apache DataSketches KLL, serialised), empty for a category',
    counts        Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)) COMMENT 'Category to its count, empty for a number',
    faults        Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)) COMMENT 'Fault to its count in this column',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the events',
    partition     Int32 CODEC(ZSTD(1)) COMMENT 'Kafka partition of the events',
    first_offset  Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Offset of the first event',
    last_offset   Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Offset of the last event, inclusive',
    stored_at     DateTime('UTC') DEFAULT now() CODEC(Delta(4), ZSTD(1)) COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, model_version, column, started_at, pane, topic, partition, first_offset)
COMMENT 'One column of one closed pane: what pages and re-tests read instead of raw rows'
