CREATE OR REPLACE VIEW current_alerts AS
SELECT *
FROM alerts
ORDER BY last_offset DESC,
    indexOf(['pending', 'firing', 'recovering', 'stale', 'superseded', 'resolved'], state) DESC,
    state = previous DESC, moved_at DESC
LIMIT 1 BY model, fingerprint
COMMENT 'The latest move of every alert, in the order of the log; of one state the one told again last'
