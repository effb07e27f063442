CREATE TABLE IF NOT EXISTS migrations
(
    number     UInt32                     COMMENT 'Number of the migration, from its file name',
    name       String                     COMMENT 'File name',
    checksum   String                     COMMENT 'SHA-256 of the file as it was applied',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY number
COMMENT 'Which migrations this database has had'
