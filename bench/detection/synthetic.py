"""The generated streams, run: nulls and shifts, by Plumbline, the dummies and the peers.

In: a stream, a contestant, a plan. Out: `Trial`s. Never: more than one seed's
events in memory.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.detection.catalogue import Plan
from bench.detection.contestants import EVERY, NEVER, Contestant, ask
from bench.detection.ours import dataset_of, watch
from bench.detection.score import ANY_FEATURE, Trial
from bench.detection.streams import BUDGET, FEATURES, NAMES, Source, Stream
from bench.peers.job import Job
from schemas import FeatureSpec, ModelCard

EVERY_EVENTS: Final = 1_000


def card_of(stream: Stream) -> ModelCard:
    """The card of a stream: the budget in the card's own terms, all else at its default."""
    monitoring: dict[str, Any] = {
        "false_alarms_per_30_days": BUDGET * 30 * stream.events_per_day,
        "events_per_day": stream.events_per_day,
    }
    if stream.effect_floor is not None:
        monitoring["effect_floor"] = stream.effect_floor
    return ModelCard.model_validate(
        {
            "model": "bench",
            "model_version": "1",
            "task": "regression",
            "features": {name: FeatureSpec(type="number") for name in NAMES[:FEATURES]},
            "monitoring": monitoring,
        }
    )


def length_of(source: Source, plan: Plan) -> int:
    """Events of a stream: a null is as long as the plan says, else so is what follows the onset."""
    return plan.null_events if source.onset is None else source.onset + plan.horizon


def our_trial(stream: Stream, plan: Plan, seed: int) -> Trial:
    """Plumbline under one seed: a reference, its profile, a pipeline, the stream."""
    source = Source(stream, seed)
    rows = source.reference()
    first, events = len(rows), length_of(source, plan)
    reference = dataset_of(rows, source.times_us(0, first))
    stream_rows = dataset_of(source.take(events), source.times_us(first, events))
    watched = watch(card_of(stream), reference, stream_rows)
    return _trial(source, events, watched.alarms, watched.seconds)


def our_trials(stream: Stream, plan: Plan, seeds: int, processes: int) -> list[Trial]:
    """All seeds, several at a time."""
    one = partial(our_trial, stream, plan)
    if processes == 1:
        return [one(seed) for seed in range(seeds)]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(one, range(seeds)))


def dummy_trials(contestant: Contestant, stream: Stream, plan: Plan, seeds: int) -> list[Trial]:
    """What nobody should beat and what nobody should be beaten by."""
    trials = []
    for seed in range(seeds):
        source = Source(stream, seed)
        events = length_of(source, plan)
        ends = range(EVERY_EVENTS - 1, events, EVERY_EVENTS)
        alarms = {NEVER.name: (), EVERY.name: tuple((end, ANY_FEATURE) for end in ends)}
        trials.append(_trial(source, events, alarms[contestant.name], 0.0))
    return trials


class PeerFiles:
    """The streams of one row as files, the same for every peer; a context manager."""

    def __init__(self, stream: Stream, plans: Sequence[Plan]) -> None:
        self._stream = stream
        self._plans = plans
        self._folder = tempfile.TemporaryDirectory(prefix="plumbline-bench-")

    def __enter__(self) -> "PeerFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def trials(self, contestant: Contestant, plan: Plan, seeds: int) -> list[Trial]:
        """One peer on the first `seeds` of them."""
        sources = [Source(self._stream, seed) for seed in range(seeds)]
        events = [length_of(source, plan) for source in sources]
        answers = ask(contestant, [self._job(seed, n) for seed, n in enumerate(events)])
        return [
            _trial(source, n, answer.alarms, answer.seconds)
            for source, n, answer in zip(sources, events, answers, strict=True)
        ]

    def _job(self, seed: int, events: int) -> Job:
        reference, stream = (Path(self._folder.name) / f"{seed}-{part}.npy" for part in "rs")
        if not stream.exists():
            source = Source(self._stream, seed)
            np.save(reference, source.reference()[:, :FEATURES])
            longest = max(length_of(source, plan) for plan in self._plans)
            np.save(stream, source.take(longest)[:, :FEATURES])
        return Job(list(NAMES[:FEATURES]), str(reference), str(stream), "", "", events)


def _trial(source: Source, events: int, alarms: Sequence[tuple[int, str]], seconds: float) -> Trial:
    return Trial(
        events=events,
        alarms=tuple(alarms),
        seconds=seconds,
        onset=source.onset,
        feature=NAMES[source.feature] if source.onset is not None else "",
    )
