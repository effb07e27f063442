"""Named questions about retrainings: what was made of which data, why, and what came of it.

In and out: as in `queries`. Never: a judgement; the result is the comparison's verdict.
"""

from typing import Final

from monitor.storage.queries import Query

RETRAINS_OF_MODEL: Final = Query(
    "retrains_of_model",
    "The retrainings of a model (empty: of all), the newest first.",
    """
SELECT model, new_version, old_version, registered_at, reason, dataset_fingerprint, owner_team,
    result, final, rollback_recommended, design, labels, difference, lower, upper, decided_at
FROM retrains
WHERE {model:String} = '' OR model = {model:String}
ORDER BY registered_at DESC, model, new_version
LIMIT 1000
""",
)
