"""NannyML as in `nannyml_js`, with the Kolmogorov-Smirnov distance for numbers."""

from collections.abc import Iterator

from bench.peers.job import Alarm, Job, run
from bench.peers.nannyml_js import detect as detect_by


def detect(job: Job) -> Iterator[Alarm]:
    """The same chunks and learnt thresholds."""
    return detect_by(job, methods=("kolmogorov_smirnov",))


if __name__ == "__main__":
    run(detect, "nannyml", "pandas", "numpy")
