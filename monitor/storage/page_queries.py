"""Named questions of the web pages: pane summaries, findings and alerts, never a scan of raw rows.

In and out: as in `queries`. Each takes a stretch of event time, cut into buckets of `width_us`
from `since` on, so that an answer has as many rows as a page can draw, whatever the traffic.

The events of a pane are counted once: in the column `prediction`, which every profile has.
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
WHERE column = 'prediction'
GROUP BY model, model_version
ORDER BY model, first_at, model_version
LIMIT 40000
""",
)

VERSIONS_OF_MODEL = Query(
    "versions_of_model",
    "The same of one model.",
    """
SELECT model, model_version, sum(n) AS events, min(started_at) AS first_at,
    max(ended_at) AS last_at, max(stored_at) AS stored_at
FROM pane_summaries FINAL
WHERE model = {model:String} AND column = 'prediction'
GROUP BY model, model_version
ORDER BY first_at, model_version
LIMIT 10000
""",
)

TRAFFIC_OF_ALL = Query(
    "traffic_of_all",
    "Events by model and bucket of event time.",
    """
SELECT model, intDiv(toUnixTimestamp64Micro(started_at)
        - toUnixTimestamp64Micro({since:DateTime64(6, 'UTC')}), {width_us:Int64}) AS bucket,
    sum(n) AS events
FROM pane_summaries FINAL
WHERE column = 'prediction'
    AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}
GROUP BY model, bucket
ORDER BY model, bucket
LIMIT 100000
""",
)

TRAFFIC = Query(
    "traffic",
    "Events of a model by version and bucket of event time.",
    """
SELECT model_version, intDiv(toUnixTimestamp64Micro(started_at)
        - toUnixTimestamp64Micro({since:DateTime64(6, 'UTC')}), {width_us:Int64}) AS bucket,
    sum(n) AS events
FROM pane_summaries FINAL
WHERE model = {model:String} AND column = 'prediction'
    AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}
GROUP BY model_version, bucket
ORDER BY model_version, bucket
LIMIT 100000
""",
)

DRIFT_MAP = Query(
    "drift_map",
    "Of each column and bucket the look that came nearest to its threshold, or went furthest past.",
    """
SELECT feature, bucket, argMax((share, effect, needed, check, scale), share) AS nearest,
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
    "Events without a usable value and faults of values, by column and bucket.",
    """
SELECT column, intDiv(toUnixTimestamp64Micro(started_at)
        - toUnixTimestamp64Micro({since:DateTime64(6, 'UTC')}), {width_us:Int64}) AS bucket,
    sum(n) AS events, sum(missing) AS missing, sumMap(faults) AS reasons
FROM pane_summaries FINAL
WHERE model = {model:String} AND model_version = {version:String}
    AND started_at >= {since:DateTime64(6, 'UTC')} AND started_at < {until:DateTime64(6, 'UTC')}
GROUP BY column, bucket
ORDER BY column, bucket
LIMIT 50000
""",
)

NEWEST_EVENTS = Query(
    "newest_events",
    "The newest predictions of a model since a moment: a few raw rows, of the columns shown.",
    """
SELECT event_id, model_version, occurred_at, prediction, score, status, faults
FROM
(
    SELECT event_id, model_version, occurred_at, prediction, score, status, faults, topic,
        partition, offset
    FROM predictions
    WHERE model = {model:String} AND occurred_at >= {since:DateTime64(6, 'UTC')}
    ORDER BY occurred_at DESC
    LIMIT 2 * {limit:UInt32}
)
ORDER BY occurred_at DESC, offset DESC
LIMIT 1 BY topic, partition, offset
LIMIT {limit:UInt32}
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
    VERSIONS_OF_MODEL,
    TRAFFIC_OF_ALL,
    TRAFFIC,
    DRIFT_MAP,
    LEVELS,
    PANES_OF_WINDOW,
    SKETCHES_OF_WINDOW,
    CATEGORIES_OF_WINDOW,
    QUALITY_MAP,
    NEWEST_EVENTS,
    REJECTIONS_OF_MODEL,
    PROFILE_CONTENT,
    PULSE,
)
"""Every question of the pages, for tests and for the bench."""
