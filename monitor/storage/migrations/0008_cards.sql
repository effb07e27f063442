CREATE TABLE IF NOT EXISTS cards
(
    model               LowCardinality(String) COMMENT 'Name of the model',
    model_version       LowCardinality(String) COMMENT 'Version of the model',
    appended_at         DateTime64(6, 'UTC') COMMENT 'When the broker appended the card to its log',
    card_hash           String COMMENT 'SHA-256 of the card',
    card                String CODEC(ZSTD(1)) COMMENT 'The card as JSON',
    owner_team          LowCardinality(String) COMMENT 'Owning team, or empty: the model is an orphan',
    owner_contact       String COMMENT 'How to reach the team, or empty',
    task                LowCardinality(String) COMMENT 'binary, multiclass or regression',
    previous_version    String COMMENT 'The version that this one replaces, or empty',
    retrain_reason      String CODEC(ZSTD(1)) COMMENT 'Why it was retrained, or empty',
    dataset_fingerprint String COMMENT 'Fingerprint of the reference data set, or empty',
    profile_hash        String COMMENT 'Content address of the reference profile, or empty',
    stored_at           DateTime('UTC') DEFAULT now() COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, model_version, appended_at, card_hash)
COMMENT 'Every registration of a model version, changes included'
