"""River's `KSWIN` with its defaults (windows of 100), a detector a feature."""

from typing import Any

from river.drift import KSWIN

from bench.peers.asked import Distances, Rows, Work, serve


def prepare(reference: Rows) -> Work:
    """The windows are full of the reference's last rows."""
    detectors: list[Any] = [KSWIN(seed=1) for _ in reference.T]

    def work(rows: Rows) -> Distances:
        for row in rows.tolist():
            for detector, value in zip(detectors, row, strict=True):
                detector.update(value)
        return []

    work(reference[-200:])
    return work


if __name__ == "__main__":
    serve(prepare, "river", "scipy")
