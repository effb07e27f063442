"""A backtest: the worker's own pipeline over rows of a file.

In: events and a reference as files or data frames, and the model card. Out: a `BacktestResult`.
Never: a broker, a server, a step of its own; only the source, the store and the publisher differ.
"""

from typing import Final

import pandas as pd

from monitor.backtest.labels import LabelCoverage, label_coverage
from monitor.backtest.result import BacktestResult
from monitor.backtest.rows import PARTITION, RowBatch, RowValidator, check_rows, row_batches
from monitor.backtest.store import ReportStore
from monitor.broker import Membership
from monitor.clock import Clock, SystemClock
from monitor.config import LimitSettings, TopicSettings, WorkerSettings
from monitor.judging.judge import Judge
from monitor.pipeline import Pipeline
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import Dataset, frame_dataset
from monitor.profiling.files import check_fit
from monitor.publishing.memory import MemoryPublisher
from monitor.roster import Encoder, Roster, encode
from monitor.sketches.profile import Profile
from monitor.telemetry import Telemetry
from schemas.model import ModelCard

MEMBERSHIP: Final = Membership("backtest", 1, "backtest", None)
TOPICS: Final = TopicSettings()
LIMITS: Final = LimitSettings()
WORKER: Final = WorkerSettings()
"""The defaults: a backtest has no settings but the card's."""


def run_backtest(
    events: Dataset | pd.DataFrame,
    card: ModelCard,
    reference: Profile | Dataset | pd.DataFrame,
    *,
    labels: Dataset | pd.DataFrame | None = None,
) -> BacktestResult:
    """What the monitor would have said of `events`, in the order of their rows.

    Labels are matched and counted; ConfigError names a column that is missing or wrong.

    >>> import numpy as np
    >>> from schemas.model import FeatureSpec, Monitoring
    >>> card = ModelCard(model="m", model_version="1", task="regression",
    ...     features={"x": FeatureSpec(type="number")}, monitoring=Monitoring(scales=(1_000,)))
    >>> x = np.random.default_rng(1).normal(size=30_000)
    >>> result = run_backtest(
    ...     pd.DataFrame({"x": x[:10_000] + np.repeat([0.0, 2.0], 5_000)}), card,
    ...     pd.DataFrame({"x": x[10_000:]}))
    >>> [(alert.feature, 5_000 <= alert.firing_event < 5_050) for alert in result.alerts]
    [('x', True)]
    """
    dataset = as_dataset(events, card, "the events")
    coverage = None
    if labels is not None:
        truths = labels if isinstance(labels, Dataset) else frame_dataset(labels, source="labels")
        coverage = label_coverage(dataset, truths)
    watch = Watch(card, as_profile(reference, card), validator=row_validator())
    for batch in row_batches(dataset, card, TOPICS.predictions):
        watch.take(batch)
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
    ) -> None:
        check_fit(profile, card)
        clock = clock or SystemClock()
        self.card = card.model_copy(update={"profile_hash": profile.hash})
        self.telemetry = Telemetry(clock)
        self._profile = profile
        self._store = ReportStore()
        self._store.save_profile(profile.hash, profile.to_bytes())
        self._roster = Roster(self._store.load_profile, WORKER.duplicate_memory, encoder)
        self._pipeline = Pipeline(
            validator=validator,
            roster=self._roster,
            judge=Judge(),
            store=self._store,
            publisher=MemoryPublisher(),
            topics=TOPICS,
            clock=clock,
            telemetry=self.telemetry,
            unregistered_limit=LIMITS.unregistered_models,
        )
        self._pipeline.on_card(self.card)

    def take(self, batch: RowBatch) -> None:
        """Take consecutive rows."""
        self._pipeline.on_batch(batch)
        self._pipeline.commit({(TOPICS.predictions, PARTITION): batch.stop}, MEMBERSHIP)

    def result(self, dataset: Dataset, labels: LabelCoverage | None = None) -> BacktestResult:
        """What was found in the rows of `dataset`, all of which have been taken."""
        return BacktestResult.of(
            dataset, self.card, self._profile, self._store, self._roster, labels
        )


def row_validator() -> RowValidator:
    """The validator of rows, with the limits that the stream has by default."""
    return RowValidator(LIMITS, TOPICS.predictions, TOPICS.labels)


def as_dataset(events: Dataset | pd.DataFrame, card: ModelCard, source: str) -> Dataset:
    """Events with the columns that the card asks for; ConfigError names what is wrong."""
    dataset = events if isinstance(events, Dataset) else frame_dataset(events, card, source=source)
    check_rows(dataset)
    return dataset


def as_profile(reference: Profile | Dataset | pd.DataFrame, card: ModelCard) -> Profile:
    """The profile of a reference, or that itself."""
    if isinstance(reference, Profile):
        return reference
    dataset = as_dataset(reference, card, "the reference")
    return build_profile(dataset, card)[0]
