"""Event by event: a fresh verdict on ten number features, beside detectors made for streams.

    python -m bench.streaming

In: generated rows. Out: events a second of processor time, in turn. Ours takes panes of 250 events
as the pipeline does: codes, the sequential detectors on every event, and the windows of three
scales that each pane closes. Never: the reading of records.
"""

import statistics
import time
from typing import Final

import numpy as np
import pandas as pd

from bench.asking import Asked, Gone, Peer, started
from bench.machine import versions_line
from bench.suite.outcome import Claim, Outcome, asked_of, print_alone, spread, text_table
from monitor.backtest.run import as_profile
from monitor.events import Float64
from monitor.profiling.dataset import frame_dataset
from monitor.version_monitor import VersionMonitor, encode
from schemas import FeatureSpec, ModelCard

REFERENCE_ROWS: Final = 10_000
OUR_REFERENCE_ROWS: Final = 85_000
"""Enough for all three default scales."""
OUR_EVENTS: Final = 100_000
FEATURES: Final = tuple(f"f{i}" for i in range(10))
ROUNDS: Final = 5
TIMES_BEST: Final = 100
SEED: Final = 7
PEERS: Final = (
    Peer("River KSWIN", "stream_kswin", "", 1_000),
    Peer("River KolmogorovSmirnov (treap)", "stream_treap", "", 1_500),
    Peer("alibi-detect CVMDriftOnline", "stream_alibi_detect", "alibi_detect", 1_000),
    Peer("Frouros IncrementalKSTest", "stream_frouros", "frouros", 100),
)


class Ours:
    """One version's tests, its windows full before time is taken."""

    def __init__(self, reference: Float64, before: Float64) -> None:
        card = ModelCard(
            model="bench",
            model_version="1",
            task="regression",
            features={name: FeatureSpec(type="number") for name in FEATURES},
        )
        table = pd.DataFrame(reference, columns=list(FEATURES))
        self._profile = as_profile(frame_dataset(table, card), card)
        self._pane = card.monitoring.pane_events
        self._monitor = VersionMonitor.build(card, self._profile, encode)
        self.scales = self._monitor.battery.scales
        self.take(before)

    def take(self, rows: Float64) -> tuple[float, int]:
        """Processor seconds, and how many verdicts there were."""
        verdicts, rebased, stream = 0, self._monitor.rebased, self._monitor.stream
        began_s = time.process_time()
        for first in range(0, len(rows), self._pane):
            pane = rows[first : first + self._pane]
            codes = self._profile.encode(dict(zip(FEATURES, pane.T, strict=True)), {}, len(pane))
            places = np.arange(stream.events, stream.events + len(pane))
            self._monitor._prepare_windows(codes, 1)
            for chunk in stream.add("bench", 0, places, places, codes, pane.T):
                verdicts += len(rebased.observe(chunk.codes))
                for window in chunk.windows:
                    verdicts += len(rebased.test(window))
        return time.process_time() - began_s, verdicts


def claims(ours: list[float], peers: dict[str, list[float]], gone: list[Gone]) -> tuple[Claim, ...]:
    """Against the best of them."""
    found = []
    if peers:
        best = max(peers, key=lambda title: statistics.median(peers[title]))
        ratios = [a / b for a, b in zip(ours, peers[best], strict=True)]
        found.append(asked_of(f"times the best, {best}", ratios, "at least", TIMES_BEST))
    return (*found, *(one.claim for one in gone))


def measure(*, quick: bool = False) -> Outcome:
    """Everyone in turn, several times."""
    rng = np.random.default_rng(SEED)
    reference = rng.normal(size=(REFERENCE_ROWS, len(FEATURES)))
    stream = rng.normal(size=(OUR_EVENTS, len(FEATURES)))
    ours = Ours(rng.normal(size=(OUR_REFERENCE_ROWS, len(FEATURES))), stream[:16_000])
    assert len(ours.scales) == 3, ours.scales
    share, rounds = (0.1, 1) if quick else (1.0, ROUNDS)
    rates: list[float] = []
    verdicts = 0
    with started(PEERS, reference, stream) as (peers, gone):
        beside: dict[str, list[float]] = {asked.peer.title: [] for asked in peers}
        for _ in range(rounds):
            mine = stream[: int(OUR_EVENTS * share)]
            seconds, verdicts = ours.take(mine)
            rates.append(len(mine) / seconds)
            for asked in peers:
                beside[asked.peer.title].append(_rate(asked, share))
        versions = {asked.peer.title: asked.versions for asked in peers}
    rows = [("Plumbline", spread(rates), "1", versions_line("numpy", "scipy"))]
    for title, found in beside.items():
        times = statistics.median(rates) / statistics.median(found)
        rows.append((title, spread(found), f"{times:,.0f}", versions[title]))
    notes = f"""\
{len(FEATURES)} number features; one thread, processor time, {rounds} rounds in turn. Plumbline: a
fresh verdict at every pane of 250 events, windows of {", ".join(f"{s:,}" for s in ours.scales)}, a
sequential detector on every event of every feature; {verdicts:,} verdicts in the last round."""
    table = text_table(("", "events/s, median (range)", "ours is times", "versions"), rows)
    absent = [f"{one.peer.title}: {one.reason}" for one in gone]
    text = "\n".join([notes, "", table, *absent])
    return Outcome(claims(rates, beside, gone), text, versions_line("numpy", "scipy"))


def _rate(asked: Asked, share: float) -> float:
    return asked.ask(int(asked.peer.rows * share)).rows_per_s


if __name__ == "__main__":
    print_alone(measure, __doc__)
