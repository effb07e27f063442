"""The surrogate: an additive copy of the score, so that each feature's part in it can be named.

In: the reference's features and outputs when a profile is built, as plain arrays afterwards. Out:
what each feature adds to a score, how much each matters, and how far to trust it. Never: the model
itself; where the surrogate is poor, its words say so.
"""

from collections.abc import Iterator, Mapping, Sequence
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
LINE_ROWS: Final = 1.0
"""The same for a line: it comes first, the cells say how the score departs from it."""
FOLDS: Final = 5
MAX_CLASSES: Final = 16
_CHUNK: Final = 2_000
_DIGITS: Final = 9
"""Kept of what is solved for, so that another machine's last digits do not change the profile."""


@dataclass(frozen=True, slots=True, eq=False)
class Surrogate:
    """score = base + one number for each feature: of its value's cell, and along a line.

    The line tells features apart that move together (dew point and temperature), within their
    cells and beyond the reference, of whose range it may leave one width.

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
    (True, 'follows the score closely (R2 1.00)')
    """

    cells: Cells
    outputs: tuple[str, ...]
    shares: Float64
    """float64[cells]: of the reference's rows, by feature."""
    weights: Float64
    """float64[cells, outputs]; of each feature, their mean over the reference is 0."""
    lines: Float64
    """float64[features, 3]: centre, smallest and largest value of a number; 0 of a category."""
    slopes: Float64
    """float64[features, outputs]: for each unit from the centre."""
    matter: Float64
    """float64[features]: mean |contribution| over the reference."""
    base: Float64
    """float64[outputs]: mean of the reference."""
    r2: Float64
    """float64[outputs]: share of the variance that it explains on rows it was not fitted on."""

    @classmethod
    def of(cls, profile: Profile) -> Self | None:
        """Of a profile; None where it has none: no output, or too few rows."""
        if not profile.surrogate:
            return None
        return cls.of_arrays(profile.columns, profile.surrogate)

    @classmethod
    def of_arrays(cls, columns: Sequence[Reference], arrays: Mapping[str, Float64]) -> Self:
        """Of what `fit_surrogate` gave; ProfileError where that does not fit the references."""
        needed = ("counts", "edges", "shares", "weights", "lines", "slopes", "matter", "base", "r2")
        if missing := [name for name in needed if name not in arrays]:
            raise ProfileError(f"the surrogate of the profile lacks {', '.join(missing)}")
        cells = Cells.of_arrays(columns, arrays)
        outputs = _outputs(columns)
        shapes = tuple(arrays[name].shape for name in needed[2:])
        f, k = len(cells.features), len(outputs)
        if shapes != ((cells.size,), (cells.size, k), (f, 3), (f, k), (f,), (k,), (k,)):
            raise ProfileError(
                f"the surrogate's arrays have shapes {shapes}: {cells.size} cells, {k} outputs"
            )
        return cls(cells, outputs, *(arrays[name] for name in needed[2:]))

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
        return dict(zip(self.cells.names, self.matter.tolist(), strict=True))

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
        at, found = self._output(answer), {}
        for place, (one, part) in enumerate(self.cells.parts()):
            value = _usable(one.name, features, card)
            cell = one.cell(value)
            found[one.name] = float(self.weights[part.start + cell, at])
            if one.names is None and cell != one.size - 1:
                centre, low, high = self.lines[place].tolist()
                kept = min(max(_number(value), 2 * low - high), 2 * high - low)
                found[one.name] += float(self.slopes[place, at]) * (kept - centre)
        return found

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
    """Fit by ridge regression on cells and lines; plain arrays, empty where nothing can be copied.

    Parameters
    ----------
    columns
        References of all columns, outputs included.
    numbers, categories
        The reference's rows in time order, as validation reads them.

    R2 is measured on five stretches of time, each left out in turn.

    **Blind to** interactions: what two features do together is split between them. Features that
    nearly repeat each other share their part.

    **Cost**: half a second for 13 features and 20,000 rows; with c cells (MAX_CELLS at most) c^3.
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
    lines, scales, along = _lines(cells, numbers, kept)
    fold = np.arange(len(kept)) * FOLDS // len(kept)
    rows = [_Rows(places[:, fold == k], along[:, fold == k], cells.size) for k in range(FOLDS)]
    sums = [_Sums.of(part, y[fold == k]) for k, part in enumerate(rows)]
    left_over = np.zeros(y.shape[1])
    for k in range(FOLDS):
        base, weights = _Sums.added([*sums[:k], *sums[k + 1 :]]).solved(cells.size)
        left_over += ((y[fold == k] - base - rows[k].times(weights)) ** 2).sum(axis=0)
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    r2 = np.where(spread > 0, 1.0 - left_over / np.where(spread > 0, spread, 1.0), 0.0)
    whole = _Sums.added(sums)
    base, solved = whole.solved(cells.size)
    weights, slopes = solved[: cells.size], solved[cells.size :]
    shares = whole.ones[: cells.size] / whole.n
    matter = np.zeros(len(cells.features))
    for place, (_, part) in enumerate(cells.parts()):
        mean = shares[part] @ weights[part]
        weights[part] -= mean
        base = base + mean
        said = weights[places[place]] + along[place][:, None] * slopes[place]
        matter[place] = np.abs(said).mean()
    return cells.arrays() | {
        "shares": shares,
        "weights": weights.round(_DIGITS),
        "lines": lines,
        "slopes": (slopes / scales[:, None]).round(_DIGITS),
        "matter": matter.round(_DIGITS),
        "base": base.round(_DIGITS),
        "r2": r2.round(_DIGITS),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows of the design: a one for each feature's cell, then its number along the line."""

    places: Int64
    """int64[features, rows]"""
    along: Float64
    """float64[features, rows]: in standard deviations from the centre; 0 without a number."""
    cells: int

    def parts(self) -> Iterator[tuple[slice, Float64]]:
        """A few rows at a time: float64[rows, cells + features]."""
        n = self.places.shape[1]
        for start in range(0, n, _CHUNK):
            at = slice(start, min(start + _CHUNK, n))
            rows = np.zeros((at.stop - start, self.cells + len(self.along)))
            rows[np.arange(len(rows))[None, :], self.places[:, at]] = 1.0
            rows[:, self.cells :] = self.along[:, at].T
            yield at, rows

    def times(self, weights: Float64) -> Float64:
        """float64[rows, outputs]."""
        said: Float64 = weights[self.places].sum(axis=0) + self.along.T @ weights[self.cells :]
        return said


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """What the normal equations need; sums of parts add."""

    n: int
    ones: Float64
    together: Float64
    with_y: Float64
    y: Float64

    @classmethod
    def of(cls, rows: _Rows, y: Float64) -> Self:
        size = rows.cells + len(rows.along)
        ones, together = np.zeros(size), np.zeros((size, size))
        with_y = np.zeros((size, y.shape[1]))
        for at, part in rows.parts():
            ones += part.sum(axis=0)
            together += part.T @ part
            with_y += part.T @ y[at]
        return cls(len(y), ones, together, with_y, y.sum(axis=0))

    @classmethod
    def added(cls, parts: Sequence[Self]) -> Self:
        return cls(
            sum(one.n for one in parts),
            np.sum([one.ones for one in parts], axis=0),
            np.sum([one.together for one in parts], axis=0),
            np.sum([one.with_y for one in parts], axis=0),
            np.sum([one.y for one in parts], axis=0),
        )

    def solved(self, cells: int) -> tuple[Float64, Float64]:
        """(base, weights): the centred ridge solution; of the weights, so many are of cells."""
        mean_x, mean_y = self.ones / self.n, self.y / self.n
        left = self.together - self.n * np.outer(mean_x, mean_x)
        penalty = np.full(len(mean_x), LINE_ROWS)
        penalty[:cells] = RIDGE_ROWS
        left[np.diag_indices_from(left)] += penalty
        weights = np.linalg.solve(left, self.with_y - np.outer(self.ones, mean_y)).astype(
            np.float64
        )
        base: Float64 = mean_y - mean_x @ weights
        return base, weights


def _lines(
    cells: Cells, numbers: Mapping[str, Float64], kept: Int64
) -> tuple[Float64, Float64, Float64]:
    """(centre, smallest and largest value; standard deviation; rows along the line) by feature."""
    lines, scales = np.zeros((len(cells.features), 3)), np.ones(len(cells.features))
    along = np.zeros((len(cells.features), len(kept)))
    for place, one in enumerate(cells.features):
        values = numbers[one.name][kept] if one.names is None else np.zeros(0)
        present = values[np.isfinite(values)]
        if present.size and present.std() > 0:
            lines[place] = present.mean(), present.min(), present.max()
            scales[place] = present.std()
            said = (values - lines[place, 0]) / scales[place]
            along[place] = np.where(np.isfinite(values), said, 0.0)
    return lines, scales, along


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


def _number(value: FeatureValue) -> float:
    return 0.0 if value is None or isinstance(value, str) else float(value)
