"""Frouros' `IncrementalKSTest`, the last 1,000 events against the reference, one a feature."""

from frouros.detectors.data_drift import IncrementalKSTest

from bench.peers.asked import WINDOW, Distances, Rows, Work, serve


def prepare(reference: Rows) -> Work:
    """The windows are full but for one event."""
    detectors = []
    for column in reference.T:
        detector = IncrementalKSTest(window_size=WINDOW)
        detector.fit(X=column)
        for value in column[-WINDOW + 1 :].tolist():
            detector.update(value=value)
        detectors.append(detector)

    def work(rows: Rows) -> Distances:
        for row in rows.tolist():
            for detector, value in zip(detectors, row, strict=True):
                detector.update(value=value)
        return []

    return work


if __name__ == "__main__":
    serve(prepare, "frouros", "scipy")
