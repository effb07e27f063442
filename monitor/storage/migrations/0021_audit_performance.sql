CREATE VIEW IF NOT EXISTS audit_performance
(
    model         LowCardinality(String) COMMENT 'Name of the model',
    model_version LowCardinality(String) COMMENT 'Version that answered',
    segment       String COMMENT 'Segment as column=value, or empty for all traffic',
    cohort_start  DateTime64(6, 'UTC') COMMENT 'Event time at which the cohort begins',
    cohort_end    DateTime64(6, 'UTC') COMMENT 'Event time before which it ends',
    predictions   UInt64 COMMENT 'Answers of the version, resends and fallbacks left out',
    labelled      UInt64 COMMENT 'Of these, with a label that came in time',
    coverage      Nullable(Float64) COMMENT 'Share of the answers that are labelled',
    loss          Nullable(Float64) COMMENT 'Mean log loss, or mean absolute error of a regression',
    loss_lower    Nullable(Float64) COMMENT 'Lower end of its 95 % band',
    loss_upper    Nullable(Float64) COMMENT 'Upper end of its 95 % band',
    baseline_loss Nullable(Float64) COMMENT 'Mean loss of the trivial baseline on the same predictions',
    worse         Nullable(Bool) COMMENT 'Whether the model lost to the baseline: its whole band lies above it',
    metrics       Map(LowCardinality(String), Float64) COMMENT 'Every metric by name',
    estimated     Map(LowCardinality(String), Float64) COMMENT 'Metric to its estimate without labels'
)
AS SELECT model, model_version, segment, cohort_start, cohort_end, predictions, labelled,
    if(predictions = 0, NULL, labelled / predictions) AS coverage,
    if(mapContains(metrics, name), metrics[name], NULL) AS loss,
    if(mapContains(lower, name), lower[name], NULL) AS loss_lower,
    if(mapContains(upper, name), upper[name], NULL) AS loss_upper,
    if(isNaN(c.baseline_loss), NULL, c.baseline_loss) AS baseline_loss,
    CAST(loss_lower > if(isNaN(c.baseline_loss), NULL, c.baseline_loss), 'Nullable(Bool)') AS worse, metrics, estimated
FROM
(
    SELECT *, if(mapContains(metrics, 'log_loss'), 'log_loss', 'mae') AS name
    FROM cohorts FINAL
) AS c
COMMENT 'How good each model version was, cohort by cohort, beside the trivial baseline'
