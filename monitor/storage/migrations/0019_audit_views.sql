ALTER TABLE labels
    ADD INDEX IF NOT EXISTS by_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS by_request_id request_id TYPE bloom_filter(0.01) GRANULARITY 1
;
CREATE VIEW IF NOT EXISTS audit_predictions
(
    model             LowCardinality(String) COMMENT 'Name of the model',
    model_version     LowCardinality(String) COMMENT 'Version that answered',
    event_id          String COMMENT 'Id of the prediction, from the producer',
    occurred_at       DateTime64(6, 'UTC') COMMENT 'Event time: when the prediction was made, says the producer',
    appended_at       DateTime64(6, 'UTC') COMMENT 'When the broker appended the record to its log',
    registered        Bool COMMENT 'Whether a model card was known: without one the event is stored and not tested',
    role              LowCardinality(String) COMMENT 'live or shadow',
    status            LowCardinality(String) COMMENT 'ok, fallback (the guard answered) or error',
    request_id        String COMMENT 'The request that several versions answered, or empty',
    entity_id         String COMMENT 'Whom or what the prediction is about, masked as the card says, or empty',
    trace_id          String COMMENT 'Trace of the serving call, or empty',
    latency_ms        Nullable(Float64) COMMENT 'How long serving took',
    prediction        String COMMENT 'The answer as text: a class, true or false, or a number',
    prediction_number Nullable(Float64) COMMENT 'The answer as a number where it is one; true is 1',
    score             Nullable(Float64) COMMENT 'Probability of the positive class (binary models)',
    scores            Map(LowCardinality(String), Float64) COMMENT 'Class to probability (multi-class models)',
    numbers           Map(LowCardinality(String), Float64) COMMENT 'Features logged as numbers or booleans, as logged (masked as the card says)',
    strings           Map(LowCardinality(String), String) COMMENT 'Features logged as text, as logged (masked as the card says)',
    faults            Map(LowCardinality(String), LowCardinality(String)) COMMENT 'Feature to what is wrong with its value',
    segments          Map(LowCardinality(String), String) COMMENT 'Segment tags',
    feature_times     Map(LowCardinality(String), DateTime64(6, 'UTC')) COMMENT 'Feature to when its value was known',
    attributions      Map(LowCardinality(String), Float64) COMMENT 'Feature to its share in this prediction, as sent',
    topic             LowCardinality(String) COMMENT 'Kafka topic of the record',
    partition         Int32 COMMENT 'Kafka partition of the record',
    offset            Int64 COMMENT 'Kafka offset of the record'
)
AS SELECT model, model_version, event_id, occurred_at, appended_at, registered, role, status, request_id,
    entity_id, trace_id, latency_ms, prediction, prediction_number, score, scores, numbers, strings, faults,
    segments, feature_times, attributions, topic, partition, offset
FROM predictions FINAL
WHERE NOT repeated
COMMENT 'Every prediction once: no repeated row, no recognised resend'
;
CREATE VIEW IF NOT EXISTS audit_labels
(
    model        LowCardinality(String) COMMENT 'Name of the model',
    event_id     String COMMENT 'The prediction that the label names, or empty',
    request_id   String COMMENT 'The request whose predictions it names, where it names no event',
    label        String COMMENT 'The truth as text, by the last label that came',
    label_number Nullable(Float64) COMMENT 'The truth as a number where it is one; true is 1',
    observed_at  DateTime64(6, 'UTC') COMMENT 'When the truth became known, says the producer',
    appended_at  DateTime64(6, 'UTC') COMMENT 'When the broker appended the last label to its log',
    first_label  String COMMENT 'The truth by the first label that came',
    labels       UInt64 COMMENT 'Labels that came for it: more than one is a correction or a repeat'
)
AS SELECT model, event_id, request AS request_id, last.1 AS label, last.2 AS label_number, last.3 AS observed_at,
    last.4 AS appended_at, first_label, labels
