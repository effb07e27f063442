"""Named questions of `plumbline top`: one row a model, beside the overview of the web pages.

In and out: as in `queries`. Never: a raw row; the events of a pane are counted once, in the column
`prediction`, which every profile has.
"""

from typing import Final

from monitor.storage.queries import Query

STORED_LATELY = Query(
    "stored_lately",
    "Of each model: events stored in the last minute, and how late its newest event was stored.",
    """
SELECT model, sumIf(n, stored_at >= now() - 60) AS events,
    dateDiff('second', max(ended_at), argMax(stored_at, ended_at)) AS lag_s
FROM pane_summaries
WHERE column = 'prediction'
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

TOP_QUERIES: Final[tuple[Query, ...]] = (STORED_LATELY, NEAREST_DRIFT, NEWEST_LOSSES)
"""Every question of the terminal, for tests."""
