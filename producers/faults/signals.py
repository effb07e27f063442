"""What traffic may lack beside its values, simulated: latency, status, when features were known.

In: events in order, a seed. Out: the same events with what they do not tell filled in: latency
lognormal around 20 ms, 0.4 % fallbacks, features known a few minutes to an hour before (lognormal
around 10 minutes), sent 0.2 s after the event (lognormal) where both were the same moment. Never: a
field replaced that is there. The faulted stream and its twin get the same, so that they differ by
the fault alone.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from producers.faults.fault import Sent, occurred_us
from schemas import ModelCard

SIGNALS: Final = ("latency_ms", "status", "feature_times", "lag")
LATENCY_MS: Final = (20.0, 0.4)
"""Median and sigma of the logarithm."""
FALLBACKS: Final = 0.004
KNOWN_S: Final = (600.0, 0.6)
"""Median and sigma of the logarithm of how long before a prediction a feature is known."""
LAG_S: Final = (0.2, 0.5)
"""Median and sigma of the logarithm of how long after the prediction its event is sent."""
TIMED: Final = 4
"""Number features that get a time."""


def simulated(
    events: Iterable[Sent], card: ModelCard, *, seed: int, signals: Iterable[str] = SIGNALS
) -> Iterator[Sent]:
    """The events with the wanted signals, each filled in where it is missing."""
    wanted = tuple(signals)
    draws = np.random.default_rng([seed, len(SIGNALS)])
    timed = [name for name, spec in card.features.items() if spec.type == "number"][-TIMED:]
    for sent in events:
        noise, coin = draws.normal(size=3), draws.random()
        fields: dict[str, Any] = {}
        if "latency_ms" in wanted and sent.event.get("latency_ms") is None:
            fields["latency_ms"] = round(LATENCY_MS[0] * float(np.exp(LATENCY_MS[1] * noise[0])), 3)
        if "status" in wanted and "status" not in sent.event:
            fields["status"] = "fallback" if coin < FALLBACKS else "ok"
        if "feature_times" in wanted and not sent.event.get("feature_times"):
            age_s = KNOWN_S[0] * float(np.exp(KNOWN_S[1] * noise[1]))
            at = datetime.fromisoformat(sent.event["occurred_at"]) - timedelta(seconds=age_s)
            fields["feature_times"] = dict.fromkeys(timed, at.isoformat())
        sent_us = sent.sent_us
        if "lag" in wanted and sent_us == occurred_us(sent):
            sent_us += int(1e6 * LAG_S[0] * float(np.exp(LAG_S[1] * noise[2])))
        yield Sent({**sent.event, **fields}, sent_us)
