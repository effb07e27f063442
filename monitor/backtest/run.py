"""A backtest: the worker's own pipeline over rows of a file.

In: events and a reference as files or data frames, and the model card. Out: a `BacktestResult`.
Never: a broker, a server, a step of its own; only the source, the store and the publisher differ.
"""

from collections.abc import Callable

import pandas as pd

from monitor.backtest.label_rows import LabelBatch, LabelRows
from monitor.backtest.labels import LabelCoverage, label_coverage
from monitor.backtest.record import PARTITION
from monitor.backtest.result import BacktestResult
from monitor.backtest.rows import RowBatch, RowValidator, check_rows, row_batches
from monitor.backtest.store import ReportStore
from monitor.backtest.wiring import LIMITS, MEMBERSHIP, TOPICS, new_pipeline
from monitor.broker import Partition
from monitor.clock import Clock, SystemClock
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import Dataset, frame_dataset
from monitor.profiling.files import check_fit
from monitor.sketches.profile import Profile
from monitor.telemetry import Telemetry
from monitor.version_monitor import Encoder, encode
from schemas.model import ModelCard
from schemas.values import HashKey


def run_backtest(
    events: Dataset | pd.DataFrame,
    card: ModelCard,
    reference: Profile | Dataset | pd.DataFrame,
    *,
    labels: Dataset | pd.DataFrame | None = None,
    key: HashKey | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> BacktestResult:
    """What the monitor would have said of `events`, in the order of their rows.

    `on_rows` is told how many rows have been taken.

    Labels come when they were observed, and say how good the version was; ConfigError names a
    column that is missing or wrong. `key` is needed where the card hashes features.

    >>> import numpy as np
    >>> from schemas.model import FeatureSpec, Monitoring
    >>> card = ModelCard(model="m", model_version="1", task="regression",
    ...     features={"x": FeatureSpec(type="number")}, monitoring=Monitoring(scales=(1_000,)))
    >>> x = np.random.default_rng(1).normal(size=30_000)
    >>> result = run_backtest(
    ...     pd.DataFrame({"x": x[:10_000] + np.repeat([0.0, 2.0], 5_000)}), card,
    ...     pd.DataFrame({"x": x[10_000:]}))
    >>> [(alert.feature, 5_000 <= alert.firing_event < 5_050) for alert in result.alerts]
    [('x', True), ('x', True)]
    >>> [alert.moves[0].labels["severity"] for alert in result.alerts]
    ['critical', 'warning']
    """
    dataset = as_dataset(events, card, "the events")
    coverage = truths = None
    if labels is not None:
        found = labels if isinstance(labels, Dataset) else frame_dataset(labels, source="labels")
        coverage = label_coverage(dataset, found)
        truths = LabelRows(found, card, TOPICS.labels)
    profile = as_profile(reference, card, key)
    watch = Watch(card, profile, validator=row_validator(key), labels=truths)
    taken = 0
    for batch in row_batches(dataset, card, TOPICS.predictions):
        watch.take(batch)
        taken += len(batch)
        if on_rows is not None:
            on_rows(taken)
    return watch.result(dataset, coverage)


class Watch:
    """One model version under watch by a pipeline of its own.

    Watches that share a `validator` and an `encoder` that remember their last batch can be given
    the same batches in turn: each is then read and coded once.
    """

    def __init__(
        self,
        card: ModelCard,
        profile: Profile,
        *,
        validator: RowValidator,
        encoder: Encoder = encode,
        clock: Clock | None = None,
        labels: LabelRows | None = None,
    ) -> None:
        check_fit(profile, card)
        clock = clock or SystemClock()
        self.card = card.model_copy(update={"profile_hash": profile.hash})
        self.telemetry = Telemetry(clock)
        self._profile = profile
        self._labels = labels
        self._positions: dict[Partition, int] = {}
        self._store = ReportStore(keeps_rows=labels is not None)
        self._store.save_profile(profile.hash, profile.to_bytes())
        self._pipeline, self._roster = new_pipeline(
            self._store, validator, clock, self.telemetry, encoder
        )
        self._pipeline.on_card(self.card)

    def take(self, batch: RowBatch) -> None:
        """Take consecutive rows, and the labels that were observed before their end."""
        self._pipeline.on_batch(batch)
        self._positions[TOPICS.predictions, PARTITION] = batch.stop
        times_us = batch.dataset.rows(batch.start, batch.stop).occurred_us
        if self._labels is not None and times_us is not None:
            self._take_labels(self._labels.until(int(times_us.max())))
        self._pipeline.commit(self._positions, MEMBERSHIP)

    def _take_labels(self, labels: LabelBatch) -> None:
        if len(labels):
            self._pipeline.on_batch(labels)
            self._positions[TOPICS.labels, PARTITION] = labels.stop

    def result(self, dataset: Dataset, labels: LabelCoverage | None = None) -> BacktestResult:
        """What was found in the rows of `dataset`, all of which have been taken."""
        if self._labels is not None:
            self._take_labels(self._labels.until())
            self._pipeline.commit(self._positions, MEMBERSHIP)
        return BacktestResult.of(
            dataset, self.card, self._profile, self._store, self._roster, labels
        )


def row_validator(key: HashKey | None = None) -> RowValidator:
    """The validator of rows, with the limits that the stream has by default."""
    return RowValidator(LIMITS, TOPICS.predictions, TOPICS.labels, key)


def as_dataset(events: Dataset | pd.DataFrame, card: ModelCard, source: str) -> Dataset:
    """Events with the columns that the card asks for; ConfigError names what is wrong."""
    dataset = events if isinstance(events, Dataset) else frame_dataset(events, card, source=source)
    check_rows(dataset)
    return dataset


def as_profile(
    reference: Profile | Dataset | pd.DataFrame, card: ModelCard, key: HashKey | None = None
) -> Profile:
    """The profile of a reference, or that itself."""
    if isinstance(reference, Profile):
        return reference
    dataset = as_dataset(reference, card, "the reference")
    return build_profile(dataset, card, key=key)[0]
