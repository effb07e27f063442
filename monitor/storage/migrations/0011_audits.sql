CREATE TABLE IF NOT EXISTS audits
(
    profile_hash        String COMMENT 'The profile that was built from the audited data set',
    dataset_fingerprint String COMMENT 'Fingerprint of the data set',
    audit               String CODEC(ZSTD(3)) COMMENT 'The data audit as JSON',
    stored_at           DateTime('UTC') DEFAULT now() COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY profile_hash
COMMENT 'Data audits of the reference data sets'
