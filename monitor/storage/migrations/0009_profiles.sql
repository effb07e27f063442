CREATE TABLE IF NOT EXISTS profiles
(
    profile_hash String COMMENT 'Content address, sha256: and 64 hex digits',
    content      String CODEC(ZSTD(3)) COMMENT 'The profile as it was built',
    size_bytes   UInt64 COMMENT 'Size of the content',
    stored_at    DateTime('UTC') DEFAULT now() COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY profile_hash
SETTINGS index_granularity = 16
COMMENT 'Reference profiles, named by the model cards'