FROM
(
    SELECT model, event_id, if(event_id = '', request_id, '') AS request,
        argMax((label, label_number, observed_at, appended_at), (appended_at, offset)) AS last,
        argMin(label, (appended_at, offset)) AS first_label,
        uniqExact(topic, partition, offset) AS labels
    FROM labels
    GROUP BY model, event_id, request
)
COMMENT 'The label that counts for each id that a label names: the last one'
;
CREATE VIEW IF NOT EXISTS audit_outcomes
(
    model             LowCardinality(String) COMMENT 'Name of the model',
    model_version     LowCardinality(String) COMMENT 'Version that answered',
    event_id          String COMMENT 'Id of the prediction',
    occurred_at       DateTime64(6, 'UTC') COMMENT 'Event time of the prediction',
    role              LowCardinality(String) COMMENT 'live or shadow',
    status            LowCardinality(String) COMMENT 'ok, fallback or error: performance counts ok alone',
    entity_id         String COMMENT 'Whom or what the prediction is about, masked as the card says, or empty',
    segments          Map(LowCardinality(String), String) COMMENT 'Segment tags',
    prediction        String COMMENT 'The answer as text',
    prediction_number Nullable(Float64) COMMENT 'The answer as a number where it is one; true is 1',
    score             Nullable(Float64) COMMENT 'Probability of the positive class (binary models)',
    scores            Map(LowCardinality(String), Float64) COMMENT 'Class to probability (multi-class models)',
    label             Nullable(String) COMMENT 'The truth as text; null: no label has come',
    label_number      Nullable(Float64) COMMENT 'The truth as a number where it is one',
    observed_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'When the truth became known, says the producer',
    delay_hours       Nullable(Float64) COMMENT 'From the prediction to its truth, in event time',
    labels            UInt64 COMMENT 'Labels that came for it; 0: none',
    right             Nullable(Bool) COMMENT 'Whether the answer was the label; of a binary model with a threshold, whether the score was on its side; null: no label, or a regression',
    error             Nullable(Float64) COMMENT 'Regression: prediction minus label',
    loss              Nullable(Float64) COMMENT 'Log loss in nats (probabilities kept within 0.001 and 0.999), or the absolute error'
)
AS WITH
    of_versions AS
    (
        SELECT model, model_version, argMax(task, appended_at) AS task,
            JSONExtract(argMax(card, appended_at), 'threshold', 'Nullable(Float64)') AS threshold,
            JSONExtract(argMax(card, appended_at), 'classes', 'Array(String)') AS classes
        FROM cards
        GROUP BY model, model_version
    ),
    joined AS
    (
        SELECT p.model AS model, p.model_version AS model_version, p.event_id AS event_id,
            p.occurred_at AS occurred_at, p.role AS role, p.status AS status, p.entity_id AS entity_id,
            any(p.segments) AS segments, any(p.prediction) AS prediction,
            any(p.prediction_number) AS prediction_number, any(p.score) AS score, any(p.scores) AS scores,
            uniqExactIf((l.topic, l.partition, l.offset), l.came) AS labels,
            argMaxIf((l.label, l.label_number, l.observed_at), (l.appended_at, l.offset), l.came) AS last
        FROM
        (
            SELECT model, if(event_id != '', concat('e', event_id), concat('r', request_id)) AS named, label,
                label_number, observed_at, appended_at, topic, partition, offset, true AS came
            FROM labels
        ) AS l
        RIGHT JOIN
        (
            SELECT *, named
            FROM audit_predictions
            ARRAY JOIN if(request_id = '', [concat('e', event_id)],
                [concat('e', event_id), concat('r', request_id)]) AS named
        ) AS p ON l.model = p.model AND l.named = p.named
        GROUP BY model, model_version, event_id, occurred_at, role, status, entity_id, p.topic, p.partition,
            p.offset
    ),
    judged AS
    (
        SELECT joined.*, task, threshold, classes, last.1 AS truth, last.2 AS truth_number, last.3 AS truth_at,
            if(truth_number IS NULL, truth, toString(truth_number)) AS truth_class,
            if(prediction_number IS NULL, prediction, toString(prediction_number)) AS own_class,
            task = 'multiclass' OR length(classes) = 2 AS named,
            if(named, nullIf(indexOf(classes, truth_class), 0) - 1,
                transform(truth_class, ['0', 'false', '1', 'true'], [0, 0, 1, 1], NULL)) AS y,
            multiIf(task = 'binary' AND threshold IS NOT NULL AND score IS NOT NULL, score >= threshold,
                named, nullIf(indexOf(classes, own_class), 0) - 1,
                transform(own_class, ['0', 'false', '1', 'true'], [0, 0, 1, 1], NULL)) AS answer,
            multiIf(task = 'binary', if(y = 1, score, 1 - score),
                task = 'multiclass' AND mapContains(scores, truth_class), scores[truth_class], NULL) AS p
        FROM joined
        LEFT JOIN of_versions USING (model, model_version)
    )
