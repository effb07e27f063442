"""Named questions of the web pages: pane summaries, findings and alerts, never a scan of raw rows.

In and out: as in `queries`. Each takes a stretch of event time, cut into buckets of `width_us`
from `since` on, so that an answer has as many rows as a page can draw, whatever the traffic.

The events of a pane are counted once: in one column (the first by name) of each version.
"""

from typing import Final

from monitor.storage.queries import Query

REGISTERED_MODELS = Query(
    "registered_models",
    "Every registered model: its newest version and card, its owner, how many versions it has.",
    """
SELECT model, argMax(model_version, appended_at) AS model_version,
    argMax(task, appended_at) AS task,
    argMax(owner_team, appended_at) AS owner_team,
    argMax(owner_contact, appended_at) AS owner_contact,
    argMax(profile_hash, appended_at) AS profile_hash, uniqExact(cards.model_version) AS versions
FROM cards
GROUP BY model
ORDER BY model
LIMIT 20000
""",
)

TESTED_VERSIONS = Query(
    "tested_versions",
    "Of each version that is tested: events in panes, first and last event time, last stored.",
    """
SELECT model, model_version, sum(n) AS events, min(started_at) AS first_at,
    max(ended_at) AS last_at, max(stored_at) AS stored_at
FROM pane_summaries FINAL
WHERE (model, model_version, column) IN
(
    SELECT model, model_version, min(column) FROM pane_summaries GROUP BY model, model_version
)
    AND ({model:String} = '' OR model = {model:String})
GROUP BY model, model_version
ORDER BY model, first_at, model_version
LIMIT 40000
""",
)

TRAFFIC = Query(
    "traffic",
    "Events by model, version and bucket of event time.",
    """
SELECT model, model_version,
    intDiv(toUnixTimestamp64Micro(started_at)
        - toUnixTimestamp64Micro({since:DateTime64(6, 'UTC')}), {width_us:Int64}) AS bucket,
    sum(n) AS events
FROM pane_summaries FINAL
WHERE (model, model_version, column) IN
(
    SELECT model, model_version, min(column) FROM pane_summaries GROUP BY model, model_version
)
    AND ({model:String} = '' OR model = {model:String})
    AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}
GROUP BY model, model_version, bucket
ORDER BY model, model_version, bucket
LIMIT 100000
""",
)

STORED_LATELY = Query(
    "stored_lately",
    "Of each model: events stored in the last minute, and how late its newest event was stored.",
    """
SELECT model, sumIf(n, stored_at >= now() - 60) AS events,
    dateDiff('second', max(ended_at), argMax(stored_at, ended_at)) AS lag_s
FROM pane_summaries
WHERE (model, model_version, column) IN
(
    SELECT model, model_version, min(column) FROM pane_summaries GROUP BY model, model_version
)
GROUP BY model
ORDER BY model
LIMIT 20000
""",
)

NEAREST_DRIFT = Query(
    "nearest_drift",
    "Of each model the column whose newest looks, of one day, came nearest to drift.",
    """
SELECT model, argMax(feature, share) AS column, argMax(newest, share) AS largest,
    argMax(needed, share) AS limit
FROM
(
    SELECT model, feature, check, scale, argMax(effect, ended_at) AS newest,
        argMax(if(isFinite(smallest_visible) AND smallest_visible > 0, smallest_visible, threshold),
            ended_at) AS needed,
        if(needed > 0, newest / needed, 0) AS share
    FROM findings
    INNER JOIN
    (
        SELECT model, max(ended_at) AS last_at FROM findings
        WHERE alertname IN ('FeatureDrift', 'PredictionDrift') GROUP BY model
    ) AS last USING (model)
    WHERE alertname IN ('FeatureDrift', 'PredictionDrift') AND verdict != 'cannot_tell'
        AND isFinite(effect) AND segment = '' AND ended_at >= last_at - toIntervalDay(1)
    GROUP BY model, model_version, feature, check, scale
)
GROUP BY model
ORDER BY model
LIMIT 20000
""",
)

NEWEST_LOSSES = Query(
    "newest_losses",
    "Of each model the loss in its newest cohort with labels, and that of the trivial baseline.",
    """
SELECT model, argMax(if(mapContains(metrics, 'log_loss'), metrics['log_loss'], metrics['mae']),
        cohort_start) AS loss,
    argMax(baseline_loss, cohort_start) AS baseline
FROM cohorts FINAL
WHERE segment = '' AND labelled > 0
GROUP BY model
ORDER BY model
LIMIT 20000
""",
)

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
ORDER BY moved_at DESC, last_offset DESC, event_id
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

DRIFT_MAP = Query(
    "drift_map",
    "Of each column and bucket the look that came nearest to its threshold, or went furthest past.",
    """
SELECT feature, bucket, max(share) AS nearest, argMax(effect, share) AS largest,
    argMax(needed, share) AS limit, argMax(check, share) AS test, argMax(scale, share) AS window,
    count() AS looks, countIf(verdict = 'drift') AS drifted,
    countIf(verdict = 'cannot_tell') AS blind
FROM
(
    SELECT feature, check, scale, effect, verdict,
        if(isFinite(smallest_visible) AND smallest_visible > 0, smallest_visible, threshold)
            AS needed,
        if(verdict = 'cannot_tell' OR NOT isFinite(effect) OR needed <= 0, -1, effect / needed)
            AS share,
        intDiv(toUnixTimestamp64Micro(ended_at)
            - toUnixTimestamp64Micro({since:DateTime64(6, 'UTC')}), {width_us:Int64}) AS bucket
    FROM findings
    WHERE model = {model:String} AND alertname IN ('FeatureDrift', 'PredictionDrift')
        AND ended_at >= {since:DateTime64(6, 'UTC')} AND ended_at < {until:DateTime64(6, 'UTC')}
        AND model_version = {version:String} AND segment = '' AND feature != ''
)
GROUP BY feature, bucket
ORDER BY feature, bucket
LIMIT 50000
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

LEVELS = Query(
    "levels",
    "Mean, smallest and largest value of a number column by bucket.",
    """
SELECT intDiv(toUnixTimestamp64Micro(started_at)
        - toUnixTimestamp64Micro({since:DateTime64(6, 'UTC')}), {width_us:Int64}) AS bucket,
    sum(if(n > missing, mean * (n - missing), 0)) / sum(n - missing) AS mean,
    minIf(minimum, n > missing) AS lowest, maxIf(maximum, n > missing) AS highest,
    sum(n - missing) AS events
FROM pane_summaries FINAL
WHERE model = {model:String} AND model_version = {version:String} AND column = {column:String}
    AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}
