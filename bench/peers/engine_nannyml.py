"""NannyML's `UnivariateDriftCalculator` by KS over all windows in one batch: binned.

From 10,000 rows of reference on it estimates D from bins, by default and as documented.
"""

import nannyml
import pandas as pd

from bench.peers.asked import WINDOW, Distances, Rows, Work, serve


def prepare(reference: Rows) -> Work:
    """The calculator, fitted."""
    names = [f"f{i}" for i in range(reference.shape[1])]
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=names, chunk_size=WINDOW, continuous_methods=["kolmogorov_smirnov"]
    )
    calculator.fit(pd.DataFrame(reference, columns=names))

    def work(rows: Rows) -> Distances:
        table = pd.DataFrame(rows, columns=names)
        chunks = calculator.calculate(table).filter(period="analysis").to_df()
        columns = [chunks[name, "kolmogorov_smirnov", "value"].tolist() for name in names]
        return [list(window) for window in zip(*columns, strict=True)]

    return work


if __name__ == "__main__":
    serve(prepare, "nannyml", "scipy", "pandas")
