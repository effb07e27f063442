CREATE TABLE IF NOT EXISTS cohorts
(
    model           LowCardinality(String) COMMENT 'Name of the model',
    model_version   LowCardinality(String) COMMENT 'Version that answered',
    segment         String CODEC(ZSTD(1)) COMMENT 'Segment as column=value, or empty for all traffic',
    cohort_start    DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'Event time at which the cohort begins',
    cohort_end      DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'Event time before which it ends',
    predictions     UInt64 CODEC(ZSTD(1)) COMMENT 'Answers of the version, shadows included, resends and fallbacks left out',
    labelled        UInt64 CODEC(ZSTD(1)) COMMENT 'Of these, with a label that came in time',
    corrections     UInt64 CODEC(ZSTD(1)) COMMENT 'Labels that changed an earlier one; the last one counts',
    repeats         UInt64 CODEC(ZSTD(1)) COMMENT 'Labels that said the same again',
    maturity        Float64 CODEC(ZSTD(1)) COMMENT 'Share of the labels that ever come which had time to come; NaN before any label',
    metrics         Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Metric to its value on the labelled predictions: log_loss, auc, ece, mae, ...',
    lower           Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Lower ends of the 95 % bands of the metrics',
    upper           Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Upper ends of the 95 % bands of the metrics',
    estimated       Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Metric to its estimate of all predictions without their labels',
    estimate_error  Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Estimate of the labelled predictions minus what their labels showed',
    baseline_loss   Float64 CODEC(ZSTD(1)) COMMENT 'Mean loss of the trivial baseline on the labelled predictions; NaN without any',
    promised        Array(Float64) CODEC(ZSTD(1)) COMMENT 'Reliability curve: mean probability in each bin (multi-class: over all classes)',
    observed        Array(Float64) CODEC(ZSTD(1)) COMMENT 'Reliability curve: how often it came true',
    bin_counts      Array(UInt64) CODEC(ZSTD(1)) COMMENT 'Reliability curve: predictions in each bin',
    confusion       Array(UInt64) CODEC(ZSTD(1)) COMMENT 'Confusion matrix row by row, truth by answer; empty for a regression model',
    topic           LowCardinality(String) COMMENT 'Kafka topic of the predictions',
    partition       Int32 COMMENT 'Kafka partition of the predictions and of their labels',
    first_offset    Int64 CODEC(ZSTD(1)) COMMENT 'Smallest offset of the predictions',
    last_offset     Int64 CODEC(ZSTD(1)) COMMENT 'Largest offset of the predictions',
    answers_below   Int64 CODEC(ZSTD(1)) COMMENT 'Predictions from this offset on came too late for the cohort',
    labels_below    Int64 CODEC(ZSTD(1)) COMMENT 'Labels from this offset on came too late for the cohort',
    stored_at       DateTime('UTC') DEFAULT now() CODEC(ZSTD(1)) COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, model_version, segment, cohort_start, topic, partition)
COMMENT 'How good each model version was, by closed cohort; one row a version, cohort and segment';
CREATE TABLE IF NOT EXISTS comparisons
(
    model                LowCardinality(String) COMMENT 'Name of the model',
    new_version          LowCardinality(String) COMMENT 'Version that replaces another',
    old_version          LowCardinality(String) COMMENT 'Version that it replaces',
    at                   DateTime64(6, 'UTC') COMMENT 'Event time at which the cohort ended that brought this verdict',
    verdict              LowCardinality(String) COMMENT 'improved, regressed or no_difference_yet',
    design               LowCardinality(String) COMMENT 'paired, split or matched',
    labels               UInt64 COMMENT 'Labelled predictions of the new version that were compared',
    blocks               UInt32 COMMENT 'Blocks of them',
    difference           Float64 COMMENT 'Mean loss of the new version minus that of the old one; above 0 it is worse',
    lower                Float64 COMMENT 'Lower end of its 95 % band',
    upper                Float64 COMMENT 'Upper end of its 95 % band',
    evidence             Float64 COMMENT 'Nats for the verdict',
    smallest_difference  Float64 COMMENT 'Smallest difference that as much data would have shown',
    final                Bool COMMENT 'Whether no further data will change it',
    rollback_recommended Bool COMMENT 'Whether the old version is the better one beyond doubt',
    topic                LowCardinality(String) COMMENT 'Kafka topic of the predictions',
    partition            Int32 COMMENT 'Kafka partition of the predictions',
    last_offset          Int64 COMMENT 'Largest offset of the predictions compared',
    stored_at            DateTime('UTC') DEFAULT now() COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, new_version, old_version, blocks, topic, partition)
COMMENT 'Every verdict on a new version against the one it replaces, as labels came';
