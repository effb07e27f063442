"""Frouros' `KSTest`, asymptotic, for every feature of every window."""

from frouros.detectors.data_drift import KSTest

from bench.peers.asked import Distances, Rows, Work, serve, windows_of


def prepare(reference: Rows) -> Work:
    """One detector a feature."""
    detectors = []
    for column in reference.T:
        detector = KSTest()
        detector.fit(X=column)
        detectors.append(detector)

    def work(rows: Rows) -> Distances:
        return [
            [
                float(detector.compare(X=values, method="asymp")[0].statistic)
                for detector, values in zip(detectors, window.T, strict=True)
            ]
            for window in windows_of(rows)
        ]

    return work


if __name__ == "__main__":
    serve(prepare, "frouros", "scipy", "numpy")
