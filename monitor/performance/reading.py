"""Events as performance needs them: classes and categories as numbers.

In: stored rows of predictions and labels of one model (Arrow tables), and its card; or a labelled
data set. Out: `Answers` and `Truths`; a reference. Never: a value whose fault makes it unusable.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import xxhash

from monitor.errors import ConfigError
from monitor.events import Float64
from monitor.performance.metrics import Labelled
from monitor.performance.reference import PerformanceReference
from monitor.performance.rows import Answers, Truths
from monitor.performance.stored import MapEntries, moments_of, numbers_of, texts_of, usable
from schemas.model import ModelCard
from schemas.values import USABLE_FAULTS, as_float, class_text

MAX_FEATURES: Final = 32
"""Features kept for the comparison of labelled and unlabelled predictions."""
_YES_NO: Final = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}


class AnswerReader:
    """Reads one model's predictions and labels.

    Parameters
    ----------
    card
        Binary: of two `classes` the second is the positive one, without them 1 and true are; the
        answer is the score against `threshold` where the card has one. Multi-class: `classes` are
        needed (ConfigError).
    like
        The reader of the model's first version: classes and features keep its order.

    **Cost**: about 3 microseconds a prediction of 10 features, half of one a label.

    >>> card = ModelCard(model="m", model_version="1", task="binary", features={
    ...     "age": {"type": "number"}})
    >>> AnswerReader(card).codes([True, 1, "0", "maybe"])
    array([ 1.,  1.,  0., nan])
    """

    def __init__(self, card: ModelCard, like: "AnswerReader | None" = None) -> None:
        self.task = card.task
        self._threshold = card.threshold
        self.classes: tuple[str, ...] = like.classes if like else card.classes or ()
        if card.task == "multiclass" and not card.classes:
            raise ConfigError(
                f"{card.model} {card.model_version} is multi-class without `classes` in its card: "
                "its performance cannot be measured"
            )
        pairs = zip(self.classes, map(float, range(len(self.classes))), strict=True)
        own = dict(pairs) if card.task == "multiclass" or len(self.classes) == 2 else _YES_NO
        self._codes: dict[str, float] = own
        named = [(name, spec.column) for name, spec in card.features.items() if spec.column]
        own_features = tuple(name for name, _ in named[:MAX_FEATURES])
        own_kinds = tuple(kind == "category" for _, kind in named[:MAX_FEATURES])
        self.features: tuple[str, ...] = like.features if like else own_features
        self.categories: tuple[bool, ...] = like.categories if like else own_kinds

    def codes(self, values: Iterable[Any]) -> Float64:
        """Labels or predictions as class indices or numbers; NaN where they are neither."""
        if self.task == "regression":
            found = (
                as_float(value) if isinstance(value, int | float) else np.nan for value in values
            )
            return _finite(np.fromiter(found, np.float64))
        known = self._codes
        return np.fromiter((known.get(class_text(one), np.nan) for one in values), np.float64)

    def truths(self, table: Any) -> Truths:
        """Stored labels, in the table's order."""
        if self.task == "regression":
            value = _finite(numbers_of(table, "label_number"))
        else:
            value = self.codes(texts_of(table, "label"))
        return Truths(
            offsets=np.asarray(table["offset"], np.int64),
            observed_us=moments_of(table, "observed_at"),
            event_ids=texts_of(table, "event_id"),
            request_ids=texts_of(table, "request_id"),
            value=value,
        )

    def answers(self, table: Any, thresholds: Mapping[str, float | None]) -> Answers:
        """Stored predictions of the versions that `thresholds` names, in the table's order."""
        names = texts_of(table, "model_version")
        present = set(names)
        thresholds = {name: one for name, one in thresholds.items() if name in present}
        versions = tuple(thresholds)
        places = {name: place for place, name in enumerate(versions)}
        version = np.array([places[name] for name in names], np.int64)
        n = len(version)
        nothing = np.full(n, np.nan)
        numbers, texts = self._values(table)
        score = _finite(numbers_of(table, "score")) if self.task == "binary" else nothing
        if self.task == "regression":
            answer = _finite(numbers_of(table, "prediction_number"))
        else:
            answer = self.codes(texts_of(table, "prediction"))
        for place, threshold in enumerate(thresholds.values()):
            if threshold is not None and self.task == "binary":
                own = (version == place) & ~np.isnan(score)
                answer[own] = score[own] >= threshold
        said = MapEntries(table["scores"])
        named = self.classes if self.task == "multiclass" else ()
        scores = np.array([said.numbers(name) for name in named], np.float64)
        return Answers(
            offsets=np.asarray(table["offset"], np.int64),
            occurred_us=np.minimum(moments_of(table, "occurred_at"), moments_of(table, "sent_at")),
            event_ids=texts_of(table, "event_id"),
            request_ids=texts_of(table, "request_id"),
            versions=versions,
            version=version,
            live=np.array([role == "live" for role in texts_of(table, "role")], np.bool_),
            answer=answer,
            score=score,
            scores=scores.reshape(len(named), n).T.copy(),
            features=self._features(numbers, texts, n),
        )

    def _values(self, table: Any) -> tuple[dict[str, Float64], dict[str, list[str | None]]]:
        """The features' usable values as they were logged."""
        found = MapEntries(table["faults"])
        faults = {name: found.texts(name) for name in found.names}
        numbers, texts = MapEntries(table["numbers"]), MapEntries(table["strings"])
        told: dict[str, Float64] = {}
        named: dict[str, list[str | None]] = {}
        for name, is_category in zip(self.features, self.categories, strict=True):
            entries = texts if is_category else numbers
            kept = usable(entries, faults, name, USABLE_FAULTS)
            if is_category:
                values = texts.texts(name)
                named[name] = [
                    value if ok else None for value, ok in zip(values, kept.tolist(), strict=True)
                ]
            else:
                told[name] = np.where(kept, numbers.numbers(name), np.nan)
        return told, named

    def reference(
        self,
        numbers: Mapping[str, Float64],
        categories: Mapping[str, Sequence[str | None]],
        scores: Mapping[str, Float64],
        labels: Sequence[Any],
    ) -> PerformanceReference | None:
        """What a labelled data set tells, row by row in time order; None without a usable label.

        `scores` by class of a multi-class model; a label may be None.
        """
        n = len(labels)
        nothing = np.full(n, np.nan)
        truth = self.codes("" if one is None else one for one in labels)
        score = numbers.get("score", nothing) if self.task == "binary" else nothing
        named = self.classes if self.task == "multiclass" else ()
        rows = Labelled(
            truth,
            self._answer(numbers, categories, score),
            score,
            np.array([scores.get(name, nothing) for name in named]).reshape(len(named), n).T,
        )
        kept = ~np.isnan(truth)
        if not kept.any():
            return None
        features = self._features(numbers, categories, n)
        return PerformanceReference.fit(self.task, rows.kept(kept), features[kept])

    def _answer(
        self,
        numbers: Mapping[str, Float64],
        categories: Mapping[str, Sequence[str | None]],
        score: Float64,
    ) -> Float64:
        if self.task == "regression":
            return numbers["prediction"]
        named = self.codes("" if one is None else one for one in categories["prediction"])
        if self._threshold is None or self.task != "binary":
            return named
        decided = (score >= self._threshold).astype(np.float64)
        return np.where(np.isnan(score), named, decided)

    def _features(
        self,
        numbers: Mapping[str, Float64],
        categories: Mapping[str, Sequence[str | None]],
        n: int,
    ) -> Float64:
        found = [
            _category_codes(categories.get(name)) if is_category else None
            for name, is_category in zip(self.features, self.categories, strict=True)
        ]
        rows = [
            numbers.get(name, np.full(n, np.nan)) if codes is None else codes
            for name, codes in zip(self.features, found, strict=True)
        ]
        return np.array(rows, np.float64).reshape(len(self.features), n).T.copy()


def _category_codes(texts: Sequence[str | None] | None) -> Float64 | None:
    """A category as a number that no vocabulary is needed for: its 32-bit hash."""
    if texts is None:
        return None
    distinct = {
        text: np.nan if text is None else float(xxhash.xxh32_intdigest(text.encode()))
        for text in set(texts)
    }
    return np.fromiter(map(distinct.__getitem__, texts), np.float64, len(texts))


def _finite(values: Float64) -> Float64:
    return np.where(np.isfinite(values), values, np.nan)
