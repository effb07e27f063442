"""NannyML's CBPE with its defaults, month by month.

In: a folder with `reference.parquet` and `stream.parquet` (score, prediction, label, month), and
the file to write. Out: metric to month to estimate, as JSON.
"""

import json
import sys
from pathlib import Path

import nannyml
import pandas as pd

METRICS = {
    "roc_auc": "auc",
    "average_precision": "pr_auc",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "f1",
}


def main() -> None:
    """Fit on the reference, estimate each month."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    reference = pd.read_parquet(folder / "reference.parquet")
    stream = pd.read_parquet(folder / "stream.parquet")
    cbpe = nannyml.CBPE(
        metrics=list(METRICS),
        y_pred_proba="score",
        y_pred="prediction",
        y_true="label",
        problem_type="classification_binary",
        chunk_number=1,
    )
    cbpe.fit(reference)
    found: dict[str, dict[str, float]] = {name: {} for name in METRICS.values()}
    for month, rows in stream.groupby("month"):
        table = cbpe.estimate(rows.drop(columns="label")).filter(period="analysis").to_df()
        for theirs, ours in METRICS.items():
            found[ours][str(month)] = float(table[theirs, "value"].iloc[0])
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
