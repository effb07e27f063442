"""Frouros' `KSTest` on every feature of every tumbling window: p <= 0.001, as its README has it."""

from collections.abc import Iterator

from frouros.detectors.data_drift import KSTest

from bench.peers.job import Alarm, Job, run

LEVEL = 0.001


def detect(job: Job) -> Iterator[Alarm]:
    """One detector a feature."""
    detectors = []
    for column in job.reference.T:
        detector = KSTest()
        detector.fit(X=column)
        detectors.append(detector)
    for end, window in job.windows():
        for name, detector, values in zip(job.names, detectors, window.T, strict=True):
            result, _ = detector.compare(X=values)
            if result.p_value <= LEVEL:
                yield end, name


if __name__ == "__main__":
    run(detect, "frouros", "scipy", "numpy")
