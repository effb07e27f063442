"""What labels say of single features: skew value by value, and features that know the answer.

In: the report of a closed cohort with its stored rows, the card and the profile of its version.
Out: measurements of `offline_mismatch` and `label_leak`. Never: a leak seen in one cohort alone:
neighbours share their weather, and the weather of one day may rank its labels.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from monitor.checks.leak import label_leaks
from monitor.checks.offline_mismatch import Pairs, offline_mismatches
from monitor.events import Bool, Float64, Int64
from monitor.findings import Measurement, Verdict
from monitor.performance.join import label_of_row
from monitor.performance.report import CohortReport
from monitor.performance.stored import MapEntries, numbers_of, texts_of, usable
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from schemas import ModelCard
from schemas.values import USABLE_FAULTS

MOST_CLASSES: Final = 20
LEAK_COHORTS: Final = 5
FALSE_MISMATCHES: Final = 1e-6
"""Chance of a false `offline_mismatch` that one cohort takes, over all features."""


def label_measurements(
    report: CohortReport, card: ModelCard, profile: Profile, seen: dict[str, int]
) -> list[Measurement]:
    """What the labels of one version's cohort say of its features.

    `seen` holds in how many cohorts running a feature looked like a leak; it is brought up to date.
    """
    found = _mismatches(report, card)
    if card.task != "regression":
        found += [_confirmed(one, seen) for one in _leaks(report, profile)]
    # One series of looks, however many predictions a cohort has.
    return [one._replace(scale=0) for one in found]


def _confirmed(leak: Measurement, seen: dict[str, int]) -> Measurement:
    """A leak that was seen in LEAK_COHORTS running; before that it cannot be told from weather."""
    if leak.verdict is Verdict.CANNOT_TELL:
        return leak
    if leak.verdict is Verdict.OK:
        seen.pop(leak.feature, None)
        return leak
    seen[leak.feature] = n = seen.get(leak.feature, 0) + 1
    if n >= LEAK_COHORTS:
        return leak
    words = f"{leak.reason} In {n} of {LEAK_COHORTS} cohorts running"
    return leak._replace(verdict=Verdict.CANNOT_TELL, immediate=False, reason=words)


def _mismatches(report: CohortReport, card: ModelCard) -> list[Measurement]:
    """What serving logged beside what came back with the labels, feature by feature."""
    labels = report.cohort.looked.labels
    numbers = MapEntries(labels["offline_numbers"])
    strings = MapEntries(labels["offline_strings"])
    if not numbers.names and not strings.names:
        return []
    answers, truths = report.cohort.looked.answers, report.cohort.looked.truths
    own = answers.version == answers.versions.index(report.model_version)
    label = label_of_row(answers, truths)[own]
    logged_numbers = MapEntries(report.stored["numbers"])
    logged_texts = MapEntries(report.stored["strings"])
    pairs = []
    for feature, spec in card.features.items():
        if spec.column is None:
            continue
        told = numbers.has(feature) | strings.has(feature)
        rows = np.flatnonzero((label >= 0) & told[label])
        if not rows.size:
            continue
        if spec.column == "number":
            logged = logged_numbers.numbers(feature)[rows]
            pairs.append(Pairs(feature, logged, numbers.numbers(feature)[label[rows]]))
        else:
            pairs.append(
                Pairs(
                    feature,
                    _picked(logged_texts.texts(feature), rows),
                    _picked(_offline_texts(numbers, strings, feature), label[rows]),
                )
            )
    return offline_mismatches(pairs, per_look=FALSE_MISMATCHES)


def _offline_texts(numbers: MapEntries, strings: MapEntries, feature: str) -> list[str | None]:
    """Categories as they are stored; one that came as a whole number as its text."""
    values = numbers.numbers(feature)
    return [
        text if text is not None or np.isnan(value) else f"{value:.0f}"
        for text, value in zip(strings.texts(feature), values.tolist(), strict=True)
    ]


def _picked(texts: Sequence[str | None], rows: Int64) -> list[str | None]:
    return [texts[row] for row in rows.tolist()]


def _leaks(report: CohortReport, profile: Profile) -> list[Measurement]:
    """The strongest sign of each feature, whatever the class."""
    kept: Bool = report.rows.labelled
    rows = np.flatnonzero(kept)
    truth = report.rows.truth[kept]
    table = report.stored.take(rows)
    codes = profile.encode(*_logged(table, profile), len(rows), report.rows.occurred_us[kept])
    strongest: dict[str, Measurement] = {}
    classes = np.unique(truth)[:MOST_CLASSES]
    for name in classes[:1] if len(classes) == 2 else classes:
        for one in label_leaks(profile, codes, truth == name):
            known = strongest.get(one.feature)
            if known is None or one.effect > known.effect:
                strongest[one.feature] = one
    return list(strongest.values())


def _logged(
    table: Any, profile: Profile
) -> tuple[dict[str, Float64], dict[str, Sequence[str | None]]]:
    """The columns of a profile as they were logged, without what a fault makes unusable."""
    found = MapEntries(table["faults"])
    faults = {name: found.texts(name) for name in found.names}
    numbers, strings = MapEntries(table["numbers"]), MapEntries(table["strings"])
    told: dict[str, Float64] = {}
    named: dict[str, Sequence[str | None]] = {}
    for column in profile.columns:
        name = column.name
        if isinstance(column, NumberReference):
            if name == "score":
                told[name] = numbers_of(table, "score")
            elif name == "prediction":
                told[name] = numbers_of(table, "prediction_number")
            else:
                values = numbers.numbers(name)
                told[name] = np.where(usable(numbers, faults, name, USABLE_FAULTS), values, np.nan)
        elif name == "prediction":
            named[name] = texts_of(table, "prediction")
        else:
            kept = usable(strings, faults, name, USABLE_FAULTS).tolist()
            texts = strings.texts(name)
            named[name] = [text if ok else None for text, ok in zip(texts, kept, strict=True)]
    return told, named
