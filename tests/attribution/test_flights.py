"""The real flights: what moved the score in April, and when a retraining was due."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from monitor.attribution.root_cause import RootCauses
from monitor.attribution.surrogate import fit_surrogate
from monitor.findings import Measurement, Verdict
from monitor.performance.breakdown import Breakdown
from monitor.performance.drifts import Drift
from monitor.profiling.card import load_card
from monitor.sketches.profile import Profile
from producers import flights
from schemas.model import Monitoring
from tests.attribution.test_surrogate import fitted
from tests.detectors.streams import profile_of
from tests.performance.reports import report_of
from tests.project.test_structure import ROOT

ZONE = "America/New_York"
WINDOW = 16_000


class Data(NamedTuple):
    model: Any
    reference: pd.DataFrame
    stream: pd.DataFrame
    """March and April."""


@pytest.fixture(scope="module")
def data() -> Data:
    table = flights.load_flights()
    model = flights.train(table)
    until = pd.Timestamp("2013-05-01", tz=ZONE)
    stream = flights.stream(table[table["occurred_at"] < until], model)
    return Data(model, flights.reference(table, model), stream)


def columns(rows: pd.DataFrame) -> tuple[dict[str, Any], dict[str, list[str | None]]]:
    numbers = {n: rows[n].to_numpy(np.float64) for n in (*flights.NUMBERS, "score")}
    return numbers, {n: rows[n].tolist() for n in flights.CATEGORIES}


def test_the_surrogate_follows_the_logistic_regression(data: Data) -> None:
    surrogate = fitted(*columns(data.reference))
    assert surrogate.fidelity > 0.85
    weights = dict(zip(data.model[0].get_feature_names_out(), data.model[-1].coef_[0], strict=True))
    names = surrogate.cells.names
    for name in ("temp", "dewp", "humid", "pressure", "sched_min"):
        assert np.sign(surrogate.slopes[names.index(name), 0]) == np.sign(
            weights[f"numbers__{name}"]
        )
    importance = surrogate.importance
    assert {"humid", "dewp"} == set(sorted(importance, key=importance.__getitem__)[-2:])


def test_the_root_cause_in_april_is_the_feature_whose_permutation_undoes_the_drift(
    data: Data,
) -> None:
    april = data.stream.tail(WINDOW)
    numbers, categories = columns(data.reference)
    profile: Profile = profile_of(numbers, categories, Monitoring(scales=(1_000,)))
    object.__setattr__(profile, "surrogate", fit_surrogate(profile.columns, numbers, categories))
    found = RootCauses(profile).of_window("score", profile.encode(*columns(april), WINDOW), [])

    def drift(rows: pd.DataFrame) -> float:
        score = data.model.predict_proba(rows[list(flights.FEATURES)])[:, 1]
        return float(ks_2samp(data.reference["score"], score).statistic)

    rng = np.random.default_rng(0)
    undone = {
        name: drift(april)
        - drift(april.assign(**{name: rng.choice(data.reference[name], len(april))}))
        for name in flights.FEATURES
    }
    truth = max(undone, key=undone.__getitem__)
    assert found.causes[0].feature == truth == "dewp"  # temp itself pulled the other way
    assert found.causes[0].share > 1.4 * found.causes[1].share
    assert found.causes[0].words.startswith("dewp ")
    assert undone["temp"] < 0


def test_a_retraining_is_due_in_april_not_in_march_and_not_without_drift(data: Data) -> None:
    def said(drifts: list[Drift]) -> list[tuple[pd.Timestamp, Measurement]]:
        card = load_card(ROOT / "models" / "flights.yaml")
        own = Breakdown(card, tuple(card.features), 3_000.0)
        known = data.reference["label"].dropna().astype(float)
        late, n = float(known.sum()), len(known)
        found = []
        for date, rows in data.stream.groupby(data.stream["occurred_at"].dt.floor("D")):
            assert isinstance(date, pd.Timestamp)
            numbers, texts = columns(rows)
            truth = np.array(rows["label"].astype("float64"), np.float64)
            day = int(date.value // 86_400_000_000_000)
            report = report_of(
                card, day, numbers["score"], truth, numbers=numbers, texts=texts, base_rate=late / n
            )
            _, measurements = own.add(report, {}, None, drifts)
            late, n = late + float(np.nansum(truth)), n + int(np.isfinite(truth).sum())
            found += [(date, one) for one in measurements if one.check == "retrain_due"]
        return found

    # The alert on temp is on from March: drift alone must not do.
    drifting = said([Drift("f", "temp", 0, 0)])
    first, gain = next((date, one) for date, one in drifting if one.verdict is Verdict.DRIFT)
    assert first.month == 4
    assert gain.effect > 0.05
    assert gain.values["expected_gain_low"] > 0
    assert all(one.verdict is Verdict.OK for _, one in said([]))
