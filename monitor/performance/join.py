"""The label join: which label belongs to which prediction, whatever came first.

In: the predictions of a cohort and the labels that name one of them, each in offset order. Out: the
rows of the cohort. Never: a rule of time: which labels came in time is the look-up's bound.
"""

from collections import defaultdict

import numpy as np
import xxhash

from monitor.events import Bool, Int64
from monitor.performance.rows import Answers, CohortRows, Truths


def joined(answers: Answers, truths: Truths) -> CohortRows:
    """Predictions with their labels.

    A label names an event, or a request: then every version that answered it gets the label. Of
    several labels the last one counts (by offset); the ones before are counted as corrections, or
    as repeats where they say the same.

    **Blind to** which of two predictions with one event id a label is for: the last one gets it.

    **Cost**: half a microsecond a prediction, one a label.
    """
    n = len(answers)
    rows, labels = _pairs(answers, truths)
    order = np.lexsort((truths.offsets[labels], rows))
    rows, labels = rows[order], labels[order]
    value = truths.value[labels]
    first = np.diff(rows, prepend=-1) != 0
    last = np.diff(rows, append=-1) != 0
    same = _same_as_before(value) & ~first
    truth = np.full(n, np.nan)
    truth[rows[last]] = value[last]
    observed_us = np.zeros(n, np.int64)
    observed_us[rows[first]] = truths.observed_us[labels[first]]
    return CohortRows(
        versions=answers.versions,
        offset=answers.offsets,
        occurred_us=answers.occurred_us,
        version=answers.version,
        live=answers.live.astype(np.int64),
        request=_hashes(answers),
        answer=answers.answer,
        score=answers.score,
        scores=answers.scores,
        features=answers.features,
        truth=truth,
        observed_us=observed_us,
        corrections=np.bincount(rows[~same & ~first], minlength=n).astype(np.int64),
        repeats=np.bincount(rows[same], minlength=n).astype(np.int64),
    )


def label_of_row(answers: Answers, truths: Truths) -> Int64:
    """int64[predictions]: the last label of each, -1 without one."""
    rows, labels = _pairs(answers, truths)
    order = np.argsort(truths.offsets[labels], kind="stable")
    found = np.full(len(answers), -1, np.int64)
    found[rows[order]] = labels[order]
    return found


def _pairs(answers: Answers, truths: Truths) -> tuple[Int64, Int64]:
    """Rows and labels that belong together."""
    events = {name: row for row, name in enumerate(answers.event_ids)}
    requests: defaultdict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(answers.request_ids):
        if name:
            requests[name].append(row)
    rows: list[int] = []
    labels: list[int] = []
    for label, (event, request) in enumerate(
        zip(truths.event_ids, truths.request_ids, strict=True)
    ):
        if event:
            if event in events:
                rows.append(events[event])
                labels.append(label)
        else:
            found = requests.get(request, ())
            rows += found
            labels += [label] * len(found)
    return np.array(rows, np.int64), np.array(labels, np.int64)


def _same_as_before(value: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Bool:
    same = np.zeros(len(value), np.bool_)
    both = np.isnan(value[1:]) & np.isnan(value[:-1])
    same[1:] = (value[1:] == value[:-1]) | both
    return same


def _hashes(answers: Answers) -> Int64:
    """64-bit hashes of request ids; 0 of an empty one."""
    digest = xxhash.xxh3_64_intdigest
    found = (digest(name.encode()) if name else 0 for name in answers.request_ids)
    return np.fromiter(found, np.uint64, len(answers)).view(np.int64)