SELECT model, model_version, event_id, occurred_at, role, status, entity_id, segments, prediction,
    prediction_number, score, scores, if(labels = 0, NULL, truth) AS label,
    if(labels = 0, NULL, truth_number) AS label_number, if(labels = 0, NULL, truth_at) AS observed_at,
    if(labels = 0, NULL, dateDiff('microsecond', occurred_at, truth_at) / 3600e6) AS delay_hours, labels,
    CAST(multiIf(labels = 0 OR task = 'regression', NULL,
        task = '' OR (task = 'multiclass' AND empty(classes)), prediction = truth,
        y = answer), 'Nullable(Bool)') AS right,
    if(labels = 0 OR task != 'regression', NULL, prediction_number - truth_number) AS error,
    multiIf(labels = 0, NULL, task = 'regression', abs(prediction_number - truth_number),
        y IS NULL OR p IS NULL, NULL, -log(greatest(0.001, least(0.999, p)))) AS loss
FROM judged
COMMENT 'Every prediction once, with the label that counts and what it was worth'
;
CREATE VIEW IF NOT EXISTS audit_alerts
(
    fingerprint     String COMMENT 'Identity of the alert: the same whenever it comes back',
    model           LowCardinality(String) COMMENT 'Name of the model',
    model_version   LowCardinality(String) COMMENT 'Version of the model',
    alertname       LowCardinality(String) COMMENT 'Name of the alert',
    severity        LowCardinality(String) COMMENT 'info, warning or critical: as it was last',
    category        LowCardinality(String) COMMENT 'Kind of trouble: drift, quality, silence, ownership',
    feature         LowCardinality(String) COMMENT 'Feature, score or prediction, or empty',
    segment         String COMMENT 'Segment, or empty for all traffic',
    starts_at       DateTime64(6, 'UTC') COMMENT 'Event time at which the trouble began',
    fired_at        DateTime64(6, 'UTC') COMMENT 'Event time at which it fired first',
    ended_at        Nullable(DateTime64(6, 'UTC')) COMMENT 'Event time at which it was resolved or superseded; null: it is on',
    state           LowCardinality(String) COMMENT 'State after its last move',
    first_reason    String COMMENT 'Why it fired',
    last_reason     String COMMENT 'Why it moved last',
    largest_effect  Float64 COMMENT 'Largest effect of its moves, in the units of threshold',
    threshold       Float64 COMMENT 'Effect from which the verdict was drift',
    moves           UInt64 COMMENT 'Published moves',
    owner           String COMMENT 'Who owned the model when it moved last',
    first_offset    Int64 COMMENT 'Offset of the first event of its evidence, of all moves',
    last_offset     Int64 COMMENT 'Offset of the last one'
)
AS SELECT fingerprint, model, any(a.model_version) AS model_version, any(a.alertname) AS alertname,
    argMax(a.severity, place) AS severity, any(a.category) AS category, any(a.feature) AS feature,
    any(a.segment) AS segment, starts_at, minIf(moved_at, a.state = 'firing') AS fired_at,
    if(argMax(a.state, place) IN ('resolved', 'superseded'), max(moved_at), NULL) AS ended_at,
    argMax(a.state, place) AS state, argMinIf(reason, place, a.state = 'firing') AS first_reason,
    argMax(reason, place) AS last_reason, max(effect) AS largest_effect, any(a.threshold) AS threshold,
    count() AS moves, argMax(annotations['owner'], place) AS owner, min(a.first_offset) AS first_offset,
    max(a.last_offset) AS last_offset
