"""alibi-detect's `CVMDriftOnline`, all features in one detector.

A window of 100 and 1,000 rows of reference, fewer than ours: its cost grows with both, and so does
the time that it takes to simulate its thresholds.
"""

from alibi_detect.cd import CVMDriftOnline

from bench.peers.asked import Distances, Rows, Work, serve


def prepare(reference: Rows) -> Work:
    """The window is full of the reference's last rows."""
    detector = CVMDriftOnline(
        reference[:1_000], ert=20, window_sizes=[100], n_bootstraps=500, verbose=False
    )

    def work(rows: Rows) -> Distances:
        for row in rows:
            detector.predict(row)
        return []

    work(reference[-200:])
    return work


if __name__ == "__main__":
    serve(prepare, "alibi-detect", "numba")
