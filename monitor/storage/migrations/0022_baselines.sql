CREATE TABLE IF NOT EXISTS baselines
(
    model         LowCardinality(String) COMMENT 'Name of the model',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    column        LowCardinality(String) COMMENT 'Feature or output whose distribution a person accepted as normal',
    turn          LowCardinality(String) COMMENT 'acts or ended',
    fingerprint   String COMMENT 'The alert that the command named',
    command_id    String CODEC(ZSTD(1)) COMMENT 'The command, as in the table commands',
    who           String CODEC(ZSTD(1)) COMMENT 'Who accepted it',
    why           String CODEC(ZSTD(1)) COMMENT 'Why',
    until         DateTime64(6, 'UTC') COMMENT 'Event time at which the original reference acts again',
    offset        Int64 COMMENT 'Offset of the predictions from which it acts, or no longer does',
    at            DateTime64(6, 'UTC') COMMENT 'Event time of the last event known there',
    reason        String CODEC(ZSTD(1)) COMMENT 'Why it acts, or what ended it',
    acts_from     Int64 COMMENT 'Offset of the predictions from which it acts, in both rows',
    accepted_at   DateTime64(6, 'UTC') COMMENT 'Event time of the last event known there, in both rows',
    first_event   Int64 COMMENT 'Index in the tested stream of the first event that was accepted',
    first_offset  Int64 COMMENT 'Offset of that event',
    last_offset   Int64 COMMENT 'Offset of the last event that was accepted',
    n_rows        UInt64 COMMENT 'Events that were accepted, those without a value included',
    slots         Array(UInt16) CODEC(ZSTD(1)) COMMENT 'Slots of the original reference that occur in them',
    counts        Array(UInt32) CODEC(ZSTD(1)) COMMENT 'How often each slot does',
    profile_hash  String COMMENT 'SHA-256 of the profile with the original reference',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the predictions',
    partition     Int32 COMMENT 'Kafka partition of the predictions',
    stored_at     DateTime('UTC') DEFAULT now() COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, model_version, column, command_id, turn)
COMMENT 'Distributions that people accepted as normal instead of the reference: two rows each, from where it acts and where it ended'
