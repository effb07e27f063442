CREATE TABLE IF NOT EXISTS predictions
(
    model             LowCardinality(String) COMMENT 'Name of the model',
    model_version     LowCardinality(String) COMMENT 'Version that answered',
    event_id          String CODEC(ZSTD(1)) COMMENT 'Id of the prediction, from the producer',
    occurred_at       DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'Event time: when the prediction was made, says the producer',
    appended_at       DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'When the broker appended the record to its log',
    sent_at           DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'When the producer sent it (a replay''s simulated time), else appended_at',
    registered        Bool DEFAULT true COMMENT 'Whether a model card was known: without one the event is stored and not tested',
    repeated          Bool DEFAULT false COMMENT 'Whether the event id was seen before: kept out of windows',
    role              LowCardinality(String) DEFAULT 'live' COMMENT 'live or shadow',
    status            LowCardinality(String) DEFAULT 'ok' COMMENT 'ok, fallback (the guard answered) or error',
    request_id        String CODEC(ZSTD(1)) COMMENT 'The request that several versions answered, or empty',
    entity_id         String CODEC(ZSTD(1)) COMMENT 'Whom or what the prediction is about, or empty',
    trace_id          String CODEC(ZSTD(1)) COMMENT 'Trace of the serving call, or empty',
    latency_ms        Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'How long serving took',
    prediction        String CODEC(ZSTD(1)) COMMENT 'The answer as text: a class, true or false, or a number',
    prediction_number Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'The answer as a number where it is one; true is 1',
    score             Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'Probability of the positive class (binary models)',
    scores            Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Class to probability (multi-class models)',
    numbers           Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Features logged as numbers or booleans, as logged: numbers[''temp'']',
    strings           Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'Features logged as text, as logged: strings[''carrier'']',
    faults            Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)) COMMENT 'Feature to what is wrong with its value: missing, null, hidden_null, out_of_range, ...',
    segments          Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'Segment tags',
    feature_times     Map(LowCardinality(String), DateTime64(6, 'UTC')) CODEC(ZSTD(1)) COMMENT 'Feature to when its value was known',
    attributions      Map(LowCardinality(String), Float64) CODEC(ZSTD(1)) COMMENT 'Feature to its share in this prediction',
    topic             LowCardinality(String) COMMENT 'Kafka topic of the record',
    partition         Int32 CODEC(Delta(4), ZSTD(1)) COMMENT 'Kafka partition of the record',
    offset            Int64 CODEC(Delta(8), ZSTD(1)) COMMENT 'Kafka offset of the record',
    INDEX by_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_request_id request_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_entity_id entity_id TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION stored_until (SELECT topic, partition, max(offset), max(appended_at) GROUP BY topic, partition)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(appended_at)
ORDER BY (model, occurred_at, topic, partition, offset)
SETTINGS deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild'
COMMENT 'Every valid prediction event, as logged'
