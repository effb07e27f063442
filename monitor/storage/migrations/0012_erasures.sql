CREATE TABLE IF NOT EXISTS erasures
(
    erased_at   DateTime64(6, 'UTC') COMMENT 'When the last row was gone, by the eraser''s clock',
    entity_hash String COMMENT 'Hash of the person''s id: keyed: with sensitivity.hash_key, sha256: without',
    model       String COMMENT 'The model that the erasure was bounded to, or empty for all',
    found       Map(LowCardinality(String), UInt64) COMMENT 'Table to rows that named the person before',
    remaining   Map(LowCardinality(String), UInt64) COMMENT 'Table to rows that still did afterwards: zeros',
    account     String COMMENT 'The ClickHouse account that erased'
)
ENGINE = MergeTree
ORDER BY (erased_at, entity_hash)
COMMENT 'Who was erased when, without the id: what plumbline forget proves'
