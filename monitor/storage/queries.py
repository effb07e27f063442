"""Named questions to the database: what summaries, pages, `doctor` and audits ask.

In: a connection (of the reader's account) and values. Out: rows as dictionaries.
Never: a value formatted into SQL: every one is a `{name:Type}` parameter, bound by the server.

Repeats of a row collapse in merges, which may come late; so each question reads FINAL or counts
in a way that a repeat cannot change. Months are text, as in 2013-03.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from monitor.storage.connection import Connection

_PARAMETER: Final = re.compile(r"\{(\w+):")


@dataclass(frozen=True, slots=True)
class Query:
    """One question; `binary` are the columns that come back as bytes.

    `most_rows_read`, where set, is what a `Reader` lets it read before it gives up: a question
    about one event or one window must never scan a table.
    """

    name: str
    purpose: str
    sql: str
    binary: tuple[str, ...] = ()
    most_rows_read: int | None = None

    @property
    def parameters(self) -> frozenset[str]:
        """Names of the values that it needs.

        >>> sorted(EVENT_BY_ID.parameters)
        ['event_id', 'model']
        """
        return frozenset(_PARAMETER.findall(self.sql))


def ask(
    connection: Connection, query: Query, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The answer's rows. Times may be given as aware datetimes."""
    return connection.query(query.sql, bound(query, parameters), binary=query.binary)


