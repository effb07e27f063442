CREATE TABLE IF NOT EXISTS boundaries
(
    model         LowCardinality(String) COMMENT 'Name of the model',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    change        LowCardinality(String) COMMENT 'begun, card, windows, replaced or quarantined',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the predictions',
    partition     Int32 COMMENT 'Kafka partition of the predictions',
    offset        Int64 COMMENT 'The first offset that is treated in the new way',
    card_hash     String COMMENT 'SHA-256 of the card that acts from there, or empty: none',
    reason        String CODEC(ZSTD(1)) COMMENT 'Why',
    at            DateTime64(6, 'UTC') COMMENT 'Event time of the last event known there',
    stored_at     DateTime('UTC') DEFAULT now() COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, model_version, topic, partition, offset, change, card_hash)
COMMENT 'Between which two events another card acts for a model version, or none'
