"""The real flights with their labels: `make bench-performance`.

In: the flights of 2013 and models of their delays. Out: printed tables; exit code 1 where
something that is known of these data is not found. Never: a figure that was not computed here.

Parts: monthly metrics beside scikit-learn's; alerts; estimates beside NannyML's; five retrained
versions beside the bootstrap; a planted leak, and labels missing at random.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import log_loss, roc_auc_score

from bench.detection.contestants import run_module
from bench.flights_stream import MemoryRows, Shadowed, flights_card, losses_of, reference_of, run
from bench.machine import machine_line, versions_line
from monitor.events import Float64
from monitor.findings import Verdict
from monitor.performance.compare import Outcome
from monitor.performance.metrics import MEASURES, Labelled
from monitor.performance.report import CohortReport
from monitor.performance.watch import PerformanceWatch
from producers import flights

ZONE = "America/New_York"
EVENTS_PER_DAY = 930.0
SHADOWED = 5_000
RETRAINED = range(5, 10)
ESTIMATED = ("auc", "pr_auc", "accuracy", "precision", "recall", "f1", "log_loss")
RESAMPLES = 4_000

_missed: list[str] = []


@dataclass(frozen=True, slots=True)
class Data:
    """The flights, the model trained on January, and what it said."""

    table: pd.DataFrame
    model: Any
    reference: pd.DataFrame
    stream: pd.DataFrame

    @classmethod
    def load(cls) -> "Data":
        table = flights.load_flights()
        model = flights.train(table)
        return cls(table, model, flights.reference(table, model), flights.stream(table, model))


def month_of(moments: "pd.Series[pd.Timestamp]") -> "pd.Series[int]":
    """Month of the year in New York."""
    return moments.dt.tz_convert(ZONE).dt.month


def need(said: bool, what: str) -> None:
    """Say whether something known was found."""
    print(f"  {'ok     ' if said else 'MISSING'}  {what}")
    if not said:
        _missed.append(what)


def watched(data: Data, versions: list[Shadowed]) -> tuple[PerformanceWatch, list[CohortReport]]:
    """A watch that has seen versions with all their labels."""
    card = versions[0].card
    rows = MemoryRows(card.model)
    watch = PerformanceWatch(card, rows, events_per_day=EVENTS_PER_DAY)
    watch.put(card, reference_of(card, data.reference))
    for one in versions[1:]:
        watch.put(one.card)
    return watch, list(run(watch, rows, versions))


def months(data: Data, reports: list[CohortReport]) -> None:
    """Metrics of joined cohorts by month, beside scikit-learn's on the table itself."""
    print("\nMonthly metrics from closed cohorts, and scikit-learn on the joined table")
    joined = _joined(reports)
    month = month_of(pd.to_datetime(pd.Series(joined["occurred_us"]), unit="us", utc=True))
    truth_months = month_of(data.stream["occurred_at"])
    worst = 0.0
    print(f"{'month':>5}{'labelled':>10}{'log loss':>12}{'AUC':>10}{'largest difference':>22}")
    last = pd.to_datetime(max(joined["occurred_us"]), unit="us", utc=True)
    for name in sorted(set(month)):
        rows = (month == name).to_numpy()
        found = MEASURES["binary"](
            Labelled(
                joined["truth"][rows],
                joined["answer"][rows],
                joined["score"][rows],
                np.zeros((int(rows.sum()), 0)),
            )
        )
        there = data.stream[
            (truth_months == name)
            & data.stream["label"].notna()
            & (data.stream["occurred_at"] <= last)
        ]
        truth, score = there["label"].astype(int), there["score"]
        expected = (float(log_loss(truth, score)), float(roc_auc_score(truth, score)))
        apart = max(abs(found["log_loss"] - expected[0]), abs(found["auc"] - expected[1]))
        worst = max(worst, apart)
        print(
            f"{name:>5}{rows.sum():>10,}{found['log_loss']:>12.6f}{found['auc']:>10.6f}{apart:>22.1e}"
        )
    need(worst < 1e-9, "monthly log loss and AUC equal scikit-learn's to 1e-9")