def bound(query: Query, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values as they travel; ValueError unless they are exactly those that it takes."""
    given = {name: _bound(value) for name, value in (parameters or {}).items()}
    if given.keys() != query.parameters:
        raise ValueError(
            f"query {query.name} takes {sorted(query.parameters)}, got {sorted(given)}"
        )
    return given


def _bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value


EVENTS_BY_MODEL = Query(
    "events_by_model",
    "Stored events of each model version, with the first and last event time.",
    """
SELECT model, model_version, count() AS events, countIf(repeated) AS repeated,
    countIf(NOT registered) AS unregistered, countIf(notEmpty(faults)) AS with_faults,
    min(occurred_at) AS first_at, max(occurred_at) AS last_at
FROM predictions FINAL
GROUP BY model, model_version
ORDER BY model, model_version
""",
)

EVENTS_BY_MONTH = Query(
    "events_by_month",
    "Stored events of each model version by month of event time.",
    """
SELECT model, model_version, formatDateTime(min(occurred_at), '%Y-%m') AS month,
    count() AS events, avg(score) AS mean_score
FROM predictions FINAL
GROUP BY model, model_version, toYYYYMM(occurred_at)
ORDER BY model, model_version, month
""",
)

STORED_BY_TOPIC = Query(
    "stored_by_topic",
    "Records of each topic by the table that they are in: what reconciles with the producer.",
    """
SELECT topic, source, sum(records) AS records
FROM
(
    SELECT topic, 'predictions' AS source, count() AS records FROM predictions FINAL GROUP BY topic
    UNION ALL
    SELECT topic, 'labels', count() FROM labels FINAL GROUP BY topic
    UNION ALL
    SELECT topic, 'rejections', count() FROM rejections FINAL GROUP BY topic
)
GROUP BY topic, source
ORDER BY topic, source
""",
)

PROGRESS = Query(
    "progress",
    "Rows of each table so far, repeats included, and the alerts that are open.",
    """
SELECT (SELECT count() FROM predictions) AS predictions, (SELECT count() FROM labels) AS labels,
    (SELECT count() FROM rejections) AS rejected, (SELECT count() FROM findings) AS findings,
    (SELECT count() FROM current_alerts WHERE state IN ('firing', 'recovering', 'stale')) AS firing
""",
)

LABELS_BY_MODEL = Query(
    "labels_by_model",
    "Stored labels of each model.",
    """
SELECT model, count() AS labels, min(observed_at) AS first_at, max(observed_at) AS last_at
FROM labels FINAL
GROUP BY model
ORDER BY model
""",
)

REJECTIONS_BY_REASON = Query(
    "rejections_by_reason",
    "Refused records by topic and first reason.",
    """
SELECT topic, reasons[1] AS reason, count() AS records, min(appended_at) AS first_at,
    max(appended_at) AS last_at
FROM rejections FINAL
GROUP BY topic, reason
ORDER BY records DESC, topic, reason
""",
)

FAULTS_BY_FEATURE = Query(
    "faults_by_feature",
    "Value faults of a model's kept events by feature, reason and month.",
    """
SELECT feature, reason, formatDateTime(min(occurred_at), '%Y-%m') AS month, count() AS events
FROM predictions FINAL
ARRAY JOIN mapKeys(faults) AS feature, mapValues(faults) AS reason
WHERE model = {model:String}
GROUP BY feature, reason, toYYYYMM(occurred_at)
ORDER BY feature, reason, month
""",
)

ALERT_MOVES = Query(
    "alert_moves",
    "The published moves of a model's alerts in order of time.",
    """
SELECT event_id, fingerprint, model_version, alertname, severity, feature, segment, category,
    state, previous, reason, starts_at, moved_at, check, scale, effect, threshold, annotations,
    values, topic, partition, first_offset, last_offset
FROM alerts FINAL
WHERE model = {model:String} AND published
    AND moved_at >= {since:DateTime64(6, 'UTC')} AND moved_at < {until:DateTime64(6, 'UTC')}
ORDER BY moved_at, last_offset, event_id
""",
)

ALERTS_BY_MONTH = Query(
    "alerts_by_month",
    "How often each alert fired and was resolved, by month of event time.",
    """
SELECT model, formatDateTime(moved_at, '%Y-%m') AS month, alertname, feature, severity,
    countIf(state = 'firing' AND previous NOT IN ('recovering', 'firing')) AS fired,
    countIf(state = 'resolved') AS resolved, max(effect) AS max_effect
FROM alerts FINAL
WHERE published
GROUP BY model, month, alertname, feature, severity
ORDER BY model, month, alertname, feature
""",
)

INCIDENTS = Query(
    "incidents",
    "Every incident in the order of its opening: its alerts, and what the alert nearest to the "
    "cause said first.",
    """
SELECT model, incident, min(starts_at) AS opened_at, max(moved_at) AS last_at,
    arrayDistinct(arraySort(groupArray(trimRight(concat(alertname, ' ', feature))))) AS names,
    argMinIf(annotations['summary'], (moved_at, last_offset),
        state = 'firing' AND NOT mapContains(annotations, 'inhibited_by')) AS words
FROM
(
    SELECT *, annotations['incident'] AS incident
    FROM alerts FINAL
    WHERE published AND mapContains(annotations, 'incident')
)
GROUP BY model, incident
ORDER BY opened_at, model, incident
""",
)

FIRING_ALERTS = Query(
    "firing_alerts",
    "Alerts that are open now, the newest first.",
    """
SELECT model, model_version, alertname, severity, feature, segment, state, reason, effect,
    threshold, starts_at, moved_at, annotations, fingerprint
FROM current_alerts
WHERE state IN ('firing', 'recovering', 'stale')
ORDER BY moved_at DESC, fingerprint
""",
)

MOVES_OF_ALERT = Query(
    "moves_of_alert",
    "Every published move of one alert, in the order of the log.",
    """
SELECT model, model_version, alertname, severity, feature, segment, category, state, previous,
    reason, starts_at, moved_at, check, scale, effect, threshold, annotations, values, topic,
    partition, first_offset, last_offset, event_id
FROM alerts FINAL
WHERE fingerprint = {fingerprint:String} AND published
ORDER BY last_offset, moved_at,
    indexOf(['pending', 'firing', 'recovering', 'stale', 'superseded', 'resolved'], state), event_id
""",
)

COMMANDS_OF_ALERT = Query(
    "commands_of_alert",
    "What people decided about one alert, and what it did.",
    """
SELECT action, who, why, issued_at, until, done, effect, acts_from, appended_at, command_id
FROM commands FINAL
WHERE fingerprint = {fingerprint:String}
ORDER BY appended_at, offset
""",
)

BOUNDARIES_OF_MODEL = Query(
    "boundaries_of_model",
    "From which event on which card acted for each version of a model.",
    """
SELECT model_version, change, topic, partition, offset, card_hash, reason, at
FROM boundaries FINAL
WHERE model = {model:String}
ORDER BY partition, offset, model_version
""",
)

BASELINES_OF_MODEL = Query(
    "baselines_of_model",
    "Which distributions people accepted as normal for columns of a model, until when, and whether "
    "they still act.",
    """
SELECT model_version, column, fingerprint, command_id, who, why, until, acts_from,
    max(turn = 'ended') AS ended, maxIf(at, turn = 'ended') AS ended_at,
    anyIf(reason, turn = 'ended') AS end_reason, any(n_rows) AS n_rows,
    any(first_offset) AS first_offset, any(last_offset) AS last_offset,
    any(profile_hash) AS profile_hash, any(slots) AS slots, any(counts) AS counts
FROM baselines FINAL
WHERE model = {model:String}
GROUP BY model_version, column, fingerprint, command_id, who, why, until, acts_from
ORDER BY acts_from, model_version, column
""",
)

FINDINGS_BY_MONTH = Query(
    "findings_by_month",
    "What was measured of each column by month: looks, looks that saw drift, largest effect.",
    """
SELECT model, formatDateTime(ended_at, '%Y-%m') AS month, feature, check, scale, count() AS looks,
    countIf(verdict = 'drift') AS drift, countIf(verdict = 'cannot_tell') AS cannot_tell,
    max(effect) AS max_effect, any(threshold) AS threshold
FROM findings FINAL
GROUP BY model, month, feature, check, scale
ORDER BY model, month, feature, check, scale
""",
)

FINDINGS_OF_FEATURE = Query(
    "findings_of_feature",
    "Every measurement of one column between two event times.",
    """
SELECT model_version, check, scale, verdict, statistic, effect, threshold, p_value, n_ref, n_cur,
    n_effective, smallest_visible, reason, started_at, ended_at, first_offset, last_offset
FROM findings FINAL
WHERE model = {model:String} AND feature = {feature:String}
    AND ended_at >= {since:DateTime64(6, 'UTC')} AND ended_at < {until:DateTime64(6, 'UTC')}
ORDER BY ended_at, scale, check
""",
)

EVENT_BY_ID = Query(
    "event_by_id",
    "One prediction as logged, resends included.",
    """
SELECT *
FROM predictions
WHERE model = {model:String} AND event_id = {event_id:String}
ORDER BY appended_at, offset
LIMIT 1 BY topic, partition, offset
LIMIT 100
""",
)

LABELS_OF_EVENT = Query(
    "labels_of_event",
    "The labels that came for one prediction, the last one first.",
    """
SELECT label, label_number, observed_at, appended_at, event_id, request_id
FROM labels
WHERE model = {model:String}
    AND ((event_id = {event_id:String} AND event_id != '')
        OR (request_id = {request_id:String} AND request_id != ''))
ORDER BY appended_at DESC, offset DESC
LIMIT 1 BY topic, partition, offset
LIMIT 100
""",
)

LAST_EVENTS = Query(
    "last_events",
    "The newest predictions of a model by event time.",
    """
SELECT * EXCEPT (topic, partition, offset)
FROM
(
    SELECT event_id, model_version, occurred_at, prediction, score, status, numbers, strings,
        faults, topic, partition, offset
    FROM predictions
    WHERE model = {model:String}
    ORDER BY occurred_at DESC
    LIMIT 2 * {limit:UInt32}
)
ORDER BY occurred_at DESC, offset DESC
LIMIT 1 BY topic, partition, offset
LIMIT {limit:UInt32}
""",
)

PERFORMANCE_BY_MONTH = Query(
    "performance_by_month",
    "How good each version of a binary model was by month of event time, from the joined rows.",
    """
WITH
    truths AS
    (
        SELECT model, topic, event_id, request_id, argMax(label_number, offset) AS truth
        FROM labels
        WHERE model = {model:String}
        GROUP BY model, topic, event_id, request_id
    ),
    joined AS
    (
        SELECT model_version, toStartOfMonth(occurred_at) AS month, score,
            ifNull(by_event.truth, by_request.truth) AS truth
        FROM
        (
            SELECT model_version, occurred_at, score, event_id, request_id
            FROM predictions
            WHERE model = {model:String} AND NOT repeated AND status = 'ok'
            LIMIT 1 BY topic, partition, offset
        ) AS answers
        LEFT JOIN (SELECT event_id, truth FROM truths WHERE event_id != '') AS by_event
            ON answers.event_id = by_event.event_id
        LEFT JOIN (SELECT request_id, truth FROM truths WHERE event_id = '') AS by_request
            ON answers.request_id = by_request.request_id
        SETTINGS join_use_nulls = 1
    ),
    measured AS
    (
        SELECT model_version, month, count() AS predictions, countIf(truth IS NOT NULL) AS labelled,
            avgIf(-log(if(truth = 1, score, 1 - score)), truth IS NOT NULL) AS log_loss,
            arrayROCAUC(groupArrayIf(assumeNotNull(score), truth IS NOT NULL),
                groupArrayIf(toUInt8(assumeNotNull(truth)), truth IS NOT NULL)) AS auc
        FROM joined
        GROUP BY model_version, month
    ),
    closed AS
    (
        SELECT model_version, toStartOfMonth(cohort_start) AS month,
            sumIf(baseline_loss * labelled, labelled > 0) / sum(labelled) AS baseline,
            sumIf(estimated['log_loss'] * predictions, mapContains(estimated, 'log_loss'))
                / sumIf(predictions, mapContains(estimated, 'log_loss')) AS estimated_log_loss,
            sumIf(estimated['auc'] * predictions, mapContains(estimated, 'auc'))
                / sumIf(predictions, mapContains(estimated, 'auc')) AS estimated_auc
        FROM cohorts FINAL
        WHERE model = {model:String} AND segment = ''
        GROUP BY model_version, month
    )
SELECT measured.model_version AS model_version, formatDateTime(measured.month, '%Y-%m') AS month,
    predictions, labelled, log_loss, auc, baseline, estimated_log_loss, estimated_auc
FROM measured
LEFT JOIN closed
    ON measured.model_version = closed.model_version AND measured.month = closed.month
ORDER BY model_version, month
SETTINGS join_use_nulls = 1
""",
)

UNMATCHED_LABELS = Query(
    "unmatched_labels",
    "Labels of a model that name no stored prediction, by month of their observation.",
    """
SELECT formatDateTime(min(observed_at), '%Y-%m') AS month, count() AS labels
FROM labels FINAL
WHERE model = {model:String}
    AND NOT (event_id != ''
        AND event_id IN (SELECT event_id FROM predictions WHERE model = {model:String}))
    AND NOT (event_id = ''
        AND request_id IN (SELECT request_id FROM predictions WHERE model = {model:String}))
GROUP BY toYYYYMM(observed_at)
ORDER BY month
""",
)

COMPARISONS_OF_MODEL = Query(
    "comparisons_of_model",
    "The newest verdict on each version against the one that it replaced.",
    """
SELECT new_version, old_version, verdict, design, labels, difference, lower, upper,
    smallest_difference, final, rollback_recommended, at
FROM comparisons FINAL
WHERE model = {model:String}
ORDER BY new_version, old_version, blocks DESC
LIMIT 1 BY new_version, old_version
""",
)

CARDS_OF_MODEL = Query(
    "cards_of_model",
    "Every registration of a model, the newest first: who owned it, against what it was tested.",
    """
SELECT model_version, appended_at, card_hash, owner_team, owner_contact, task, previous_version,
    retrain_reason, dataset_fingerprint, profile_hash, card
FROM cards FINAL
WHERE model = {model:String}
ORDER BY appended_at DESC, model_version
""",
)

ALL: Final[tuple[Query, ...]] = (
    EVENTS_BY_MODEL,
    EVENTS_BY_MONTH,
    STORED_BY_TOPIC,
    PROGRESS,
    LABELS_BY_MODEL,
    REJECTIONS_BY_REASON,
    FAULTS_BY_FEATURE,
    ALERT_MOVES,
    ALERTS_BY_MONTH,
    INCIDENTS,
    FIRING_ALERTS,
    MOVES_OF_ALERT,
    COMMANDS_OF_ALERT,
    BOUNDARIES_OF_MODEL,
    BASELINES_OF_MODEL,
    FINDINGS_BY_MONTH,
    FINDINGS_OF_FEATURE,
    EVENT_BY_ID,
    LABELS_OF_EVENT,
    PERFORMANCE_BY_MONTH,
    UNMATCHED_LABELS,
    COMPARISONS_OF_MODEL,
    LAST_EVENTS,
    CARDS_OF_MODEL,
)
"""Every question, for tests and documentation."""
