"""alibi-detect's `KSDrift` with its defaults (p < 0.05, Bonferroni) on every tumbling window."""

from collections.abc import Iterator

import numpy as np
from alibi_detect.cd import KSDrift

from bench.peers.job import Alarm, Job, column_by_column, run


def detect(job: Job) -> Iterator[Alarm]:
    """A window's features with p below the corrected level, where the window is called drift."""
    detector = KSDrift(job.reference, p_val=0.05)
    for end, window in job.windows():
        found = detector.predict(window)["data"]
        if found["is_drift"]:
            low = np.asarray(found["p_val"]) < found["threshold"]
            yield from column_by_column(job.names, low, end)


if __name__ == "__main__":
    run(detect, "alibi-detect", "scipy", "numpy")
