"""Which predictions get labels: too few, too late, or those of a biased part of the traffic?

In: closed cohorts, with and without labels. Out: measurements. Never: a metric; it says how far
metrics can be believed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from scipy.fft import irfft, rfft

from monitor.events import Bool, Float64
from monitor.findings import Measurement, Verdict
from monitor.performance.delays import DelayCurve
from monitor.performance.rows import CohortRows

WINDOW_ROWS: Final = 8_000
"""Predictions compared at once; every one of them once."""
MIN_SIDE: Final = 30
"""Labelled and unlabelled predictions that a comparison needs."""
BIAS_ALPHA: Final = 0.001
BIAS_FLOOR: Final = 0.1
"""Smallest |AUC - 0.5| of a feature that tells unlabelled from labelled predictions."""
FEWER_FLOOR: Final = 0.2
"""Smallest drop of the share of labelled predictions worth an alert."""
FEWER_DEVIATIONS: Final = 4.0
SLOWER_FLOOR: Final = 0.2
"""Smallest share of labels that come later than they used to, worth an alert."""
MIN_COHORTS: Final = 7
MIN_LABELS: Final = 50
_NAMED: Final = 3


def missing_at_random(
    values: Float64, unlabelled: Bool, names: tuple[str, ...]
) -> tuple[float, dict[str, float]]:
    """Whether predictions without a label look like those with one.

    Parameters
    ----------
    values
        float64[rows, columns], rows in time order; NaN counts as a value of its own, below all.
    unlabelled
        Where no label came.
    names
        Of the columns.

    The statistic is the largest standardised difference of mean ranks over the columns. Its null
    distribution is that of all circular shifts of `unlabelled` against the rows: shifting keeps the
    runs of the missing labels and the waves of the features, so that an outage of an hour is no
    bias by itself. Gives (p-value, column to AUC - 0.5 of unlabelled against labelled).

    **Blind to** labels missing by their own value, with no trace in the features.

    **Cost**: a sort and two Fourier transforms a column: 3 ms for 8,000 rows.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(4_000, 2))
    >>> missing_at_random(x, rng.random(4_000) < 0.05, ("a", "b"))[0] > 0.01
    True
    >>> p, apart = missing_at_random(x, rng.random(4_000) < 0.1 * (x[:, 0] > 0), ("a", "b"))
    >>> p < 0.001, max(apart, key=lambda name: abs(apart[name]))
    (True, 'a')

    Pesarin and Salmaso (2010) for permutation of dependent data; Harris (2020) for shifts.
    """
    # Slow to import, and of use where labels come alone.
    from scipy.stats import rankdata

    n, missing = len(unlabelled), int(unlabelled.sum())
    filled = np.where(np.isnan(values), -np.inf, values)
    ranks = np.column_stack([rankdata(filled[:, k]) for k in range(values.shape[1])])
    spread = ranks.std(axis=0)
    usable = np.flatnonzero(spread > 0)
    if not usable.size or not 0 < missing < n:
        return 1.0, {}
    centred = ranks[:, usable] - ranks[:, usable].mean(axis=0)
    mask = unlabelled.astype(np.float64)
    spectrum = np.conj(rfft(centred, axis=0)) * rfft(mask)[:, None]
    sums = irfft(spectrum, n, axis=0)
    scale = sums.std(axis=0)
    largest = np.max(np.abs(sums) / np.where(scale > 0, scale, np.inf), axis=1)
    p = float(np.mean(largest >= largest[0] * (1.0 - 1e-9)))
    apart = sums[0] / (missing * (n - missing))
    return p, {names[k]: float(apart[place]) for place, k in enumerate(usable.tolist())}


class CoverageWatch:
    """Labels that are fewer, later, or missing for a part of the traffic, of one model.

    Parameters
    ----------
    names
        Features that are compared; the score comes with them.

    Checks: `labels_missing` (share of labelled predictions of a cohort against the cohorts
    before), `labels_slow` (delays of a cohort's labels against all before, in two cohorts
    running), `labels_biased` (labelled against unlabelled over windows of WINDOW_ROWS).

    **Blind to** a stop of all labels of a partition, which closes no cohort: see `labels_stopped`.

    **Cost**: under a microsecond a prediction; WINDOW_ROWS x (features + 2) x 8 bytes.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = (*names, "score")
        self.curve = DelayCurve()
        """The learnt delays of all closed cohorts."""
        self._shares: Float64 = np.zeros(0)
        self._slow_in_a_row = 0
        self._window: Float64 = np.zeros((0, len(self._names) + 1))

    def add(self, rows: CohortRows, ended_us: int) -> list[Measurement]:
        """Take a closed cohort of live predictions; `ended_us`: when its labels were sealed."""
        if not len(rows):
            return []
        found = [self._fewer(rows), self._slower(rows, ended_us)]
        self._window = np.concatenate((self._window, _compared(rows)))
        while len(self._window) >= WINDOW_ROWS:
            found.append(self._biased(self._window[:WINDOW_ROWS]))
            self._window = self._window[WINDOW_ROWS:]
        return found

    def _fewer(self, rows: CohortRows) -> Measurement:
        share, n = float(rows.labelled.mean()), len(rows)
        before = self._shares
        self._shares = np.append(before, share)[-100:]
        if len(before) < MIN_COHORTS:
            reason = f"{len(before)} cohorts before this one, {MIN_COHORTS} are needed"
            return _said("labels_missing", Verdict.CANNOT_TELL, n, effect=0.0, reason=reason)
        usual = float(np.median(before))
        deviation = float(np.median(np.abs(before - usual))) * 1.4826
        error = np.hypot(deviation, np.sqrt(max(usual * (1.0 - usual), 1.0 / n) / n))
        drop = usual - share
        found = drop >= FEWER_FLOOR and drop >= FEWER_DEVIATIONS * error
        return _said(
            "labels_missing",
            Verdict.DRIFT if found else Verdict.OK,
            n,
            effect=max(drop, 0.0),
            threshold=FEWER_FLOOR,
            statistic=drop / error,
            cleared=drop < FEWER_FLOOR / 2,
            reason=f"{share:.1%} of the predictions have a label, usually {usual:.1%}"
            if found
            else "",
            values={"coverage": share, "usual_coverage": usual},
        )

    def _slower(self, rows: CohortRows, ended_us: int) -> Measurement:
        labelled = rows.labelled
        own = DelayCurve()
        own.add(
            np.maximum(rows.observed_us - rows.occurred_us, 0)[labelled],
            np.maximum(ended_us - rows.occurred_us, 0)[~labelled],
        )
        known, n = self.curve, own.labels
        _, lag = own.distance(known)
        self.curve = known.merged(own)
        if min(n, known.labels) < MIN_LABELS:
            reason = f"{n} labels in this cohort, {known.labels} before; {MIN_LABELS} are needed"
            return _said("labels_slow", Verdict.CANNOT_TELL, n, effect=0.0, reason=reason)
        self._slow_in_a_row = self._slow_in_a_row + 1 if lag >= SLOWER_FLOOR else 0
        found = self._slow_in_a_row > 1
        hours = {"half_after_hours": own.quantile_us(0.5) / 3.6e9}
        hours["usually_half_after_hours"] = known.quantile_us(0.5) / 3.6e9
        return _said(
            "labels_slow",
            Verdict.DRIFT if found else Verdict.OK,
            n,
            effect=lag,
            threshold=SLOWER_FLOOR,
            statistic=lag,
            cleared=lag < SLOWER_FLOOR / 2,
            reason=(
                f"half of the labels came after {hours['half_after_hours']:.1f} h, usually after "
                f"{hours['usually_half_after_hours']:.1f} h"
            )
            if found
            else "",
            values=hours,
        )

    def _biased(self, window: Float64) -> Measurement:
        unlabelled = window[:, -1] > 0
        missing = int(unlabelled.sum())
        few = min(missing, len(window) - missing)
        if few < MIN_SIDE:
            reason = f"{few} predictions on the smaller side, {MIN_SIDE} are needed"
            return _said("labels_biased", Verdict.CANNOT_TELL, missing, effect=0.0, reason=reason)
        p, apart = missing_at_random(window[:, :-1], unlabelled, self._names)
        ranked = sorted(apart.items(), key=lambda item: -abs(item[1]))
        effect = abs(ranked[0][1]) if ranked else 0.0
        found = p <= BIAS_ALPHA and effect >= BIAS_FLOOR
        named = ", ".join(
            f"{name} {'higher' if value > 0 else 'lower'} ({0.5 + abs(value):.2f})"
            for name, value in ranked[:_NAMED]
        )
        return _said(
            "labels_biased",
            Verdict.DRIFT if found else Verdict.OK,
            len(window),
            effect=effect,
            threshold=BIAS_FLOOR,
            statistic=effect,
            p_value=p,
            cleared=effect < BIAS_FLOOR or p > 10 * BIAS_ALPHA,
            reason=(
                f"{missing:,} of {len(window):,} predictions have no label, and not at random: "
                f"they have {named}; metrics describe the others"
            )
            if found
            else "",
            values=dict(ranked),
        )

    @property
    def pending_rows(self) -> int:
        """Live predictions of the last cohorts that wait for a comparison."""
        return len(self._window)

    def refill(self, rows: Sequence[CohortRows], pending: int) -> None:
        """After `restore`: the live predictions of the last cohorts, of which so many wait."""
        together = np.concatenate((self._window[:0], *(_compared(one) for one in rows)))
        self._window = together[len(together) - pending :]

    def state(self) -> dict[str, Any]:
        """Plain arrays; the rows that wait are read back (`refill`)."""
        return {
            "curve": self.curve.state(),
            "shares": self._shares,
            "slow_in_a_row": self._slow_in_a_row,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self.curve = DelayCurve.from_state(state["curve"])
        self._shares = np.array(state["shares"], np.float64)
        self._slow_in_a_row = int(state["slow_in_a_row"])


def _compared(rows: CohortRows) -> Float64:
    """Features, score (or answer), and whether there is no label."""
    score = rows.answer if np.isnan(rows.score).all() else rows.score
    return np.column_stack((rows.features, score, ~rows.labelled))


def labels_stopped(answers_clock_us: int, labels_clock_us: int, curve: DelayCurve) -> Measurement:
    """Whether the labels of a partition have stopped; for the clock, when neither is behind.

    The labels' own time lags behind that of predictions by more than 99 % of delays, twice over.

    **Blind to** a stop of both.

    >>> labels_stopped(0, 0, DelayCurve()).verdict.value
    'cannot_tell'
    """
    usual = curve.quantile_us(0.99)
    if np.isnan(usual):
        return _said("labels_stopped", Verdict.CANNOT_TELL, 0, effect=0.0, reason="no label yet")
    lag = float(answers_clock_us - labels_clock_us)
    found = lag > 2.0 * usual
    return _said(
        "labels_stopped",
        Verdict.DRIFT if found else Verdict.OK,
        curve.labels,
        effect=lag / 3.6e9,
        threshold=2.0 * usual / 3.6e9,
        statistic=lag / 3.6e9,
        cleared=not found,
        immediate=found,
        reason=f"no label for {lag / 3.6e9:.1f} h of predictions" if found else "",
    )


def _said(
    check: str,
    verdict: Verdict,
    n: int,
    *,
    effect: float,
    threshold: float = 0.0,
    statistic: float = 0.0,
    p_value: float = 1.0,
    cleared: bool = False,
    immediate: bool | None = None,
    reason: str = "",
    values: Mapping[str, float] | None = None,
) -> Measurement:
    """A measurement of labels; one that finds something needs no second look."""
    return Measurement(
        check=check,
        feature="label",
        scale=0,
        verdict=verdict,
        statistic=float(statistic),
        effect=float(effect),
        threshold=threshold,
        p_value=p_value,
        n_ref=0,
        n_cur=n,
        n_effective=float(n),
        smallest_visible=threshold,
        cleared=cleared,
        immediate=verdict is Verdict.DRIFT if immediate is None else immediate,
        reason=reason,
        values=values or {},
    )
