"""Pane summaries: what is kept of a pane is what its columns say."""

import math
from typing import Any

import numpy as np

from monitor.findings import Span
from monitor.sketches.kll import KllSummary
from monitor.storage.tables import pane_rows
from monitor.windows.summary import OTHER, PaneSummaries
from schemas.model import Monitoring
from tests.detectors.streams import profile_of

N = 50
SPAN = Span("p", 3, 100, 149, 7, 56, 1_000, 2_000)


def summaries(
    panes: list[tuple[list[float], list[str | None]]], faults: list[tuple[str, str]]
) -> list[dict[str, dict[str, Any]]]:
    """Of panes with these ages and origins: what is kept, by column and name."""
    rng = np.random.default_rng(0)
    profile = profile_of(
        {"age": rng.normal(size=500)},
        {"origin": rng.choice(["EWR", "JFK"], 500).tolist()},
        Monitoring(pane_events=N, scales=(4 * N,)),
    )
    values = np.array([ages for ages, _ in panes])
    codes = [
        profile.encode({"age": np.array(ages)}, {"origin": origins}, N) for ages, origins in panes
    ]
    kept = PaneSummaries(profile, "1")
    tables = [
        pane_rows([kept.of(2, SPAN, N, measured, faults)])
        for measured in kept.measured(np.array(codes), values[:, None, :])
    ]
    return [{row["column"]: row for row in table.to_pylist()} for table in tables]


def test_numbers_and_categories_are_told_apart_and_counted() -> None:
    ages = [math.nan, 5.0, -2.0, *[1.0] * (N - 3)]
    faults = [("age", "null"), ("age", "null"), ("origin", "unseen_category")]
    [found] = summaries([(ages, [None, "LGA", *["JFK"] * (N - 2)])], faults)
    age, origin = found["age"], found["origin"]
    assert (age["n"], age["missing"], age["minimum"], age["maximum"]) == (N, 1, -2.0, 5.0)
    assert age["mean"] == np.mean(ages[1:])
    assert age["sketch"] == KllSummary(np.array(ages)).to_bytes()
    assert (age["counts"], age["faults"]) == ([], [("null", 2)])
    assert (origin["n"], origin["missing"], origin["sketch"]) == (N, 1, b"")
    assert origin["counts"] == [("JFK", N - 2), (OTHER, 1)]
    assert origin["faults"] == [("unseen_category", 1)]
    assert all(math.isnan(origin[name]) for name in ("mean", "minimum", "maximum"))
    assert (age["pane"], age["topic"], age["partition"]) == (2, "p", 3)
    assert (age["first_event"], age["last_event"]) == (100, 149)
    assert (age["first_offset"], age["last_offset"]) == (7, 56)


def test_a_column_without_values_has_no_numbers() -> None:
    [found] = summaries([([math.nan] * N, ["JFK"] * N)], [])
    age = found["age"]
    assert age["missing"] == N
    assert all(math.isnan(age[name]) for name in ("mean", "minimum", "maximum"))
    assert KllSummary.from_bytes(age["sketch"]).n == 0


def test_what_is_kept_of_a_pane_does_not_depend_on_those_measured_with_it() -> None:
    rng = np.random.default_rng(1)
    panes: list[tuple[list[float], list[str | None]]] = [
        (rng.normal(size=N).tolist(), rng.choice(["EWR", "LGA"], N).tolist()) for _ in range(5)
    ]
    panes[2] = ([*panes[2][0][:-1], math.nan], [None] * N)
    alone = [pane for one in panes for pane in summaries([one], [])]
    together = summaries(panes, [])
    # NaN is not equal to itself
    assert list(map(repr, together)) == list(map(repr, alone))
