"""Pane summaries: what is kept of a pane is what its columns say."""

import math

import numpy as np

from monitor.events import PaneSummary
from monitor.findings import Span
from monitor.sketches.kll import KllSummary
from monitor.windows.panes import Pane
from monitor.windows.summary import OTHER, summarise
from schemas.model import Monitoring
from tests.detectors.streams import profile_of

N = 50


def summaries(ages: list[float], origins: list[str | None]) -> dict[str, PaneSummary]:
    rng = np.random.default_rng(0)
    profile = profile_of(
        {"age": rng.normal(size=500)},
        {"origin": rng.choice(["EWR", "JFK"], 500).tolist()},
        Monitoring(pane_events=N, scales=(4 * N,)),
    )
    values = np.array(ages)
    codes = profile.encode({"age": values}, {"origin": origins}, N)
    span = Span("p", 3, 100, 149, 7, 56, 1_000, 2_000)
    pane = Pane(2, span, codes, np.arange(N), np.arange(N))
    faults = [("age", "null"), ("age", "null"), ("origin", "unseen_category")]
    found = summarise(profile, "1", pane, values[None, :], faults)
    return {summary.column: summary for summary in found}


def test_numbers_and_categories_are_told_apart_and_counted() -> None:
    ages = [float("nan"), 5.0, -2.0, *[1.0] * (N - 3)]
    found = summaries(ages, [None, "LGA", *["JFK"] * (N - 2)])
    age, origin = found["age"], found["origin"]
    assert (age.n, age.missing, age.minimum, age.maximum) == (N, 1, -2.0, 5.0)
    assert age.mean == np.mean(ages[1:])
    assert age.sketch == KllSummary(np.array(ages)).to_bytes()
    assert (age.counts, age.faults) == ({}, {"null": 2})
    assert (origin.n, origin.missing, origin.sketch) == (N, 1, b"")
    assert (origin.counts, origin.faults) == ({"JFK": N - 2, OTHER: 1}, {"unseen_category": 1})
    assert math.isnan(origin.mean)
    assert (age.pane, age.topic, age.partition, age.first_event, age.last_offset) == (
        2,
        "p",
        3,
        100,
        56,
    )


def test_a_column_without_values_has_no_numbers() -> None:
    age = summaries([float("nan")] * N, ["JFK"] * N)["age"]
    assert age.missing == N
    assert all(math.isnan(number) for number in (age.mean, age.minimum, age.maximum))
    assert KllSummary.from_bytes(age.sketch).n == 0


def test_summaries_do_not_depend_on_how_the_numbers_lie_in_memory() -> None:
    """A pane from one batch, from many and from a restored state are laid out differently."""
    rng = np.random.default_rng(1)
    names = ("a", "b", "c")
    reference = {name: rng.normal(size=500) for name in names}
    profile = profile_of(reference, {}, Monitoring(pane_events=N, scales=(4 * N,)))
    values = rng.normal(size=(3, N))
    codes = profile.encode(dict(zip(names, values, strict=True)), {}, N)
    pane = Pane(0, Span("p", 0, 0, N - 1, 0, N - 1, 1, 2), codes, np.arange(N), np.arange(N))
    rows, columns = (
        summarise(profile, "1", pane, laid(values), [])
        for laid in (np.ascontiguousarray, np.asfortranarray)
    )
    assert [summary.mean for summary in columns] == [summary.mean for summary in rows]
