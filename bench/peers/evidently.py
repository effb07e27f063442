"""Evidently's `DataDriftPreset` with its defaults on every tumbling window, column by column."""

from collections.abc import Iterator

from evidently import Report
from evidently.presets import DataDriftPreset

from bench.peers.job import WINDOW, Alarm, Job, run


def detect(job: Job) -> Iterator[Alarm]:
    """A distance alarms from its threshold up, a p-value below it."""
    reference, stream = job.tables()
    for end in range(WINDOW, len(stream) + 1, WINDOW):
        report = Report([DataDriftPreset()]).run(stream.iloc[end - WINDOW : end], reference)
        for metric in report.dict()["metrics"]:
            config = metric["config"]
            if "column" not in config:
                continue
            value, threshold = float(metric["value"]), float(config["threshold"])
            small = "p_value" in config["method"]
            if value < threshold if small else value >= threshold:
                yield end - 1, config["column"]


if __name__ == "__main__":
    run(detect, "evidently", "pandas", "numpy")
