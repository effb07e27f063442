"""The engine alone: exact D and p of ten number features in tumbling windows, beside its peers.

    python -m bench.engine

In: generated rows, a reference of 10,000. Out: rows a second of processor time, in turn: ours from
raw values to measurements by the functions that the pipeline calls (`Profile.encode`, then
`Rebased.prepare` and `test` on what each batch closes), of the peers what their documentation
shows. Ours measures the missing rates and all columns together as well. Never: I/O, and never
another D than scipy's, which is asserted.
"""

import statistics
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

from bench.asking import Answer, Asked, Gone, Peer, started
from bench.machine import versions_line
from bench.suite.outcome import Claim, Outcome, asked_of, print_alone, spread, text_table
from monitor.backtest.run import as_profile
from monitor.events import Float64
from monitor.findings import Measurement, Span
from monitor.profiling.dataset import frame_dataset
from monitor.rebasing import Rebased
from monitor.sketches.profile import Profile
from monitor.windows.panes import Window
from schemas import FeatureSpec, ModelCard
from schemas.model import Monitoring

REFERENCE_ROWS: Final = 10_000
WINDOW: Final = 1_000
BATCH: Final = 10_000
"""Rows that come together, as a poll or a row group brings them."""
OUR_ROWS: Final = 200_000
FEATURES: Final = tuple(f"f{i}" for i in range(10))
ROUNDS: Final = 5
TIMES_SCIPY: Final = 8
TOLERANCE: Final = 1e-12
SEED: Final = 7
SCIPY: Final = Peer("scipy ks_2samp, asymptotic", "engine_scipy", "", 50_000)
PEERS: Final = (
    SCIPY,
    Peer("alibi-detect KSDrift", "engine_alibi_detect", "alibi_detect", 50_000),
    Peer("Frouros KSTest, asymptotic", "engine_frouros", "frouros", 50_000),
    Peer("Deepchecks FeatureDrift, KS", "engine_deepchecks", "deepchecks", 30_000),
    Peer("NannyML KS, exact", "engine_nannyml_exact", "nannyml", 30_000),
    Peer("NannyML KS, binned, one batch", "engine_nannyml", "nannyml", 100_000),
    Peer("whylogs KS, on sketches", "engine_whylogs", "whylogs", 20_000),
    Peer("Evidently ValueDrift, ks", "engine_evidently", "evidently", 4_000),
)


class Ours:
    """The tests of the pipeline, the windows tumbling as those of the peers."""

    def __init__(self, reference: Float64) -> None:
        self._card = ModelCard(
            model="bench",
            model_version="1",
            task="regression",
            features={name: FeatureSpec(type="number") for name in FEATURES},
            monitoring=Monitoring(scales=(WINDOW,), sequential=False),
        )
        table = pd.DataFrame(reference, columns=list(FEATURES))
        self._profile: Profile = as_profile(frame_dataset(table, self._card), self._card)

    def take(self, rows: Float64) -> tuple[float, list[list[Measurement]]]:
        """Processor seconds, and what is said of every window."""
        rebased = Rebased(self._profile, self._card.monitoring)
        found: list[list[Measurement]] = []
        began_s = time.process_time()
        for first in range(0, len(rows), BATCH):
            batch = rows[first : first + BATCH]
            codes = self._profile.encode(dict(zip(FEATURES, batch.T, strict=True)), {}, len(batch))
            ends = range(WINDOW, len(batch) + 1, WINDOW)
            rebased.prepare(codes, first, [(WINDOW, first + end - 1) for end in ends])
            for end in ends:
                window = Window(WINDOW, _span(first, end), codes[:, end - WINDOW : end])
                found.append(rebased.test(window))
        return time.process_time() - began_s, found