def alerts(reports: list[CohortReport]) -> None:
    """The first alerts of each check, and what must and must not be said."""
    print("\nFirst alerts of each check")
    first: dict[str, tuple[pd.Timestamp, str]] = {}
    dates = defaultdict(list)
    for report in reports:
        day = pd.Timestamp(report.ended_us, unit="us", tz="UTC").tz_convert(ZONE)
        for one in report.measurements:
            if one.verdict is Verdict.DRIFT:
                first.setdefault(one.check, (day, one.reason))
                dates[one.check].append(day)
    for check, (day, reason) in sorted(first.items(), key=lambda item: item[1][0]):
        print(f"  {day:%d %B}  {check}: {reason}")
    worse = first.get("worse_than_baseline", (pd.Timestamp.max.tz_localize("UTC"), ""))[0]
    need(worse.month in (4, 5), "worse_than_baseline fires first in April or May")
    promise = first.get("calibration", (pd.Timestamp.max.tz_localize("UTC"), ""))[0]
    need(promise <= worse, "a calibration alert by then")
    march = [c for c, days in dates.items() for d in days if d.month == 3 and c != "labels_biased"]
    need(not march, "nothing says degraded in March")
    need("labels_biased" in first, "labels missing on storm days are reported as biased")
    need("too_good" not in first, "no leak is seen where there is none")


def estimates(data: Data) -> None:
    """CBPE by month: ours, NannyML's, and what came true."""
    print("\nEstimated without labels, minus what came true (NannyML in brackets)")
    card = flights_card()
    estimator = reference_of(card, data.reference)
    stream = data.stream[data.stream["label"].notna()]
    theirs = _nannyml(data.reference, stream)
    by_month = month_of(stream["occurred_at"])
    print(f"{'month':>5}" + "".join(f"{name:>20}" for name in ESTIMATED))
    total: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for name in sorted(set(by_month)):
        rows = stream[by_month == name]
        truth = rows["label"].to_numpy(np.float64)
        score, answer = rows["score"].to_numpy(), rows["prediction"].to_numpy(np.float64)
        empty = np.zeros((len(rows), 0))
        realised = MEASURES["binary"](Labelled(truth, answer, score, empty))
        estimated = estimator.expected(answer, score, empty, empty)
        cells = []
        for metric in ESTIMATED:
            ours = estimated[metric] - realised[metric]
            other = theirs.get(metric, {}).get(str(name), np.nan) - realised[metric]
            total[metric].append((abs(ours), abs(other)))
            cells.append(f"{ours:+.3f}" + ("" if np.isnan(other) else f" ({other:+.3f})"))
        print(f"{name:>5}" + "".join(f"{cell:>20}" for cell in cells))
    means = {metric: np.mean(errors, axis=0) for metric, errors in total.items()}
    shown = [f"{a:.3f}" + ("" if np.isnan(b) else f" ({b:.3f})") for a, b in means.values()]
    print(f"{'mean':>5}" + "".join(f"{cell:>20}" for cell in shown))
    if theirs:
        near = all(a <= b + 0.01 for a, b in means.values() if not np.isnan(b))
        need(near, "errors are no larger than NannyML's (by more than 0.01)")


def retraining(data: Data) -> None:
    """A new version every month from May to September; the old one shadows its first requests."""
    print(f"\nRetrained on the trailing two months; the old version shadows {SHADOWED:,} requests")
    month = month_of(data.table["occurred_at"])
    frozen = flights_card()
    versions = [Shadowed(frozen, data.stream[month_of(data.stream["occurred_at"]) < 5])]
    models = {frozen.model_version: data.model}
    shadows: list[Shadowed] = []
    truths: dict[str, tuple[float, float, float]] = {}
    before = frozen
    for name in RETRAINED:
        past = data.table[(month >= name - 2) & (month < name) & data.table["label"].notna()]
        model = clone(data.model).fit(past[list(flights.FEATURES)], past["label"].astype(bool))
        card = flights_card(f"2013-{name:02d}", previous=before.model_version)
        flown = data.table[month == name]
        versions.append(Shadowed(card, _scored(model, flown, card.model_version)))
        first = flown.iloc[:SHADOWED]
        old = _scored(models[before.model_version], first, before.model_version)
        shadows.append(Shadowed(before, old))
        truths[card.model_version] = _bootstrap(
            versions[-1].scored.iloc[:SHADOWED], old, first["label"]
        )
        models[card.model_version] = model
        before = card
    together = [
        Shadowed(
            one.card, pd.concat([one.scored, *(s.scored for s in shadows if s.card is one.card)])
        )
        for one in versions
    ]
    watch, _ = watched(data, together)
    print(
        f"{'new':>8}{'verdict':>20}{'difference':>12}{'visible':>10}{'blocks':>8}"
        f"{'bootstrap 95 %':>20}{'truth':>20}"
    )
    for verdict in watch.verdicts():
        mean, low, high = truths[verdict.new]
        truth = Outcome.NO_DIFFERENCE_YET
        if low > 0 or high < 0:
            truth = Outcome.REGRESSED if low > 0 else Outcome.IMPROVED
        print(
            f"{verdict.new:>8}{verdict.outcome:>20}{verdict.difference:>+12.4f}"
            f"{verdict.smallest_visible:>10.4f}{verdict.blocks:>8}"
            f"{f'{low:+.3f} .. {high:+.3f}':>20}{truth:>20}"
        )
        need(verdict.outcome is truth, f"the verdict on {verdict.new} is that of the bootstrap")
        need(
            not verdict.rollback_recommended or mean > 0,
            f"no rollback recommended for {verdict.new} unless it is worse",
        )


