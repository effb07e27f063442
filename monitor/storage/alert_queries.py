"""Named questions of the web pages about alerts: lists, one alert, its consequences, its evidence.

In and out: as in `page_queries`. Never: an alert that nobody has heard of before it was published.
"""

from typing import Final

from monitor.storage.queries import Query

OPEN_BY_MODEL = Query(
    "open_by_model",
    "How many alerts of each model are on, by severity; those behind a nearer cause apart.",
    """
SELECT model, severity, count() AS alerts, countIf(annotations['inhibited_by'] != '') AS inhibited,
    countIf(category = 'silence') AS silent
FROM current_alerts
WHERE state IN ('firing', 'recovering', 'stale')
GROUP BY model, severity
ORDER BY model, severity
LIMIT 60000
""",
)

ALERT_LIST = Query(
    "alert_list",
    "The last move of each alert, the newest first: those that are on, or all that ever fired.",
    """
SELECT fingerprint, model, model_version, alertname, severity, category, feature, segment, state,
    reason, starts_at, moved_at, check, scale, effect,
    if(isFinite(smallest_visible), smallest_visible, threshold) AS limit, annotations
FROM current_alerts
WHERE (state IN ('firing', 'recovering', 'stale') OR ({ended:Bool} AND published))
    AND ({model:String} = '' OR model = {model:String})
    AND ({severity:String} = '' OR severity = {severity:String})
ORDER BY state IN ('firing', 'recovering', 'stale') DESC, moved_at DESC,
    annotations['inhibited_by'] != '', fingerprint
LIMIT {limit:UInt32}
""",
)

ALERT_NOW = Query(
    "alert_now",
    "The last move of one alert with everything that it carries.",
    """
SELECT fingerprint, model, model_version, alertname, severity, category, feature, segment, state,
    previous, reason, starts_at, moved_at, clock, check, scale, verdict, statistic, effect,
    threshold, p_value, n_ref, n_cur, n_effective, smallest_visible, values, annotations, topic,
    partition, first_offset, last_offset, started_at, ended_at
FROM current_alerts
WHERE fingerprint = {fingerprint:String}
LIMIT 1
""",
)

ALERTS_BEHIND = Query(
    "alerts_behind",
    "Alerts that were put behind this one as its consequence, and the others of its incident.",
    """
SELECT fingerprint, alertname, feature, segment, severity, state, reason, starts_at, moved_at,
    annotations['inhibited_by'] AS inhibited_by
FROM current_alerts
WHERE model = {model:String} AND fingerprint != {fingerprint:String}
    AND (annotations['inhibited_by'] = {fingerprint:String}
        OR (annotations['incident'] = {incident:String} AND {incident:String} != ''))
ORDER BY inhibited_by = {fingerprint:String} DESC, starts_at, fingerprint
LIMIT 200
""",
)

RECENT_MOVES = Query(
    "recent_moves",
    "The newest published moves of a model's alerts, or of all.",
    """
SELECT fingerprint, model, model_version, alertname, feature, segment, severity, state, previous,
    reason, moved_at
FROM alerts FINAL
WHERE published AND ({model:String} = '' OR model = {model:String})
ORDER BY moved_at DESC, last_offset DESC,
    indexOf(['pending', 'firing', 'recovering', 'stale', 'superseded', 'resolved'], state) DESC,
    event_id
LIMIT {limit:UInt32}
""",
)

FIRINGS = Query(
    "firings",
    "How often tests of a version against its budget fired in a stretch of event time.",
    """
SELECT category, alertname, count() AS firings, uniqExact(fingerprint) AS alerts
FROM alerts FINAL
WHERE model = {model:String} AND model_version = {version:String} AND published
    AND state = 'firing' AND previous = 'pending' AND NOT clock
    AND moved_at >= {since:DateTime64(6, 'UTC')} AND moved_at < {until:DateTime64(6, 'UTC')}
GROUP BY category, alertname
ORDER BY firings DESC, alertname
""",
)

EFFECT_LINES = Query(
    "effect_lines",
    "The effect of each test behind one alert over time, beside what it has to exceed.",
    """
SELECT check, scale,
    intDiv(toUnixTimestamp64Micro(ended_at)
        - toUnixTimestamp64Micro({since:DateTime64(6, 'UTC')}), {width_us:Int64}) AS bucket,
    max(ended_at) AS at, max(effect) AS largest,
    argMax(if(isFinite(smallest_visible), smallest_visible, threshold), effect) AS limit,
    count() AS looks
FROM findings
WHERE model = {model:String} AND alertname = {alertname:String} AND feature = {feature:String}
    AND ended_at >= {since:DateTime64(6, 'UTC')} AND ended_at < {until:DateTime64(6, 'UTC')}
    AND model_version = {version:String} AND segment = {segment:String}
    AND verdict != 'cannot_tell' AND isFinite(effect)
GROUP BY check, scale, bucket
ORDER BY check, scale, bucket
LIMIT 10000
""",
)

ALERT_QUERIES: Final[tuple[Query, ...]] = (
    OPEN_BY_MODEL,
    ALERT_LIST,
    ALERT_NOW,
    ALERTS_BEHIND,
    RECENT_MOVES,
    FIRINGS,
    EFFECT_LINES,
)
"""Every question about alerts, for tests and for the bench."""
