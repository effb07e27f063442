"""The first weeks of the real flights with their labels, through the pipeline of a backtest."""

from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from monitor.backtest.result import BacktestResult
from monitor.backtest.run import run_backtest
from monitor.profiling.card import load_card
from producers import flights

CARD = Path(__file__).parents[2] / "models" / "flights.yaml"
UNTIL = pd.Timestamp("2013-03-14", tz="UTC")
HORIZON = pd.Timedelta(hours=24)


@cache
def flown() -> tuple[pd.DataFrame, BacktestResult]:
    """The scored flights of two weeks, and what was said of them."""
    table = flights.load_flights()
    model = flights.train(table)
    scored = flights.stream(table, model)
    scored = scored[scored["occurred_at"] < UNTIL]
    labels = flights.arrivals(scored)[["event_id", "label", "observed_at"]]
    events = scored.drop(columns=["label", "observed_at"])
    reference = flights.reference(table, model)
    return scored, run_backtest(events, load_card(CARD), reference, labels=labels)


def test_months_of_closed_cohorts_equal_scikit_learn() -> None:
    scored, result = flown()
    [march] = result.months
    closed = pd.Timestamp(max(one.ended_us for one in result.cohorts), unit="us", tz="UTC")
    assert closed >= UNTIL - pd.Timedelta(days=3)
    own = scored[scored["occurred_at"] < closed]
    known = own[own["label"].notna()]
    assert (march.predictions, march.labelled) == (len(own), len(known))
    truth = known["label"].astype(int)
    assert march.metrics["log_loss"] == pytest.approx(log_loss(truth, known["score"]), abs=1e-9)
    assert march.metrics["auc"] == pytest.approx(roc_auc_score(truth, known["score"]), abs=1e-9)
    assert march.metrics["log_loss"] < march.baseline_loss
    assert march.estimated["log_loss"] == pytest.approx(march.metrics["log_loss"], abs=0.05)


def test_labels_missing_on_storm_days_are_biased_and_nothing_is_degraded() -> None:
    _, result = flown()
    told = {alert.labels["alertname"] for alert in result.alerts}
    of_labels = {
        one.labels["alertname"] for one in result.alerts if one.labels["category"] == "performance"
    }
    assert "LabelsBiased" in told
    assert of_labels == {"LabelsBiased"}
    [biased] = [one for one in result.alerts if one.labels["alertname"] == "LabelsBiased"]
    assert "not at random" in biased.fired.reason
