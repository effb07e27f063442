"""A version's cohorts broken down: rows by segment, disparities, what stands behind a rise."""

from typing import Any

import numpy as np
import pytest

from monitor.findings import Measurement, Verdict
from monitor.packing import pack, unpack
from monitor.performance.breakdown import MOST_SEGMENTS, Breakdown
from monitor.performance.drifts import Drift
from monitor.performance.recent import NAMED
from monitor.performance.report import CohortReport
from schemas import ModelCard
from tests.performance.reports import report_of

PER_DAY = 1_000
EDGES = {"age": (30.0, 50.0)}
BUG_DAY = 10


def card_of(**changed: Any) -> ModelCard:
    return ModelCard.model_validate(
        {
            "model": "m",
            "model_version": "1",
            "task": "binary",
            "features": {"age": {"type": "number"}, "plan": {"type": "category"}},
            "segments": ["plan"],
            "protected": ["region"],
        }
        | changed
    )


def day_of(card: ModelCard, day: int, *, unfair: bool = False) -> CohortReport:
    """From BUG_DAY on, plan c gets the opposite of its score; if unfair, region north too."""
    rng = np.random.default_rng(day)
    p = rng.beta(2, 4, PER_DAY)
    age = rng.uniform(18, 80, PER_DAY)
    plan: list[str | None] = rng.choice(["a", "b", "c"], PER_DAY, p=[0.5, 0.4, 0.1]).tolist()
    plan[0] = None
    region = rng.choice(["north", "south"], PER_DAY, p=[0.2, 0.8]).tolist()
    turned = np.array([one == "c" and day >= BUG_DAY for one in plan])
    turned |= np.array([one == "north" and unfair for one in region])
    truth = (rng.random(PER_DAY) < p).astype(np.float64)
    truth[::40] = np.nan
    return report_of(
        card,
        day,
        np.where(turned, 1 - p, p),
        truth,
        numbers={"age": age},
        texts={"plan": plan},
        tags={"region": region},
    )


def run(
    days: int, *, card: ModelCard | None = None, unfair: bool = False, restarts: bool = False
) -> tuple[Breakdown, list[list[CohortReport]], list[Measurement]]:
    card = card or card_of()
    names = tuple(card.features)
    own = Breakdown(card, names, 3_000.0)
    reports, said = [], []
    for day in range(days):
        segments, found = own.add(day_of(card, day, unfair=unfair), EDGES, None, [])
        reports.append(segments)
        said += found
        if restarts:
            again = Breakdown(card, names, 3_000.0)
            again.restore(unpack(pack(own.state())))
            own = again
    return own, reports, said


def test_each_segment_of_the_card_has_its_row_and_they_add_up() -> None:
    _, reports, _ = run(2)
    rows = {one.segment: one for one in reports[-1]}
    assert set(rows) == {
        *("plan=a", "plan=b", "plan=c", "plan missing", "region=north", "region=south")
    }
    for name in ("plan", "region"):
        own = [one for segment, one in rows.items() if segment.startswith(name)]
        assert sum(one.predictions for one in own) == PER_DAY
        assert sum(one.labelled for one in own) == PER_DAY - PER_DAY // 40
    for one in rows.values():
        assert one.verdict is None
        assert (one.predictions > 1) == any(m.name == "auc" for m in one.metrics)
    assert rows["plan=a"].baseline_loss == pytest.approx(0.6, abs=0.1)


def test_a_bug_in_one_segment_is_named_first_among_all_features() -> None:
    own, _, _ = run(BUG_DAY + 3)
    behind = own.behind(3 * PER_DAY, EDGES)
    assert behind is not None
    assert behind.segments[0].startswith("plan=c: loss 0.")
    assert "of the rise" in behind.segments[0]
    assert sum(behind.shares["age"].values()) == pytest.approx(1.0)
    assert set(behind.shares["age"]) == {"age below 30", "age 30 to 50", "age from 50"}
    assert Breakdown(card_of(), ("age", "plan"), 3_000.0).behind(100, EDGES) is None


def test_a_protected_segment_that_fares_worse_is_told_with_intervals_and_else_none() -> None:
    _, _, quiet = run(10)
    looks = [one for one in quiet if one.check == "disparity"]
    assert len(looks) == 2  # 9,750 labelled rows, a look every 4,000
    assert all(one.verdict is Verdict.OK and one.cleared for one in looks)
    _, _, said = run(5, unfair=True)
    (found,) = [one for one in said if one.check == "disparity"]
    assert (found.verdict, found.feature, found.immediate) == (Verdict.DRIFT, "region", True)
    assert "region=north has error rate" in found.reason
    assert "difference +0." in found.reason
    assert found.values["error_rate:region=north"] > 0.1


def test_a_restart_changes_nothing() -> None:
    whole, reports, said = run(6, unfair=True)
    cut, again, told = run(6, unfair=True, restarts=True)
    assert repr(said) == repr(told)
    assert whole.behind(2_000, EDGES) == cut.behind(2_000, EDGES)
    assert [[one.segment for one in day] for day in reports] == [
        [one.segment for one in day] for day in again
    ]


def test_other_segments_in_the_card_keep_what_does_not_depend_on_them() -> None:
    own, _, _ = run(3)
    other = Breakdown(card_of(protected=["country"]), ("age", "plan"), 3_000.0)
    other.restore(own.state())
    assert other.behind(100, EDGES) is None
    window = other.retraining.window(0, 3 * 86_400_000_000)
    assert window.rows == 3 * (PER_DAY - PER_DAY // 40)


def test_values_beyond_the_limit_are_pooled_and_counted() -> None:
    card = card_of(segments=["plan"], protected=[])
    own = Breakdown(card, tuple(card.features), 3_000.0)
    plan = [f"p{k % 50}" for k in range(PER_DAY)]
    score = np.full(PER_DAY, 0.4)
    report = report_of(card, 0, score, score, numbers={"age": score}, texts={"plan": plan})
    segments, _ = own.add(report, {}, None, [])
    assert len(segments) == NAMED + 1
    assert len(segments) <= MOST_SEGMENTS
    pooled = next(one for one in segments if one.segment == "plan other")
    assert pooled.predictions == PER_DAY * (50 - NAMED) // 50
    assert own.pooled == {"plan": pooled.predictions}


def test_without_labels_a_cohort_is_estimated_only_with_a_reference() -> None:
    card = card_of(segments=[], protected=[])
    own = Breakdown(card, tuple(card.features), 3_000.0)
    report = day_of(card, 0)
    report.rows.truth[:] = np.nan
    report.losses.model[:] = np.nan
    segments, said = own.add(report, EDGES, None, [Drift("f", "age", 0, 0)])
    assert segments == []
    assert [one.verdict for one in said] == [Verdict.OK]


def test_attributions_that_events_sent_are_meant_over_all_cohorts_and_restarts() -> None:
    card = card_of(segments=[], protected=[])
    own, p = Breakdown(card, tuple(card.features), 3_000.0), np.full(PER_DAY, 0.4)
    plan: list[str | None] = ["a"] * PER_DAY
    assert own.attributions == {}
    for day, size in enumerate((1.0, 3.0)):
        sent = np.where(np.arange(PER_DAY) % 2 == 0, -size, np.nan)
        columns = {"age": sent, "stranger": sent}
        report = report_of(card, day, p, p, numbers={"age": p}, texts={"plan": plan}, sent=columns)
        own.add(report, EDGES, None, [])
        again = Breakdown(card, tuple(card.features), 3_000.0)
        again.restore(unpack(pack(own.state())))
        own = again
    assert own.attributions == {"age": 2.0}
