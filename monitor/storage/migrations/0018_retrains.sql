CREATE VIEW IF NOT EXISTS retrains
(
    model                LowCardinality(String) COMMENT 'Name of the model',
    new_version          LowCardinality(String) COMMENT 'The retrained version',
    old_version          String COMMENT 'Version that it replaces, as its card says',
    registered_at        DateTime64(6, 'UTC') COMMENT 'When its card was first appended to the log',
    reason               String COMMENT 'Why it was retrained, as its card says',
    dataset_fingerprint  String COMMENT 'Fingerprint of its reference data set, or empty',
    profile_hash         String COMMENT 'Content address of its profile, or empty',
    owner_team           String COMMENT 'Owning team, or empty',
    result               String COMMENT 'improved, regressed, no_difference_yet, or not_compared before the first labels',
    final                Bool COMMENT 'Whether no further data will change the result',
    rollback_recommended Bool COMMENT 'Whether the old version is the better one beyond doubt',
    design               String COMMENT 'paired, split or matched; empty before the first labels',
    labels               UInt64 COMMENT 'Labelled predictions of the new version that were compared',
    difference           Float64 COMMENT 'Mean loss of the new version minus that of the old one; NaN before the first labels',
    lower                Float64 COMMENT 'Lower end of its 95 % band',
    upper                Float64 COMMENT 'Upper end of its 95 % band',
    decided_at           DateTime64(6, 'UTC') COMMENT 'Event time of the last cohort in the result; 1970 before the first labels'
)
AS SELECT c.model AS model, c.version AS new_version, c.previous AS old_version, c.registered AS registered_at,
    c.why AS reason, c.fingerprint AS dataset_fingerprint, c.profile AS profile_hash, c.team AS owner_team,
    if(v.blocks = 0, 'not_compared', v.last.1) AS result, v.last.2 AS final, v.last.3 AS rollback_recommended,
    v.last.4 AS design, v.last.5 AS labels, if(v.blocks = 0, nan, v.last.6) AS difference,
    if(v.blocks = 0, nan, v.last.7) AS lower, if(v.blocks = 0, nan, v.last.8) AS upper, v.last.9 AS decided_at
FROM
(
    SELECT cards.model AS model, toString(cards.model_version) AS version, min(appended_at) AS registered,
        argMax(previous_version, appended_at) AS previous, argMax(retrain_reason, appended_at) AS why,
        argMax(cards.dataset_fingerprint, appended_at) AS fingerprint,
        argMax(cards.profile_hash, appended_at) AS profile, toString(argMax(cards.owner_team, appended_at)) AS team
    FROM cards
    GROUP BY model, version
    HAVING previous != ''
) AS c
LEFT JOIN
(
    SELECT comparisons.model AS model, toString(new_version) AS version, toString(old_version) AS previous,
        max(comparisons.blocks) AS blocks,
        argMax(tuple(toString(verdict), final, rollback_recommended, toString(design), labels, difference, lower,
            upper, at), comparisons.blocks) AS last
    FROM comparisons
    GROUP BY model, version, previous
) AS v
ON c.model = v.model AND c.version = v.version AND c.previous = v.previous
COMMENT 'Every retraining: what it was made of, why, and what came of it'
