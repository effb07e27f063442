"""NannyML's `UnivariateDriftCalculator` with its defaults (Jensen-Shannon, learnt thresholds)."""

from collections.abc import Iterator, Sequence

import nannyml

from bench.peers.job import WINDOW, Alarm, Job, run


def detect(job: Job, methods: Sequence[str] = ("jensen_shannon",)) -> Iterator[Alarm]:
    """Chunks of 1,000 events; what is left over at the end is no chunk."""
    reference, stream = job.tables()
    stream = stream.iloc[: len(stream) // WINDOW * WINDOW]
    names = list(reference.columns)
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=names, chunk_size=WINDOW, continuous_methods=list(methods)
    )
    calculator.fit(reference)
    chunks = calculator.calculate(stream).filter(period="analysis").to_df()
    ends = chunks["chunk", "chunk", "end_index"].tolist()
    for name in names:
        for method in {method for column, method, _ in chunks.columns if column == name}:
            alerts = chunks[name, method, "alert"].tolist()
            yield from ((end, name) for end, alert in zip(ends, alerts, strict=True) if alert)


if __name__ == "__main__":
    run(detect, "nannyml", "pandas", "numpy")
