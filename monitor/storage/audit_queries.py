"""Named questions of audits: one prediction and what surrounds it, and rows for exports.

In and out: as in `queries`. Each finds its rows by an index or by the start of a key, so that the
number of stored rows hardly matters: the event id by its Bloom filter, all else from there. What
is in a handful of places is found sooner by one thread that looks at the index first.
"""

from typing import Final

from monitor.storage.queries import Query

_MOST_SEARCHED: Final = 5_000_000
"""Rows that a look-up around one prediction may read: a model's busy hours, not its years."""

PLACES_OF_EVENT = Query(
    "places_of_event",
    "Where every record with an event id is stored: the prediction, resends, namesakes.",
    """
SELECT model, model_version, event_id, occurred_at, appended_at, repeated, role, prediction, score,
    topic, partition, offset
FROM predictions
WHERE event_id = {event_id:String}
LIMIT 200
SETTINGS max_threads = 1, use_skip_indexes_on_data_read = 0
""",
)

RECORD = Query(
    "record",
    "One prediction as logged, by its place.",
    """
SELECT model, model_version, event_id, occurred_at, sent_at, appended_at, registered, repeated,
    role, status, request_id, entity_id, trace_id, latency_ms, prediction, prediction_number,
    score, scores, numbers, strings, faults, segments, feature_times, attributions, topic,
    partition, offset
FROM predictions
WHERE model = {model:String} AND occurred_at = {occurred_at:DateTime64(6, 'UTC')}
    AND topic = {topic:String} AND partition = {partition:Int32} AND offset = {offset:Int64}
LIMIT 1
SETTINGS max_threads = 1, use_skip_indexes_on_data_read = 0
""",
)

ANSWERS_TO_REQUEST = Query(
    "answers_to_request",
    "What the versions of a model answered to one request, within an hour.",
    """
SELECT model, model_version, event_id, occurred_at, role, prediction, score
FROM predictions
WHERE model = {model:String} AND request_id = {request_id:String} AND request_id != ''
    AND occurred_at >= {at:DateTime64(6, 'UTC')} - INTERVAL 1 HOUR
    AND occurred_at <= {at:DateTime64(6, 'UTC')} + INTERVAL 1 HOUR
ORDER BY occurred_at, offset
LIMIT 1 BY topic, partition, offset
LIMIT 100
SETTINGS max_threads = 1, use_skip_indexes_on_data_read = 0
""",
    most_rows_read=_MOST_SEARCHED,
)

EARLIER_OF_ENTITY = Query(
    "earlier_of_entity",
    "The predictions of a model about one entity between two moments, the newest first.",
    """
SELECT event_id, model_version, occurred_at, prediction, score, numbers, strings
FROM predictions
WHERE model = {model:String} AND entity_id = {entity_id:String} AND entity_id != ''
    AND NOT repeated AND occurred_at >= {since:DateTime64(6, 'UTC')}
    AND occurred_at < {until:DateTime64(6, 'UTC')}
ORDER BY occurred_at DESC
LIMIT {limit:UInt32}
SETTINGS max_threads = 1, use_skip_indexes_on_data_read = 0
""",
)

LABELS_FOR = Query(
    "labels_for",
    "The labels that name these predictions, or the request of one, the last one first.",
    """
SELECT event_id, request_id, label, label_number, observed_at, appended_at
FROM labels
WHERE model = {model:String} AND (
    (event_id IN {event_ids:Array(String)} AND event_id != '')
    OR (event_id = '' AND request_id = {request_id:String} AND request_id != ''))
ORDER BY appended_at DESC, offset DESC
LIMIT 1 BY topic, partition, offset
LIMIT 1000
SETTINGS max_threads = 1, use_skip_indexes_on_data_read = 0
""",
    most_rows_read=_MOST_SEARCHED,
)

REGISTRATIONS = Query(
    "registrations",
    "Every registration of a model, the newest first.",
    """
SELECT model_version, appended_at, card_hash, owner_team, owner_contact, previous_version,
    retrain_reason, dataset_fingerprint, profile_hash, card
FROM cards
WHERE model = {model:String}
ORDER BY appended_at DESC, model_version
LIMIT 1 BY model_version, appended_at, card_hash
LIMIT 1000
SETTINGS max_threads = 1, use_skip_indexes_on_data_read = 0
""",
)

