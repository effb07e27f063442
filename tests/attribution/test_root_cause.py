"""Root causes: what moved and matters comes first; since which pane; in words."""

import re
from dataclasses import replace

import numpy as np
import pytest

from monitor.attribution.change import first_changed
from monitor.attribution.root_cause import MOST, RootCause, RootCauses
from monitor.attribution.surrogate import fit_surrogate
from monitor.events import Float64, Int64
from monitor.findings import Span
from monitor.sketches.codes import Codes
from monitor.sketches.profile import Profile
from monitor.windows.panes import Pane
from schemas.model import Monitoring
from tests.detectors.streams import profile_of

PANE = 250
MONITORING = Monitoring(scales=(1_000,))
Batch = tuple[dict[str, Float64], dict[str, list[str | None]]]


def batch(rng: np.random.Generator, n: int, *, age: float = 0.0, fill: float = 0.0) -> Batch:
    """`age` matters much, `plan` some, `noise` not at all; `fill` of noise is missing."""
    years = rng.normal(40 + age, 10, n)
    noise = np.where(rng.random(n) < fill, np.nan, rng.normal(size=n))
    plan: list[str | None] = rng.choice(["free", "paid"], n).tolist()
    paid = np.array([one == "paid" for one in plan])
    score = 1 / (1 + np.exp(-(years - 40) / 10 - 0.3 * paid))
    return {"age": years, "noise": noise, "score": score}, {"plan": plan}


@pytest.fixture(scope="module")
def profile() -> Profile:
    numbers, categories = batch(np.random.default_rng(1), 6_000)
    built = profile_of(numbers, categories, MONITORING)
    return replace(built, surrogate=fit_surrogate(built.columns, numbers, categories))


def panes_of(profile: Profile, batches: list[Batch]) -> list[Pane]:
    panes = []
    for index, (numbers, categories) in enumerate(batches, start=8):
        codes = profile.encode(numbers, categories, PANE)
        times: Int64 = np.arange(PANE) + index * 1_000_000
        first = index * PANE
        span = Span(
            "t", 0, first, first + PANE - 1, first, first + PANE - 1, *times[[0, -1]].tolist()
        )
        panes.append(Pane(index, span, codes, np.arange(PANE) + first, times))
    return panes


def stream(profile: Profile, *, change: int = 6, count: int = 12, **moved: float) -> list[Pane]:
    rng = np.random.default_rng(7)
    return panes_of(
        profile,
        [batch(rng, PANE, **(moved if place >= change else {})) for place in range(count)],
    )


def window(panes: list[Pane]) -> Codes:
    return np.concatenate([pane.codes for pane in panes[-4:]], axis=1)


def cause(profile: Profile, panes: list[Pane], feature: str = "score") -> RootCause:
    return RootCauses(profile).of_window(feature, window(panes), panes)


def test_what_moved_and_matters_comes_first_and_since_when(profile: Profile) -> None:
    panes = stream(profile, age=8.0, fill=0.9)
    found = cause(profile, panes)
    assert [one.feature for one in found.causes][:1] == ["age"]
    assert found.causes[0].share > 0.9
    noise = next((one for one in found.causes if one.feature == "noise"), None)
    assert noise is None or noise.share < 0.1
    assert found.by == "surrogate"
    assert found.version == "1"
    assert (found.first_pane, found.older) == (8 + 6, False)
    assert found.since_us == panes[6].span.started_us


def test_the_alert_is_told_in_few_words_and_the_finding_in_numbers(profile: Profile) -> None:
    found = cause(profile, stream(profile, age=8.0))
    told = found.annotations()
    assert re.match(
        r"age \d+% \(drift 0\.\d\d, median (39|40)(\.\d+)? -> 4\d(\.\d+)?\)", told["root_cause"]
    )
    assert told["root_cause_by"].startswith("drift x importance in a surrogate that follows")
    assert told["first_shown"].startswith("pane 14, 1970-01-01")
    assert found.values()["cause:age"] == found.causes[0].share
    assert found.values()["first_pane"] == 14.0


def test_attributions_that_were_sent_take_precedence(profile: Profile) -> None:
    panes = stream(profile, age=8.0, fill=0.9)
    sent = {"age": 0.001, "noise": 0.4, "plan": 0.0}
    found = RootCauses(profile).of_window("score", window(panes), panes, sent)
    assert found.causes[0].feature == "noise"
    assert found.by == "attributions"
    assert "missing 0% -> 9" in found.annotations()["root_cause"]


def test_without_a_surrogate_drift_alone_ranks_and_says_so(profile: Profile) -> None:
    panes = stream(profile, age=8.0, fill=0.9)
    found = cause(replace(profile, surrogate={}), panes)
    assert found.causes[0].feature == "noise"
    assert found.by == "drift"
    assert "nothing tells" in found.trust


def test_a_change_before_the_oldest_pane_is_said_to_be_older(profile: Profile) -> None:
    found = cause(profile, stream(profile, change=0, age=8.0))
    assert (found.first_pane, found.older) == (8, True)
    assert found.annotations()["first_shown"].endswith("or before")


def test_without_panes_and_without_drift_nothing_is_made_up(profile: Profile) -> None:
    rng = np.random.default_rng(3)
    numbers, categories = batch(rng, 100)
    codes = profile.encode(numbers, categories, 100)
    found = RootCauses(profile).of_window("age", codes, [])
    assert found.first_pane is None
    assert "first_shown" not in found.annotations()
    empty = RootCauses(profile).of_window("", codes[:, :0], [])
    assert (empty.causes, empty.annotations()) == ((), {})


def test_at_most_a_few_features_are_told_of() -> None:
    rng = np.random.default_rng(4)
    numbers = {f"x{k}": rng.normal(size=3_000) for k in range(12)}
    profile = profile_of(numbers, {}, MONITORING)
    moved = {name: values[:1_000] + 1.0 for name, values in numbers.items()}
    found = RootCauses(profile).of_window("x3", profile.encode(moved, {}, 1_000), [])
    assert len(found.causes) == MOST
    assert sum(one.share for one in found.causes) == pytest.approx(MOST / 12, abs=0.03)


def test_the_pane_of_a_change_is_found_within_one(profile: Profile) -> None:
    row = profile.names.index("age")
    reference = profile.columns[row]
    for change in range(2, 11):
        codes = [pane.codes[row] for pane in stream(profile, change=change, age=5.0)]
        assert abs(first_changed(reference, codes) - change) <= 1
    assert first_changed(reference, []) == 0