GROUP BY bucket
HAVING events > 0
ORDER BY bucket
LIMIT 5000
""",
)

PANES_OF_WINDOW = Query(
    "panes_of_window",
    "How many panes and events a window of one column has, and whether they are categories.",
    """
SELECT count() AS panes, sum(n) AS events, sum(missing) AS missing, min(started_at) AS first_at,
    max(ended_at) AS last_at, countIf(notEmpty(counts)) AS counted
FROM pane_summaries FINAL
WHERE model = {model:String} AND model_version = {version:String} AND column = {column:String}
    AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}
""",
)

SKETCHES_OF_WINDOW = Query(
    "sketches_of_window",
    "Quantile sketches of a window: every `step`-th pane, so that their number is bounded.",
    """
SELECT sketch, n, missing
FROM pane_summaries
WHERE model = {model:String} AND model_version = {version:String} AND column = {column:String}
    AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}
    AND pane % {step:UInt32} = 0 AND notEmpty(sketch)
ORDER BY started_at
LIMIT 1 BY pane, topic, partition, first_offset
LIMIT 400
""",
    binary=("sketch",),
)

CATEGORIES_OF_WINDOW = Query(
    "categories_of_window",
    "How often each category occurred in a window, the most frequent first.",
    """
SELECT category, sum(events) AS events
FROM
(
    SELECT counts
    FROM pane_summaries FINAL
    WHERE model = {model:String} AND model_version = {version:String} AND column = {column:String}
        AND started_at >= {since:DateTime64(6, 'UTC')}
        AND started_at < {until:DateTime64(6, 'UTC')}
)
ARRAY JOIN mapKeys(counts) AS category, mapValues(counts) AS events
GROUP BY category
ORDER BY events DESC, category
LIMIT 1100
""",
)

QUALITY_MAP = Query(
    "quality_map",
    "Share of events without a usable value, by column and bucket.",
    """
SELECT column, intDiv(toUnixTimestamp64Micro(started_at)
        - toUnixTimestamp64Micro({since:DateTime64(6, 'UTC')}), {width_us:Int64}) AS bucket,
    sum(n) AS events, sum(missing) AS missing
FROM pane_summaries FINAL
WHERE model = {model:String} AND model_version = {version:String}
    AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}
GROUP BY column, bucket
ORDER BY column, bucket
LIMIT 50000
""",
)

FAULTS_OF_WINDOW = Query(
    "faults_of_window",
    "Faults of values by column and reason, from pane summaries.",
    """
SELECT column, reason, sum(events) AS events
FROM
(
    SELECT column, faults
    FROM pane_summaries FINAL
    WHERE model = {model:String} AND model_version = {version:String} AND notEmpty(faults)
        AND started_at >= {since:DateTime64(6, 'UTC')}
        AND started_at < {until:DateTime64(6, 'UTC')}
)
ARRAY JOIN mapKeys(faults) AS reason, mapValues(faults) AS events
GROUP BY column, reason
ORDER BY events DESC, column, reason
LIMIT 500
""",
)

REJECTIONS_OF_MODEL = Query(
    "rejections_of_model",
    "Refused records that named a model, by first reason.",
    """
SELECT reasons[1] AS reason, count() AS records, max(appended_at) AS last_at
FROM rejections FINAL
WHERE model = {model:String}
GROUP BY reason
ORDER BY records DESC, reason
LIMIT 100
""",
)

PROFILE_CONTENT = Query(
    "profile_content",
    "A reference profile by its content address.",
    "SELECT content FROM profiles WHERE profile_hash = {profile_hash:String} LIMIT 1",
    binary=("content",),
)

PULSE = Query(
    "pulse",
    "What changes when anything was stored: looked at often, so it reads as little as it can.",
    """
SELECT (SELECT count() FROM alerts) AS moves, (SELECT count() FROM commands) AS commands,
    (SELECT count() FROM pane_summaries) AS panes, (SELECT count() FROM cards) AS cards
""",
)

PAGE_QUERIES: Final[tuple[Query, ...]] = (
    REGISTERED_MODELS,
    TESTED_VERSIONS,
    TRAFFIC,
    STORED_LATELY,
    NEAREST_DRIFT,
    NEWEST_LOSSES,
    OPEN_BY_MODEL,
    ALERT_LIST,
    ALERT_NOW,
    ALERTS_BEHIND,
    RECENT_MOVES,
    FIRINGS,
    DRIFT_MAP,
    EFFECT_LINES,
    LEVELS,
    PANES_OF_WINDOW,
    SKETCHES_OF_WINDOW,
    CATEGORIES_OF_WINDOW,
    QUALITY_MAP,
    FAULTS_OF_WINDOW,
    REJECTIONS_OF_MODEL,
    PROFILE_CONTENT,
    PULSE,
)
"""Every question of the pages, for tests and for the bench."""
