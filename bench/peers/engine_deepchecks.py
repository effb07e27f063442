"""Deepchecks' `FeatureDrift` by KS on every window, nothing drawn."""

import pandas as pd
from deepchecks.tabular import Dataset
from deepchecks.tabular.checks import FeatureDrift

from bench.peers.asked import Distances, Rows, Work, serve, windows_of


def prepare(reference: Rows) -> Work:
    """One check for all features."""
    names = [f"f{i}" for i in range(reference.shape[1])]
    known = Dataset(pd.DataFrame(reference, columns=names), cat_features=[])
    check = FeatureDrift(numerical_drift_method="KS", n_top_columns=len(names))

    def distances(window: Rows) -> list[float]:
        current = Dataset(pd.DataFrame(window, columns=names), cat_features=[])
        found = check.run(known, current, with_display=False).value
        return [float(found[name]["Drift score"]) for name in names]

    def work(rows: Rows) -> Distances:
        return [distances(window) for window in windows_of(rows)]

    return work


if __name__ == "__main__":
    serve(prepare, "deepchecks", "scipy", "pandas")
