"""A small model's reference and streams as panes, with the signals that files can carry."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from monitor.checks.check import Check, CheckContext
from monitor.checks.history import History
from monitor.checks.pane_view import PaneView
from monitor.checks.suite import CHECKS, CheckSuite
from monitor.events import SIGNALS
from monitor.findings import Measurement
from monitor.packing import pack, unpack
from monitor.profiling.build import build_profile, read_as_stream, reference_panes
from monitor.profiling.dataset import Dataset, frame_dataset
from monitor.sketches.profile import Profile
from monitor.validation.timing import future_faults
from schemas.model import FeatureSpec, ModelCard
from tests.checks.altered import altered

PER_EVENT = 1e-6 / 20
SIZE = 250
CARD = ModelCard(
    model="orders",
    model_version="1",
    task="binary",
    threshold=0.5,
    features={
        "amount": FeatureSpec(type="number"),
        "items": FeatureSpec(type="number"),
        "shop": FeatureSpec(type="category"),
    },
)


def frame(n: int, seed: int, *, start: str = "2026-03-02") -> pd.DataFrame:
    """Independent rows, one every 20 seconds: a pane is 83 minutes."""
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    times = pd.date_range(start, periods=n, freq="20s", tz="UTC")
    return pd.DataFrame(
        {
            "occurred_at": times,
            "sent_at": times + pd.to_timedelta(rng.gamma(2.0, 1.0, n), unit="s"),
            "feature_time_amount": times - pd.to_timedelta(rng.uniform(60, 3_600, n), unit="s"),
            "latency_ms": rng.lognormal(3.0, 0.3, n),
            "status": rng.choice(["ok", "fallback"], n, p=[0.99, 0.01]),
            "amount": rng.normal(20, 5, n),
            "items": rng.normal(3, 1, n),
            "shop": rng.choice(["a", "b", "c"], n),
            "score": score,
            "prediction": (score >= 0.5).astype(int),
        }
    )


@cache
def profile(*without: str) -> Profile:
    """Of 90,000 rows, three weeks; `without` names columns that the file lacks."""
    rows = frame(90_000, 1, start="2026-02-02").drop(columns=list(without))
    return build_profile(frame_dataset(rows, CARD), CARD)[0]


def panes(rows: pd.DataFrame, reference: Profile | None = None) -> list[PaneView]:
    """The rows as a stream's panes, event times cut to the send times."""
    reference = reference or profile()
    dataset = frame_dataset(rows, CARD)
    columns = read_as_stream(dataset, CARD)
    codes = reference.encode(
        columns.numbers, columns.categories, dataset.n_rows, dataset.occurred_us
    )
    faults = (*columns.faults, *_time_faults(dataset))
    views = reference_panes(reference, dataset, replace(columns, faults=faults), codes, CARD)
    sent_us = dataset.sent_us
    assert sent_us is not None
    return [
        altered(
            pane,
            signals=np.where(
                np.array([name == "resends" for name in SIGNALS])[:, None], 0.0, pane.signals
            ),
            occurred_us=np.minimum(
                pane.occurred_us, sent_us[pane.index * SIZE : (pane.index + 1) * SIZE]
            ),
        )
        for pane in views
    ]


def made(
    kind: type[Check], reference: Profile | None = None, history: History | None = None
) -> Any:
    """One check with a twentieth of a budget of one in a million events."""
    reference = reference or profile()
    learned = reference.checks.get(kind.name, {})
    history = history or History(reference)
    return kind.of(CheckContext(CARD, reference, learned, PER_EVENT, history))


def said(check: Any, views: Iterable[PaneView]) -> list[tuple[int, Measurement]]:
    """Pane and measurement of all that the check raised, nothing being raised before."""
    return [(view.index, m) for view in views for m in check.look(view, frozenset())]


def again(check: Any, other: Any) -> Any:
    """The other check after it took up the state of the first, as bytes."""
    other.restore(unpack(pack(check.state())))
    return other


def suite() -> CheckSuite:
    """All checks together."""
    return CheckSuite(CARD, profile(), PER_EVENT * len(CHECKS))


def _time_faults(dataset: Dataset) -> Sequence[Any]:
    late, _ = dataset.time_faults(frozenset(CARD.features))
    occurred_us, sent_us = dataset.occurred_us, dataset.sent_us
    assert occurred_us is not None
    assert sent_us is not None
    return (*future_faults(occurred_us, sent_us, 300 * 10**6), *late)
