"""The page of the drills from runs made up, and one real fault on real flights."""

import pytest

from bench.drills.page import markdown
from bench.drills.runs import Run, Twin, month_runs
from bench.drills.traffic import MONTHS, events_of, onset_of, site
from monitor.backtest.caught import Firing, Outcome
from producers.faults.fault import occurred_us

UNIT = Firing("UnitChange", "temp", "unit", 500, "as if in Celsius", 0.1)
DRIFT = Firing("FeatureDrift", "temp", "ks", 250, "", 0.1)


def run(outcome: Outcome, *, seed: int = 0, effect: float = 0.9, due: bool = True) -> Run:
    return Run(
        fault="unit_fahrenheit_to_celsius",
        month="march",
        seed=seed,
        onset=10_000,
        words="temp in Celsius",
        effect=effect,
        floor=0.1,
        visible=0.5,
        due=due,
        outcome=outcome,
        names_cause=True,
    )


def totals(page: str) -> dict[str, str]:
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {cells[0]: " ".join(cells[1:]) for cells in lines if cells[-1] in ("yes", "**no**")}


def test_totals_hold_only_if_every_due_run_is_caught_and_most_are_named() -> None:
    good = [run(Outcome(DRIFT, UNIT, UNIT, ()), seed=seed) for seed in range(10)]
    found = list(totals(markdown(good, [Twin("march", 0, 10_000, (DRIFT,))], 1.0)).values())
    assert found == [
        "10 of 10 (100.0%) yes",
        "10 of 10 (100.0%) yes",
        "10 of 10 (100.0%) yes",
        "0 in 1 twins yes",
    ]
    missed = run(Outcome(None, None, None, ()), seed=10)
    unnamed = [run(Outcome(DRIFT, None, None, ()), seed=seed) for seed in (11, 12)]
    silent = run(Outcome(None, None, None, ()), seed=13, effect=0.3, due=False)
    loud = Twin("march", 0, 10_000, (Firing("StreamStopped", "", "stopped", 900, "", 1.0),))
    page = markdown([*good, missed, *unnamed, silent], [loud], 1.0)
    assert list(totals(page).values()) == [
        "12 of 13 (92.3%) **no**",
        "10 of 12 (83.3%) **no**",
        "10 of 12 (83.3%) **no**",
        "1 in 1 twins **no**",
    ]
    assert "| 0.90 (0.30 to 0.90) | 0.50 | 13 | 12 | 10 | 10 | 250 | 500 | 0 of 1 |" in page
    assert "| march | 10 | temp in Celsius | 0.90 | 0.50 | **not caught** |" in page
    assert "| march | 13 | temp in Celsius | 0.30 | 0.50 | not due, not caught |" in page
    assert "not named: FeatureDrift temp after 250" in page


def test_onsets_lie_in_their_days_and_differ_by_seed() -> None:
    month = MONTHS["march"]
    events = events_of(month)
    onsets = [onset_of(month, seed, events) for seed in range(10)]
    assert len(set(onsets)) == 10
    days = {occurred_us(events[onset]) // 86_400_000_000 for onset in onsets}
    assert min(days) >= 15_778, "14 March 2013"
    assert max(days) <= 15_785
    assert set(events[0].event) >= {"latency_ms", "status", "feature_times"}
    assert site().visible["distance"] < 0.3


@pytest.mark.parametrize("seed", [0])
def test_real_flights_that_lose_a_column_are_caught_and_their_twin_is_silent(seed: int) -> None:
    [one], [twin] = month_runs("march", [seed], ["null_burst"])
    assert one.outcome.caught
    assert one.effect > 0.2
    assert one.due == (one.effect > max(one.visible, 0.1))
    assert twin.from_checks == ()
