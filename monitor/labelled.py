"""Labels against what was logged: skew value by value, and features that know the answer.

In: the labels as they come; the predictions that they name, from the store. Out: measurements of
`offline_mismatch` and of `leak`, for each version that answered. Never: more than the last
LOOK_LABELS labels of a model in memory, or more than one model's look-up a tick.

A label may come before the store has its prediction, and which labels a look holds depends on when
the clock ticks: so these are findings of the clock, outside the replay guarantee.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from monitor.checks.leak import label_leaks
from monitor.checks.offline_mismatch import Pairs, offline_mismatches
from monitor.checks.suite import CHECKS
from monitor.events import Float64, LabelColumns
from monitor.findings import Measurement
from monitor.roster import Roster, VersionMonitor
from monitor.sketches.number import NumberReference
from monitor.storage.store import Logged, Store
from schemas.values import USABLE_FAULTS, as_float, category_text, class_text

LOOK_LABELS: Final = 500
"""Labels of a model that one look takes; of more that come between two looks, the last ones."""
MOST_CLASSES: Final = 20


@dataclass(frozen=True, slots=True)
class _Label:
    event_id: str
    label: Any
    offline: Mapping[str, Any]


class LabelledChecks:
    """The labels that wait for a look, by model."""

    def __init__(self, roster: Roster, store: Store) -> None:
        self._roster = roster
        self._store = store
        self._waiting: dict[str, deque[_Label]] = {}

    def take(self, groups: Sequence[LabelColumns]) -> None:
        """Take the labels of a batch: those that name an event of a model that is tested."""
        if not groups:
            return
        tested = {model for model, _ in self._roster.active()}
        for columns in groups:
            if columns.model not in tested:
                continue
            waiting = self._waiting.setdefault(columns.model, deque(maxlen=LOOK_LABELS))
            waiting.extend(
                _Label(event["event_id"], event["label"], event.get("offline_features") or {})
                for event in columns.events[-LOOK_LABELS:]
                if event.get("event_id")
            )

    def look(self) -> list[tuple[VersionMonitor, list[Measurement]]]:
        """Look at one model that has labels enough; StorageError: nothing has changed, come again.

        Gives what is said of each version that is tested.
        """
        ready = (model for model, labels in self._waiting.items() if len(labels) == LOOK_LABELS)
        model = next(ready, None)
        if model is None:
            return []
        labels = {label.event_id: label for label in self._waiting[model]}
        logged = self._store.logged(model, list(labels))
        del self._waiting[model]
        by_version: defaultdict[str, list[Logged]] = defaultdict(list)
        for event in logged:
            by_version[event.model_version].append(event)
        found = []
        for version, events in by_version.items():
            monitor = self._roster.active().get((model, version))
            if monitor is not None:
                its_labels = [labels[event.event_id] for event in events]
                found.append((monitor, _measured(monitor, events, its_labels)))
        return found

    def forget(self) -> None:
        """Nothing waits: the partitions are not ours now."""
        self._waiting.clear()


def _measured(
    monitor: VersionMonitor, events: Sequence[Logged], labels: Sequence[_Label]
) -> list[Measurement]:
    share = monitor.battery.spent["checks"].false_alarms_per_event / len(CHECKS)
    pairs = _pairs(monitor, events, labels)
    measurements = offline_mismatches(pairs, per_look=min(share * len(events), 0.05))
    if monitor.card.task != "regression":
        measurements += _leaks(monitor, events, [class_text(label.label) for label in labels])
    # One series of looks, however many of its predictions were found.
    return [replace(one, scale=LOOK_LABELS) for one in measurements]


def _pairs(
    monitor: VersionMonitor, events: Sequence[Logged], labels: Sequence[_Label]
) -> list[Pairs]:
    """What serving logged and what came back with the labels, feature by feature."""
    found = []
    for feature, spec in monitor.card.features.items():
        rows = [row for row, label in enumerate(labels) if feature in label.offline]
        if not rows or spec.column is None:
            continue
        offline = [labels[row].offline[feature] for row in rows]
        if spec.column == "number":
            logged = [events[row].numbers.get(feature, np.nan) for row in rows]
            found.append(Pairs(feature, np.array(logged), _numbers(offline)))
        else:
            texts = [events[row].strings.get(feature) for row in rows]
            found.append(Pairs(feature, texts, [_text(value) for value in offline]))
    return found


def _leaks(
    monitor: VersionMonitor, events: Sequence[Logged], answers: Sequence[str]
) -> list[Measurement]:
    """The strongest sign of each feature, whatever the class."""
    profile, n = monitor.profile, len(events)
    numbers = {
        column.name: np.array([_usable(event, column.name) for event in events])
        for column in profile.columns
        if isinstance(column, NumberReference)
    }
    categories = {
        column.name: [_category(event, column.name) for event in events]
        for column in profile.columns
        if not isinstance(column, NumberReference)
    }
    occurred_us = np.array([event.occurred_us for event in events], np.int64)
    codes = profile.encode(numbers, categories, n, occurred_us)
    strongest: dict[str, Measurement] = {}
    classes = sorted(set(answers))[:MOST_CLASSES]
    for name in classes[:1] if len(classes) == 2 else classes:
        for one in label_leaks(profile, codes, np.array([answer == name for answer in answers])):
            known = strongest.get(one.feature)
            if known is None or one.effect > known.effect:
                strongest[one.feature] = one
    return list(strongest.values())


def _usable(event: Logged, name: str) -> float:
    if name == "score":
        return np.nan if event.score is None else event.score
    return event.numbers.get(name, np.nan) if _is_usable(event, name) else np.nan


def _category(event: Logged, name: str) -> str | None:
    if name == "prediction":
        return event.prediction
    return event.strings.get(name) if _is_usable(event, name) else None


def _is_usable(event: Logged, name: str) -> bool:
    """Whether what was logged of a feature is a value: a fault of another kind makes it none."""
    fault = event.faults.get(name)
    return fault is None or fault in USABLE_FAULTS


def _numbers(values: Sequence[Any]) -> Float64:
    return np.array(
        [as_float(value) if isinstance(value, int | float) else np.nan for value in values]
    )


def _text(value: Any) -> str | None:
    return category_text(value) if isinstance(value, str | int) else None
