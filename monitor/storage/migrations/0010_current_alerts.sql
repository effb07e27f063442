CREATE VIEW IF NOT EXISTS current_alerts AS
SELECT *
FROM alerts
ORDER BY moved_at DESC, last_offset DESC, starts_at DESC
LIMIT 1 BY model, fingerprint
COMMENT 'The latest move of every alert'