FROM
(
    SELECT *, (last_offset,
        indexOf(['pending', 'firing', 'recovering', 'stale', 'superseded', 'resolved'], state),
        state = previous, moved_at) AS place
    FROM alerts FINAL
    WHERE published
) AS a
GROUP BY model, fingerprint, starts_at
COMMENT 'Every time that an alert was on: from its trouble to its end'
;
CREATE VIEW IF NOT EXISTS audit_versions
(
    model               LowCardinality(String) COMMENT 'Name of the model',
    model_version       LowCardinality(String) COMMENT 'Version of the model',
    registered_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'When its first card came; null: never registered',
    registrations       UInt64 COMMENT 'Cards that came for it, changes included',
    first_event_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'Event time of its first prediction; null: it never answered',
    last_event_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'Event time of its last prediction',
    predictions         UInt64 COMMENT 'Predictions, resends left out',
    replaced_at         Nullable(DateTime64(6, 'UTC')) COMMENT 'Event time at which another version had taken over; null: none has',
    owner_team          String COMMENT 'Owning team by the last card, or empty: the version is an orphan',
    owner_contact       String COMMENT 'How to reach the team, or empty',
    task                String COMMENT 'binary, multiclass or regression',
    previous_version    String COMMENT 'The version that it replaces, or empty',
    retrain_reason      String COMMENT 'Why it was retrained, or empty',
    dataset_fingerprint String COMMENT 'Fingerprint of its reference data set, or empty',
    profile_hash        String COMMENT 'Content address of its profile, or empty: not tested'
)
AS SELECT model, model_version, if(c.n = 0, NULL, c.first_at) AS registered_at, c.n AS registrations,
    if(e.n = 0, NULL, e.first_at) AS first_event_at, if(e.n = 0, NULL, e.last_at) AS last_event_at,
    e.n AS predictions, if(b.n = 0, NULL, b.at) AS replaced_at, c.last.1 AS owner_team,
    c.last.2 AS owner_contact, c.last.3 AS task, c.last.4 AS previous_version, c.last.5 AS retrain_reason,
    c.last.6 AS dataset_fingerprint, c.last.7 AS profile_hash
FROM
(
    SELECT model, model_version, uniqExact(appended_at, card_hash) AS n, min(appended_at) AS first_at,
        argMax((toString(owner_team), owner_contact, toString(task), previous_version, retrain_reason,
            dataset_fingerprint, profile_hash), appended_at) AS last
    FROM cards
    GROUP BY model, model_version
) AS c
FULL JOIN
(
    SELECT model, model_version, count() AS n, min(occurred_at) AS first_at, max(occurred_at) AS last_at
    FROM predictions FINAL
    WHERE NOT repeated
    GROUP BY model, model_version
) AS e USING (model, model_version)
LEFT JOIN
(
    SELECT model, model_version, count() AS n, max(at) AS at
    FROM boundaries
    WHERE change = 'replaced'
    GROUP BY model, model_version
) AS b USING (model, model_version)
COMMENT 'Every model version, registered or not: when it answered, from what it came, who owns it'
;
CREATE VIEW IF NOT EXISTS audit_rejections
(
    topic               LowCardinality(String) COMMENT 'Kafka topic of the record',
    partition           Int32 COMMENT 'Kafka partition of the record',
    offset              Int64 COMMENT 'Kafka offset of the record',
    appended_at         DateTime64(6, 'UTC') COMMENT 'When the broker appended the record to its log',
    model               String COMMENT 'Name of the model as far as it could be read, or empty',
    reason              LowCardinality(String) COMMENT 'The first reason',
    message             String COMMENT 'The first reason in words',
    reasons             Array(LowCardinality(String)) COMMENT 'Every reason',
    fields              Array(String) COMMENT 'The field that each reason is about, or empty',
    messages            Array(String) COMMENT 'Each reason in words',
    original            String COMMENT 'The first 16,384 bytes of the record, masked as the cards say',
    original_size_bytes UInt64 COMMENT 'Size of the whole record'
)
AS SELECT topic, partition, offset, appended_at, model, reasons[1] AS reason, messages[1] AS message,
    reasons, fields, messages, original, original_size_bytes
FROM rejections FINAL
COMMENT 'Every record that could not be taken, once'