def planted(data: Data) -> None:
    """A feature that encodes the label; labels missing at random, alone and in outages."""
    print("\nPlanted faults, March to mid April")
    part = data.stream[data.stream["occurred_at"] < pd.Timestamp("2013-04-15", tz="UTC")]
    known = part[part["label"].notna()]
    truth = known["label"].to_numpy(np.float64)
    leak = known.assign(score=np.where(truth > 0, 0.995, 0.005), prediction=truth > 0)
    _, reports = watched(data, [Shadowed(flights_card(), leak)])
    need("too_good" in _checks(reports), "a model whose feature encodes the label is too good")
    rng = np.random.default_rng(flights.SEED)
    outage = np.zeros(len(known), np.bool_)
    for begin in rng.integers(0, len(known), 20).tolist():
        outage[begin : begin + 60] = True
    for words, lost in (("one in thirty", rng.random(len(known)) < 1 / 30), ("outages", outage)):
        fewer = known.assign(
            label=known["label"].where(~lost), observed_at=known["observed_at"].where(~lost)
        )
        _, reports = watched(data, [Shadowed(flights_card(), fewer)])
        need("labels_biased" not in _checks(reports), f"labels lost at random ({words}): no bias")


def _checks(reports: list[CohortReport]) -> set[str]:
    return {
        one.check
        for report in reports
        for one in report.measurements
        if one.verdict is Verdict.DRIFT
    }


def _joined(reports: list[CohortReport]) -> dict[str, Float64]:
    kept = [report.rows.kept(report.rows.labelled) for report in reports]
    names = ("occurred_us", "truth", "answer", "score")
    return {name: np.concatenate([getattr(rows, name) for rows in kept]) for name in names}


def _scored(model: Any, table: pd.DataFrame, version: str) -> pd.DataFrame:
    return flights.predict(model, table).assign(model_version=version)


def _bootstrap(
    new: pd.DataFrame, old: pd.DataFrame, label: "pd.Series[Any]"
) -> tuple[float, float, float]:
    """Mean loss difference on the shadowed requests, resampled by days: (mean, low, high)."""
    known = label.notna().to_numpy()
    truth = label[known].to_numpy(np.float64)
    difference = losses_of(truth, new["score"].to_numpy()[known]) - losses_of(
        truth, old["score"].to_numpy()[known]
    )
    day = new["occurred_at"][known].dt.tz_convert(ZONE).dt.date.to_numpy()
    days = sorted(set(day))
    sums = np.array([difference[day == one].sum() for one in days])
    counts = np.array([(day == one).sum() for one in days])
    rng = np.random.default_rng(flights.SEED)
    drawn = rng.integers(0, len(days), (RESAMPLES, len(days)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(difference.mean()), float(low), float(high)


def _nannyml(reference: pd.DataFrame, stream: pd.DataFrame) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as name:
        folder = Path(name)
        for file, table in (("reference", reference), ("stream", stream)):
            known = table[table["label"].notna()]
            pd.DataFrame(
                {
                    "score": known["score"],
                    "prediction": known["prediction"].astype(int),
                    "label": known["label"].astype(int),
                    "month": month_of(known["occurred_at"]),
                }
            ).to_parquet(folder / f"{file}.parquet", index=False)
        run_module("nannyml", "nannyml_cbpe", str(folder), str(folder / "out.json"))
        found: dict[str, dict[str, float]] = json.loads((folder / "out.json").read_text())
        return found


def main() -> None:
    """All parts, or those named."""
    parts = ("months", "estimates", "retraining", "planted")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=parts, help=", ".join(parts))
    chosen = parser.parse_args().parts
    print(f"{machine_line()}; {versions_line('numpy', 'scipy', 'scikit-learn')}")
    data = Data.load()
    if "months" in chosen:
        _, reports = watched(data, [Shadowed(flights_card(), data.stream)])
        months(data, reports)
        alerts(reports)
    if "estimates" in chosen:
        estimates(data)
    if "retraining" in chosen:
        retraining(data)
    if "planted" in chosen:
        planted(data)
    print(f"\n{len(_missed)} missing" if _missed else "\nall found")
    sys.exit(int(bool(_missed)))


if __name__ == "__main__":
    main()
