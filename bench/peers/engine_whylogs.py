"""whylogs' `KS` between the sketches of the reference and of every window."""

import pandas as pd
import whylogs
from whylogs.viz.drift.column_drift_algorithms import KS, calculate_drift_scores

from bench.peers.asked import Distances, Rows, Work, serve, windows_of


def prepare(reference: Rows) -> Work:
    """The reference is sketched once."""
    names = [f"f{i}" for i in range(reference.shape[1])]
    known = whylogs.log(pd.DataFrame(reference, columns=names)).view()
    tests = {name: KS() for name in names}

    def distances(window: Rows) -> list[float]:
        current = whylogs.log(pd.DataFrame(window, columns=names)).view()
        found = calculate_drift_scores(current, known, drift_map=tests)
        return [float(found[name]["statistic"]) for name in names]

    def work(rows: Rows) -> Distances:
        return [distances(window) for window in windows_of(rows)]

    return work


if __name__ == "__main__":
    serve(prepare, "whylogs", "scipy", "pandas")