BOUNDARY_BEFORE = Query(
    "boundary_before",
    "From where the card acted that a version's event at an offset was treated by.",
    """
SELECT change, offset, card_hash, reason, at
FROM boundaries
WHERE model = {model:String} AND model_version = {model_version:String}
    AND topic = {topic:String} AND partition = {partition:Int32} AND offset <= {offset:Int64}
ORDER BY offset DESC, at DESC
LIMIT 1
SETTINGS max_threads = 1, use_skip_indexes_on_data_read = 0
""",
)

PROFILE_CONTENT = Query(
    "profile_content",
    "A reference profile by its content address.",
    """
SELECT content FROM profiles WHERE profile_hash = {profile_hash:String} LIMIT 1
SETTINGS max_threads = 1, use_skip_indexes_on_data_read = 0
""",
    binary=("content",),
)

ALERTS_ON_AT = Query(
    "alerts_on_at",
    "A model's alerts whose trouble had begun and had not ended at a moment of event time.",
    """
SELECT fingerprint, starts_at, any(alertname) AS alertname, any(severity) AS severity,
    any(feature) AS feature, any(segment) AS segment,
    minIf(moved_at, alerts.state = 'firing') AS fired_at,
    maxOrNullIf(moved_at, alerts.state IN ('resolved', 'superseded')) AS ended_at,
    argMaxIf(alerts.state, (moved_at, last_offset), moved_at <= {at:DateTime64(6, 'UTC')}) AS state,
    argMaxIf(alerts.reason, (moved_at, last_offset), alerts.state = 'firing') AS reason,
    argMaxIf(alerts.effect, (moved_at, last_offset), alerts.state = 'firing') AS effect,
    argMaxIf(alerts.threshold, (moved_at, last_offset), alerts.state = 'firing') AS threshold
FROM alerts
WHERE model = {model:String} AND model_version IN ('', {model_version:String})
    AND starts_at <= {at:DateTime64(6, 'UTC')}
GROUP BY fingerprint, starts_at
HAVING countIf(alerts.state = 'firing') > 0
    AND (ended_at IS NULL OR ended_at > {at:DateTime64(6, 'UTC')})
ORDER BY fired_at, fingerprint
LIMIT 1000
""",
    most_rows_read=_MOST_SEARCHED,
)

REJECTED_OF_EVENT = Query(
    "rejected_of_event",
    "Rejected records whose text has an event id.",
    """
SELECT topic, partition, offset, appended_at, reasons, messages
FROM rejections
WHERE position(original, {event_id:String}) > 0
ORDER BY appended_at, offset
LIMIT 1 BY topic, partition, offset
LIMIT 10
""",
)

EXPORTED_PREDICTIONS = Query(
    "exported_predictions",
    "A model's predictions between two event times, for a file.",
    """
SELECT *
FROM audit_predictions
WHERE model = {model:String} AND occurred_at >= {since:DateTime64(6, 'UTC')}
    AND occurred_at < {until:DateTime64(6, 'UTC')}
""",
)

EXPORTED_OUTCOMES = Query(
    "exported_outcomes",
    "A model's predictions with their labels between two event times, for a file.",
    """
SELECT *
FROM audit_outcomes
WHERE model = {model:String} AND occurred_at >= {since:DateTime64(6, 'UTC')}
    AND occurred_at < {until:DateTime64(6, 'UTC')}
""",
)

EXPORTED_ALERTS = Query(
    "exported_alerts",
    "When a model's alerts were on: those that were on between two event times, for a file.",
    """
SELECT *
FROM audit_alerts
WHERE model = {model:String} AND starts_at < {until:DateTime64(6, 'UTC')}
    AND (ended_at IS NULL OR ended_at >= {since:DateTime64(6, 'UTC')})
ORDER BY starts_at, fingerprint
""",
)

EXPORTED_REJECTIONS = Query(
    "exported_rejections",
    "A model's refused records, and those of no readable model, between two append times.",
    """
SELECT *
FROM audit_rejections
WHERE model IN ('', {model:String}) AND appended_at >= {since:DateTime64(6, 'UTC')}
    AND appended_at < {until:DateTime64(6, 'UTC')}
""",
)

ALL: Final[tuple[Query, ...]] = (
    PLACES_OF_EVENT,
    RECORD,
    ANSWERS_TO_REQUEST,
    EARLIER_OF_ENTITY,
    LABELS_FOR,
    REGISTRATIONS,
    BOUNDARY_BEFORE,
    PROFILE_CONTENT,
    ALERTS_ON_AT,
    REJECTED_OF_EVENT,
    EXPORTED_PREDICTIONS,
    EXPORTED_OUTCOMES,
    EXPORTED_ALERTS,
    EXPORTED_REJECTIONS,
)
"""Every question, for tests and documentation."""
