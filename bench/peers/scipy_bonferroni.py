"""scipy's `ks_2samp` as in `scipy_ks`, the level divided by the number of features."""

from collections.abc import Iterator

from bench.peers.job import Alarm, Job, run
from bench.peers.scipy_ks import detect as detect_at_level


def detect(job: Job) -> Iterator[Alarm]:
    """Bonferroni over the features, not over the windows: as it is commonly done."""
    return detect_at_level(job, tests=len(job.names))


if __name__ == "__main__":
    run(detect, "scipy")
