"""alibi-detect's `KSDrift` with its defaults on every window."""

from alibi_detect.cd import KSDrift

from bench.peers.asked import Distances, Rows, Work, serve, windows_of


def prepare(reference: Rows) -> Work:
    """One detector for all features."""
    detector = KSDrift(reference, p_val=0.05)

    def work(rows: Rows) -> Distances:
        found = (detector.predict(window)["data"]["distance"] for window in windows_of(rows))
        return [[float(d) for d in distances] for distances in found]

    return work


if __name__ == "__main__":
    serve(prepare, "alibi-detect", "scipy", "numpy")
