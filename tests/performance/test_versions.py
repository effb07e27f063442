"""Verdicts on versions: right on planted differences, quiet on equal versions, kept in state."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.events import Float64
from monitor.findings import Verdict
from monitor.packing import pack, unpack
from monitor.performance.chain import chain_rise
from monitor.performance.compare import Outcome, Pairing, VersionComparison, VersionVerdict
from monitor.performance.replacements import Replacements
from monitor.performance.rows import CohortRows
from monitor.performance.sequential_t import evidence_above
from monitor.performance.split import SplitCheck
from schemas import FeatureSpec, ModelCard


def rows(version: list[int], request: list[int], start: int = 0) -> CohortRows:
    n = len(version)
    zeros, none = np.zeros(n, np.int64), np.full(n, np.nan)
    return CohortRows(
        versions=("old", "new"),
        offset=np.arange(start, start + n),
        occurred_us=np.arange(start, start + n),
        version=np.array(version),
        live=zeros + 1,
        request=np.array(request),
        answer=none,
        score=none,
        scores=np.zeros((n, 0)),
        features=np.zeros((n, 0)),
        truth=np.zeros(n),
        observed_us=zeros,
        corrections=zeros,
        repeats=zeros,
    )


def shadowed(rng: np.random.Generator, n: int, worse_by: float) -> tuple[CohortRows, Float64]:
    """n requests that both answered; the same luck for both, and some of its own for each."""
    luck = rng.exponential(0.5, n)
    loss = np.repeat(luck, 2) + rng.normal(0.0, 0.05, 2 * n)
    loss[1::2] += worse_by
    return rows([0, 1] * n, np.repeat(np.arange(1, n + 1), 2).tolist()), loss


@pytest.mark.parametrize(
    ("worse_by", "outcome"),
    [(0.02, Outcome.REGRESSED), (-0.02, Outcome.IMPROVED), (0.0, Outcome.NO_DIFFERENCE_YET)],
)
def test_paired_requests_show_a_small_difference(worse_by: float, outcome: Outcome) -> None:
    comparison = VersionComparison("old", "new")
    cohort, loss = shadowed(np.random.default_rng(3), 5_000, worse_by)
    comparison.add(cohort, loss, np.zeros(len(loss)))
    verdict = comparison.verdict()
    assert (verdict.outcome, verdict.pairing) == (outcome, Pairing.PAIRED)
    assert verdict.final
    assert verdict.smallest_visible < 0.03
    assert verdict.rollback_recommended == (worse_by > 0)


def test_traffic_at_the_same_time_is_split_and_later_traffic_matched() -> None:
    rng = np.random.default_rng(8)
    split, loss = rows([0, 1] * 2_000, [0] * 4_000), rng.exponential(0.5, 4_000)
    loss[1::2] += 0.15
    comparison = VersionComparison("old", "new")
    comparison.add(split, loss, np.zeros(4_000))
    assert comparison.verdict().pairing is Pairing.SPLIT
    assert comparison.verdict().outcome is Outcome.REGRESSED
    # A hard year for both, which the baseline knows: the new version is no worse.
    matched = VersionComparison("old", "new")
    base = rng.exponential(0.5, 8_000)
    matched.add(rows([0] * 4_000, [0] * 4_000), base[:4_000] - 0.05, base[:4_000])
    later = base[4_000:] + 1.0
    matched.add(rows([1] * 4_000, [0] * 4_000, 4_000), later - 0.05, later)
    assert matched.verdict().pairing is Pairing.MATCHED
    assert matched.verdict().outcome is Outcome.NO_DIFFERENCE_YET
    assert matched.verdict().blocks == 40


def test_the_verdict_does_not_depend_on_the_cohorts_or_a_restart() -> None:
    cohort, loss = shadowed(np.random.default_rng(4), 3_000, 0.004)
    whole = VersionComparison("old", "new")
    whole.add(cohort, loss, np.zeros(len(loss)))
    parts = VersionComparison("old", "new")
    for begin in range(0, len(loss), 700):
        mask = np.zeros(len(loss), np.bool_)
        mask[begin : begin + 700] = True
        parts.add(cohort.kept(mask), loss[mask], np.zeros(mask.sum()))
        again = VersionComparison("old", "new")
        again.restore(unpack(pack(parts.state())))
        parts = again
    assert parts.verdict() == whole.verdict()


def test_evidence_keeps_its_promise_over_all_looks_for_independent_and_dependent_blocks() -> None:
    # log(20): at most 5 % of series may ever cross. Of 150 series, 5 % + 3 standard errors is 16.
    rng = np.random.default_rng(12)
    for memory in (0.0, 0.5):
        crossed = 0
        for _ in range(150):
            x = rng.normal(size=60)
            for k in range(1, 60):
                x[k] += memory * x[k - 1]
            crossed += max(evidence_above(x[:k]) for k in range(12, 61, 8)) > np.log(20)
        assert crossed <= 16


def test_a_version_without_labels_has_no_verdict() -> None:
    comparison = VersionComparison("old", "new")
    comparison.add(rows([0, 1], [1, 1]), np.full(2, np.nan), np.zeros(2))
    verdict = comparison.verdict()
    assert verdict.outcome is Outcome.NO_DIFFERENCE_YET
    assert verdict.blocks == 0
    assert np.isinf(verdict.smallest_visible)
    assert not verdict.final


def link(old: str, new: str, difference: float) -> VersionVerdict:
    outcome = Outcome.NO_DIFFERENCE_YET
    return VersionVerdict(
        old, new, outcome, Pairing.PAIRED, difference, 0.004, 50, 5_000, 1.0, 0.02, final=True
    )


def test_a_chain_that_creeps_is_found_and_one_that_wanders_is_not() -> None:
    creeping = [link(str(k), str(k + 1), 0.009) for k in range(6)]
    rise = chain_rise(creeping)
    assert rise is not None
    assert rise.found
    assert (rise.first, rise.last, rise.links) == ("0", "6", 6)
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(500):
        noise = rng.normal(0.0, 0.004, 8)
        chains = [[link(str(k), str(k + 1), noise[k]) for k in range(n)] for n in range(2, 9)]
        rises = [chain_rise(one) for one in chains]
        found += any(one is not None and one.found for one in rises)
    assert found <= 2  # alpha .001 over a chain: 0.5 expected
    assert chain_rise(creeping[:1]) is None


def test_a_wrong_split_is_found_and_a_right_one_never_called_wrong() -> None:
    rng = np.random.default_rng(6)
    wrong = 0
    for _ in range(300):
        check = SplitCheck({"a": 0.9, "b": 0.1}, alpha=0.01)
        said = [check.add({"b": k, "a": 1_000 - k}) for k in rng.binomial(1_000, 0.1, 40).tolist()]
        wrong += any(one.immediate for one in said)
    assert wrong <= 9  # 1 %: 3 expected; more than 9 has a chance of 1 in 1,000
    check = SplitCheck({"a": 0.9, "b": 0.1})
    counts = rng.binomial(1_000, 0.12, 40).tolist()
    assert any(check.add({"b": k, "a": 1_000 - k}).immediate for k in counts)


def card(version: str, **changed: object) -> ModelCard:
    bare = ModelCard(
        model="m", model_version=version, task="binary", features={"x": FeatureSpec(type="number")}
    )
    return bare.model_copy(update=changed)


def test_shares_of_live_traffic_are_held_to_the_cards_over_restarts() -> None:
    cards = {"old": card("old", traffic_share=0.9), "new": card("new", traffic_share=0.1)}
    replacements = Replacements()
    fair, wrong = ([0] * 9 + [1]) * 200, [0, 1] * 200
    none = [0] * 2_000
    [said] = replacements.shared(rows(fair, none), cards)
    assert said.verdict is Verdict.OK
    again = Replacements()
    again.restore(unpack(pack(replacements.state())))
    [said] = again.shared(rows(wrong, none[:400]), cards)
    assert said.verdict is Verdict.DRIFT
    assert "do not answer their shares" in said.reason
    # One version alone shares with nobody.
    assert again.shared(rows([0] * 100, none[:100]), cards) == []


def test_a_comparison_waits_for_the_overlap_before_it_falls_back_on_earlier_cohorts() -> None:
    rng = np.random.default_rng(5)
    overlap_us = 2_000
    cards = {"old": card("old"), "new": card("new", overlap_hours=overlap_us / 3.6e9)}
    replacements = Replacements()

    def cohort(version: int, start: int) -> None:
        n = 1_000
        loss = rng.exponential(0.5, n)
        both = rows([version] * n, [0] * n, start)
        own = replace(
            both, versions=("old", "new")[version : version + 1], version=both.version * 0
        )
        replacements.compared(own, loss, np.zeros(n), cards)

    cohort(0, 0)
    cohort(1, 1_000)
    cohort(1, 2_000)
    [verdict] = replacements.verdicts()
    assert (verdict.pairing, verdict.blocks) == (None, 0)
    cohort(1, 3_000)
    [verdict] = replacements.verdicts()
    assert (verdict.pairing, verdict.blocks) == (Pairing.MATCHED, 10)
