"""The surrogate: an additive copy of the score, so that each feature's part in it can be named.

In: the reference's features and outputs when a profile is built, as plain arrays afterwards. Out:
what each feature adds to a score, how much each matters, and how far to trust it. Never: the model
itself; where the surrogate is poor, its words say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from monitor.attribution.cells import Cells
from monitor.errors import ProfileError
from monitor.events import Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.profile import Profile, Reference
from schemas.model import ModelCard
from schemas.prediction import FeatureValue
from schemas.values import USABLE_FAULTS, value_fault

MAX_ROWS: Final = 20_000
"""Reference rows that it is fitted on, evenly spread."""
MIN_ROWS: Final = 200
RIDGE_ROWS: Final = 10.0
"""A cell of so few rows is drawn half-way to the mean."""
FOLDS: Final = 5
MAX_CLASSES: Final = 16
_CHUNK: Final = 2_000
_DIGITS: Final = 9
"""Kept of what is solved for, so that another machine's last digits do not change the profile."""


@dataclass(frozen=True, slots=True, eq=False)
class Surrogate:
    """score = base + one number for each feature, looked up by the cell of its value.

    `outputs` names what is copied: the score, the prediction of a regression, or, of a model that
    tells classes alone, each of the reference's commonest classes (1 where it was chosen).

    >>> from monitor.sketches.number import NumberReference
    >>> rng = np.random.default_rng(1)
    >>> age, plan = rng.uniform(0, 90, 4_000), rng.choice(["free", "paid"], 4_000)
    >>> numbers = {"age": age, "score": 0.01 * age + 0.2 * (plan == "paid")}
    >>> categories = {"plan": plan.tolist()}
    >>> columns = [*(NumberReference.from_values(name, numbers[name]) for name in numbers),
    ...     CategoryReference.from_values("plan", categories["plan"])]
    >>> surrogate = Surrogate.of_arrays(columns, fit_surrogate(columns, numbers, categories))
    >>> parts = surrogate.contributions({"age": 80, "plan": "paid"})
    >>> {name: round(part, 1) for name, part in parts.items()}
    {'age': 0.4, 'plan': 0.1}
    >>> bool(abs(surrogate.score({"age": 80, "plan": "paid"}) - 1.0) < 0.05), surrogate.trust
    (True, 'follows the score closely (R2 0.99)')
    """

    cells: Cells
    outputs: tuple[str, ...]
    shares: Float64
    """float64[cells]: of the reference's rows, by feature."""
    weights: Float64
    """float64[cells, outputs]; of each feature, their mean over the reference is 0."""
    base: Float64
    """float64[outputs]: mean of the reference."""
    r2: Float64
    """float64[outputs]: share of the variance that it explains on rows it was not fitted on."""
    n_rows: int

    @classmethod
    def of(cls, profile: Profile) -> Self | None:
        """Of a profile; None where it has none: no output, or too few rows."""
        if not profile.surrogate:
            return None
        return cls.of_arrays(profile.columns, profile.surrogate)

    @classmethod
    def of_arrays(cls, columns: Sequence[Reference], arrays: Mapping[str, Float64]) -> Self:
        """Of what `fit_surrogate` gave; ProfileError where that does not fit the references."""
        needed = ("counts", "edges", "shares", "weights", "base", "r2", "n_rows")
        if missing := [name for name in needed if name not in arrays]:
            raise ProfileError(f"the surrogate of the profile lacks {', '.join(missing)}")
        cells = Cells.of_arrays(columns, arrays)
        outputs = _outputs(columns)
        shares, weights = arrays["shares"], arrays["weights"]
        shapes = (shares.shape, weights.shape, arrays["base"].shape, arrays["r2"].shape)
        k = len(outputs)
        if shapes != ((cells.size,), (cells.size, k), (k,), (k,)):
            raise ProfileError(
                f"the surrogate's arrays have shapes {shapes}: {cells.size} cells, {k} outputs"
            )
        rows = int(arrays["n_rows"].sum())
        return cls(cells, outputs, shares, weights, arrays["base"], arrays["r2"], rows)

    @property
    def fidelity(self) -> float:
        """R2 on rows it was not fitted on: 1 is a perfect copy, 0 or less says nothing."""
        return float(self.r2.mean())

    @property
    def trust(self) -> str:
        """The fidelity in words."""
        if self.fidelity >= 0.9:
            words = "follows the score closely"
        elif self.fidelity >= 0.6:
            words = "follows the score roughly"
        else:
            words = "hardly follows the score: take it as a hint"
        return f"{words} (R2 {self.fidelity:.2f})"

    @property
    def importance(self) -> dict[str, float]:
        """Feature to its mean |contribution| over the reference, in the unit of the score."""
        return {
            one.name: float((self.shares[part] @ np.abs(self.weights[part])).mean())
            for one, part in self.cells.parts()
        }

    def contributions(
        self,
        features: Mapping[str, FeatureValue],
        *,
        card: ModelCard | None = None,
        answer: str | None = None,
    ) -> dict[str, float]:
        """Feature to what its value adds to (or takes from) the score; with `base` their sum.

        `features` as logged: with the card, what stands for "no value" counts as none. `answer` is
        the class of a model that tells classes alone; absent: the commonest.
        """
        at = self._output(answer)
        return {
            one.name: float(
                self.weights[part.start + one.cell(_usable(one.name, features, card)), at]
            )
            for one, part in self.cells.parts()
        }

    def score(
        self,
        features: Mapping[str, FeatureValue],
        *,
        card: ModelCard | None = None,
        answer: str | None = None,
    ) -> float:
        """What the surrogate says of an event."""
        parts = self.contributions(features, card=card, answer=answer)
        return float(self.base[self._output(answer)]) + sum(parts.values())

    def _output(self, answer: str | None) -> int:
        return self.outputs.index(answer) if answer in self.outputs else 0


