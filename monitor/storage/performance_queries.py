"""Named questions about how good model versions were: closed cohorts and verdicts on versions.

In and out: as in `queries`. Never: a raw prediction or label; cohorts hold all that is asked.
"""

from typing import Final

from monitor.storage.queries import Query

COHORTS_OF_VERSION = Query(
    "cohorts_of_version",
    "Closed cohorts of a version over all traffic: what was measured, and what was estimated.",
    """
SELECT cohort_start, cohort_end, predictions, labelled, metrics, lower, upper, estimated,
    baseline_loss, promised, observed, bin_counts
FROM cohorts FINAL
WHERE model = {model:String} AND model_version = {version:String} AND segment = ''
    AND cohort_start >= {since:DateTime64(6, 'UTC')}
    AND cohort_start < {until:DateTime64(6, 'UTC')}
ORDER BY cohort_start
LIMIT 2000
""",
)

SEGMENTS_OF_VERSION = Query(
    "segments_of_version",
    "Each segment of a version over a stretch: labelled predictions and the mean of one metric.",
    """
SELECT segment, sum(predictions) AS answers, sum(labelled) AS labels, count() AS cohorts,
    sumIf(metrics[{metric:String}] * labelled, isFinite(metrics[{metric:String}]))
        / sumIf(labelled, isFinite(metrics[{metric:String}])) AS level,
    argMax(metrics[{metric:String}], cohort_start) AS newest,
    argMax(lower[{metric:String}], cohort_start) AS newest_lower,
    argMax(upper[{metric:String}], cohort_start) AS newest_upper
FROM cohorts FINAL
WHERE model = {model:String} AND model_version = {version:String}
    AND cohort_start >= {since:DateTime64(6, 'UTC')}
    AND cohort_start < {until:DateTime64(6, 'UTC')} AND labelled > 0
GROUP BY segment
ORDER BY segment = '' DESC, labels DESC, segment
LIMIT 100
""",
)

VERDICTS_OF_MODEL = Query(
    "verdicts_of_model",
    "The newest verdict on each version against the one that it replaces.",
    """
SELECT new_version, old_version, at, verdict, design, labels, difference, lower, upper,
    smallest_difference, final, rollback_recommended
FROM comparisons FINAL
WHERE model = {model:String}
ORDER BY at DESC, blocks DESC
LIMIT 1 BY new_version, old_version
LIMIT 100
""",
)

LEVELS_OF_VERSIONS = Query(
    "levels_of_versions",
    "Each version over all its cohorts: labelled predictions and the mean of every metric.",
    """
SELECT model_version, metric, sum(labelled) AS labels,
    sum(value * labelled) / sum(labelled) AS level
FROM
(
    SELECT model_version, labelled, metrics FROM cohorts FINAL
    WHERE model = {model:String} AND segment = '' AND labelled > 0
)
ARRAY JOIN mapKeys(metrics) AS metric, mapValues(metrics) AS value
WHERE isFinite(value)
GROUP BY model_version, metric
ORDER BY model_version, metric
LIMIT 2000
""",
)

PERFORMANCE_QUERIES: Final[tuple[Query, ...]] = (
    COHORTS_OF_VERSION,
    SEGMENTS_OF_VERSION,
    VERDICTS_OF_MODEL,
    LEVELS_OF_VERSIONS,
)
"""Every question about performance, for tests and for the bench."""
