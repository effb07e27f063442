"""alibi-detect's `CVMDriftOnline`, windows of 100 and 1,000, all features in one detector."""

from alibi_detect.cd import CVMDriftOnline

from bench.peers.asked import Distances, Rows, Work, serve


def prepare(reference: Rows) -> Work:
    """Its thresholds are simulated with few runs: that costs time here alone, not in the stream."""
    detector = CVMDriftOnline(
        reference[:2_000], ert=1_000, window_sizes=[100, 1_000], n_bootstraps=100, verbose=False
    )

    def work(rows: Rows) -> Distances:
        for row in rows:
            detector.predict(row)
        return []

    work(reference[-1_100:])
    return work


if __name__ == "__main__":
    serve(prepare, "alibi-detect", "numba")