def _span(first: int, end: int) -> Span:
    begin, last = first + end - WINDOW, first + end - 1
    return Span("bench", 0, begin, last, begin, last, 0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant."""

    title: str
    rates: list[float]
    difference: str
    """Largest difference of its D from scipy's on one window."""
    versions: str


def differences(distances: list[list[float]], reference: Float64, stream: Float64) -> float:
    """Largest difference from scipy's exact D over the windows told."""
    return max(
        abs(d - float(ks_2samp(reference[:, column], values, method="asymp").statistic))
        for number, window in enumerate(distances)
        for column, (d, values) in enumerate(
            zip(window, stream[number * WINDOW : (number + 1) * WINDOW].T, strict=True)
        )
    )


def our_distances(found: list[list[Measurement]]) -> list[list[float]]:
    """D by window and feature."""
    ds = [{m.feature: m.statistic for m in window if m.check == "ks"} for window in found]
    return [[window[name] for name in FEATURES] for window in ds]


def rounds_of(
    peers: list[Asked], reference: Float64, stream: Float64, *, rounds: int, share: float
) -> list[Row]:
    """Everyone in turn, several times, ours between them."""
    ours = Ours(reference)
    mine = stream[: _whole(OUR_ROWS * share)]
    rates: list[float] = []
    answers: dict[str, list[Answer]] = {asked.peer.title: [] for asked in peers}
    for _ in range(rounds):
        seconds, found = ours.take(mine)
        rates.append(len(mine) / seconds)
        for asked in peers:
            answers[asked.peer.title].append(asked.ask(_whole(asked.peer.rows * share)))
    off = differences(our_distances(found[:20]), reference, stream)
    if off > TOLERANCE:
        raise SystemExit(f"our D is {off:g} from scipy's: the figure would be a lie")
    rows = [Row("Plumbline", rates, f"{off:.0e}", versions_line("numpy", "scipy"))]
    for asked in peers:
        told = answers[asked.peer.title]
        first = told[0].distances[:1]
        away = f"{differences(first, reference, stream):.0e}" if first else "not told"
        title = asked.peer.title
        rows.append(Row(title, [one.rows_per_s for one in told], away, asked.versions))
    return rows


def _whole(rows: float) -> int:
    return max(int(rows) // WINDOW, 1) * WINDOW


def claims(rows: list[Row], gone: list[Gone]) -> tuple[Claim, ...]:
    """Against scipy and against each of the others."""
    ours, *others = rows
    by_title = {row.title: row for row in others}
    found = []
    if SCIPY.title in by_title:
        ratios = [a / b for a, b in zip(ours.rates, by_title[SCIPY.title].rates, strict=True)]
        what = "times scipy's rows/s"
        found.append(asked_of(what, ratios, "at least", TIMES_SCIPY, form=".1f"))
    for row in (row for row in others if row.title != SCIPY.title):
        ratio = [a / b for a, b in zip(ours.rates, row.rates, strict=True)]
        found.append(asked_of(f"times {row.title}", ratio, "above", 1, form=".1f"))
    return (*found, *(one.claim for one in gone))


def measure(*, quick: bool = False) -> Outcome:
    """Start the peers, ask all in turn."""
    rng = np.random.default_rng(SEED)
    reference = rng.normal(size=(REFERENCE_ROWS, len(FEATURES)))
    stream = rng.normal(size=(OUR_ROWS, len(FEATURES)))
    share, rounds = (0.05, 1) if quick else (1.0, ROUNDS)
    with started(PEERS, reference, stream) as (peers, gone):
        rows = rounds_of(peers, reference, stream, rounds=rounds, share=share)
    table = text_table(
        ("", "rows/s, median (range)", "ours is times", "D off scipy's", "versions"),
        [
            (
                row.title,
                spread(row.rates),
                f"{statistics.median(rows[0].rates) / statistics.median(row.rates):.1f}",
                row.difference,
                row.versions,
            )
            for row in rows
        ],
    )
    notes = f"""\
{len(FEATURES)} number features, reference {REFERENCE_ROWS:,}, tumbling windows of {WINDOW:,}; one
thread, processor time, {rounds} rounds in turn. Plumbline goes from raw values to D, p and decision
of every feature; missing rates and the test of all columns together are included."""
    absent = [f"{one.peer.title}: {one.reason}" for one in gone]
    text = "\n".join([notes, "", table, *absent])
    return Outcome(claims(rows, gone), text, versions_line("numpy", "scipy"))


if __name__ == "__main__":
    print_alone(measure, __doc__)