def fit_surrogate(
    columns: Sequence[Reference],
    numbers: Mapping[str, Float64],
    categories: Mapping[str, Sequence[str | None]],
) -> dict[str, Float64]:
    """Fit by ridge regression on cells; plain arrays, empty where there is nothing to copy.

    Parameters
    ----------
    columns
        References of all columns, outputs included.
    numbers, categories
        The reference's rows in time order, as validation reads them.

    R2 is measured on five stretches of time, each left out in turn.

    **Blind to** interactions: what two features do together is split between them. Features that
    move together share their importance.

    **Cost**: 20 ms for 10 features and 20,000 rows; with c cells (MAX_CELLS at most) c^3.
    """
    targets = _targets(columns, numbers, categories)
    known = np.flatnonzero(np.isfinite(targets).all(axis=1)) if targets.size else np.zeros(0, int)
    if known.size < MIN_ROWS:
        return {}
    kept = known[np.linspace(0, known.size - 1, min(known.size, MAX_ROWS)).astype(np.int64)]
    cells = Cells.fit(columns, numbers)
    if not cells.features:
        return {}
    places = np.stack(
        [
            start
            + one.cells(
                numbers[one.name][kept]
                if one.names is None
                else [categories[one.name][row] for row in kept.tolist()]
            )
            for one, start in zip(cells.features, cells.starts.tolist(), strict=True)
        ]
    )
    y = targets[kept]
    fold = np.arange(len(kept)) * FOLDS // len(kept)
    sums = [_Sums.of(places[:, fold == k], y[fold == k], cells.size) for k in range(FOLDS)]
    whole = _Sums.added(sums)
    left_over = np.zeros(y.shape[1])
    for k in range(FOLDS):
        base, weights = _Sums.added([*sums[:k], *sums[k + 1 :]]).solved()
        mine = fold == k
        left_over += ((y[mine] - base - weights[places[:, mine]].sum(axis=0)) ** 2).sum(axis=0)
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    r2 = np.where(spread > 0, 1.0 - left_over / np.where(spread > 0, spread, 1.0), 0.0)
    base, weights = whole.solved()
    shares = whole.ones / whole.n
    for _, part in cells.parts():
        mean = shares[part] @ weights[part]
        weights[part] -= mean
        base = base + mean
    return cells.arrays() | {
        "shares": shares,
        "weights": weights.round(_DIGITS),
        "base": base.round(_DIGITS),
        "r2": r2.round(_DIGITS),
        "n_rows": np.array([float(whole.n)]),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """What the normal equations need; sums of parts add."""

    n: int
    ones: Float64
    together: Float64
    with_y: Float64
    y: Float64

    @classmethod
    def of(cls, places: Int64, y: Float64, size: int) -> Self:
        together = np.zeros((size, size), np.float32)
        for start in range(0, places.shape[1], _CHUNK):
            part = places[:, start : start + _CHUNK]
            rows = np.zeros((part.shape[1], size), np.float32)
            rows[np.arange(part.shape[1])[None, :], part] = 1.0
            together += rows.T @ rows
        with_y: Float64 = np.stack(
            [
                np.bincount(places.ravel(), np.tile(y[:, k], len(places)), size).astype(np.float64)
                for k in range(y.shape[1])
            ],
            axis=1,
        )
        ones = np.bincount(places.ravel(), minlength=size).astype(np.float64)
        return cls(places.shape[1], ones, together.astype(np.float64), with_y, y.sum(axis=0))

    @classmethod
    def added(cls, parts: Sequence[Self]) -> Self:
        return cls(
            sum(one.n for one in parts),
            np.sum([one.ones for one in parts], axis=0),
            np.sum([one.together for one in parts], axis=0),
            np.sum([one.with_y for one in parts], axis=0),
            np.sum([one.y for one in parts], axis=0),
        )

    def solved(self) -> tuple[Float64, Float64]:
        """(base, weights): the centred ridge solution."""
        mean_x, mean_y = self.ones / self.n, self.y / self.n
        left = self.together - self.n * np.outer(mean_x, mean_x)
        left[np.diag_indices_from(left)] += RIDGE_ROWS
        weights = np.linalg.solve(left, self.with_y - np.outer(self.ones, mean_y)).astype(
            np.float64
        )
        base: Float64 = mean_y - mean_x @ weights
        return base, weights


def _outputs(columns: Sequence[Reference]) -> tuple[str, ...]:
    """What is copied: the score, else the number or the commonest classes of the prediction."""
    by_name = {column.name: column for column in columns}
    if "score" in by_name:
        return ("score",)
    prediction = by_name.get("prediction")
    if prediction is None:
        return ()
    if isinstance(prediction, CategoryReference):
        return prediction.names[:MAX_CLASSES]
    return ("prediction",)


def _targets(
    columns: Sequence[Reference],
    numbers: Mapping[str, Float64],
    categories: Mapping[str, Sequence[str | None]],
) -> Float64:
    outputs = _outputs(columns)
    if outputs in (("score",), ("prediction",)) and outputs[0] in numbers:
        return numbers[outputs[0]][:, None]
    said = categories.get("prediction", ())
    rows = [[float(one == name) if one is not None else np.nan for name in outputs] for one in said]
    return np.array(rows, np.float64).reshape(len(said), len(outputs))


def _usable(
    name: str, features: Mapping[str, FeatureValue], card: ModelCard | None
) -> FeatureValue:
    value = features.get(name)
    spec = card.features.get(name) if card is not None else None
    if spec is not None and value_fault(spec, value) not in (None, *USABLE_FAULTS):
        return None
    return value
