CREATE TABLE IF NOT EXISTS commands
(
    model       LowCardinality(String) COMMENT 'Name of the model',
    fingerprint String COMMENT 'The alert that it is about',
    command_id  String CODEC(ZSTD(1)) COMMENT 'Id that its sender gave it',
    action      LowCardinality(String) COMMENT 'acknowledge, silence, accept or close',
    who         String CODEC(ZSTD(1)) COMMENT 'Who decided',
    why         String CODEC(ZSTD(1)) COMMENT 'Why',
    issued_at   DateTime64(6, 'UTC') COMMENT 'When, says the sender',
    until       DateTime64(6, 'UTC') COMMENT 'End of a silence or of an accepted new normal (event time); 1970 for none',
    done        Bool COMMENT 'Whether it had an effect',
    effect      String CODEC(ZSTD(1)) COMMENT 'What it changed, or why it was refused',
    acts_from   Int64 COMMENT 'Offset of the predictions from which it acts',
    appended_at DateTime64(6, 'UTC') COMMENT 'When the broker appended it to its log',
    topic       LowCardinality(String) COMMENT 'Kafka topic of the command',
    partition   Int32 COMMENT 'Kafka partition of the command',
    offset      Int64 COMMENT 'Kafka offset of the command',
    stored_at   DateTime('UTC') DEFAULT now() COMMENT 'When the row was stored, by the server''s clock'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, fingerprint, topic, partition, offset)
COMMENT 'Every command and what it did: the audit trail of what people decided about alerts'
