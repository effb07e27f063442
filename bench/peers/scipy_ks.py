"""scipy's `ks_2samp` on every feature of every tumbling window: alarm where p < 0.05."""

from collections.abc import Iterator

import numpy as np
from scipy.stats import ks_2samp

from bench.peers.job import Alarm, Job, column_by_column, run

LEVEL = 0.05


def detect(job: Job, tests: int = 1) -> Iterator[Alarm]:
    """`tests` is what the level is divided by."""
    reference = job.reference
    for end, window in job.windows():
        found = ks_2samp(reference, window, axis=0, method="asymp")
        yield from column_by_column(job.names, np.asarray(found.pvalue < LEVEL / tests), end)


if __name__ == "__main__":
    run(detect, "scipy")
