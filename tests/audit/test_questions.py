"""The cookbook of docs/audits.md: every question asked by the reader, and of pandas."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from monitor.storage.queries import Query
from monitor.storage.reader import Reader
from tests.audit.conftest import Audited
from tests.audit.flights import CATEGORIES, FIRST, GHOST, MODEL, NUMBERS, Log
from tests.pipeline.harness import PREDICTIONS

pytestmark = pytest.mark.integration

TEXT: Final = (Path(__file__).parents[2] / "docs" / "audits.md").read_text(encoding="utf-8")
QUESTIONS: Final = {
    int(number): Query(f"question_{number}", title, sql)
    for number, title, sql in re.findall(
        r"^### (\d+)\. (.*?)\n\n```sql\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL
    )
}
ROW: Final = 3
"""A prediction whose temperature is a hidden null."""
LEAST: Final = 0.001

Rows = list[dict[str, Any]]


def outcomes(log: Log) -> pd.DataFrame:
    """Predictions with the last label, whether the answer was right, and the log loss."""
    last = log.truths.drop_duplicates("of", keep="last").set_index("of")
    frame = log.sent.drop(columns=["label", "observed_at"])
    frame = frame.join(last[["label", "observed_at"]], on="event_id")
    known = frame["label"].notna()
    carded = frame["model_version"] != GHOST
    frame["right"] = (frame["prediction"] == frame["label"]).where(known)
    truth = frame["label"].fillna(False).astype(bool)
    p = np.where(truth, frame["score"], 1 - frame["score"]).clip(LEAST, 1 - LEAST)
    frame["loss"] = pd.Series(-np.log(p)).where(known & carded)
    hours = (frame["observed_at"] - frame["occurred_at"]).dt.total_seconds() / 3600
    return frame.assign(hours=hours, day=frame["occurred_at"].dt.date)


def of_model(log: Log) -> pd.DataFrame:
    """Labelled answers of the model itself."""
    frame = outcomes(log)
    return frame[frame["label"].notna() & (frame["status"] == "ok")]


def q1(log: Log, audited: Audited) -> Rows:
    row = log.sent.loc[ROW]
    kept = [name for name in NUMBERS if name != "dow" and pd.notna(row[name])]
    return [
        {
            "model_version": FIRST,
            "occurred_at": row["occurred_at"].to_pydatetime(),
            "prediction": str(row["prediction"]).lower(),
            "score": row["score"],
            "numbers": {name: row[name] for name in sorted(kept)},
            "strings": {name: row[name] for name in sorted(CATEGORIES)},
            "faults": {"temp": "hidden_null"},
            "attributions": {},
        }
    ]


def q2(log: Log, audited: Audited) -> Rows:
    parts = log.sent.groupby("model_version")["occurred_at"].agg(["count", "min", "max"])
    return [
        {
            "model_version": version,
            "predictions": row["count"],
            "first_event_at": row["min"].to_pydatetime(),
            "last_event_at": row["max"].to_pydatetime(),
            "registered": int(version != GHOST),
        }
        for version, row in parts.sort_values("min").iterrows()
    ]


def q3(log: Log, audited: Audited) -> Rows:
    frame = outcomes(log)
    own = frame[frame["entity_id"] == log.sent["entity_id"][0]]
    return [
        {
            "occurred_at": row["occurred_at"].to_pydatetime(),
            "event_id": row["event_id"],
            "model_version": row["model_version"],
            "prediction": str(row["prediction"]).lower(),
            "score": row["score"],
            "label": None if pd.isna(row["label"]) else str(row["label"]).lower(),
            "right": None if pd.isna(row["right"]) else bool(row["right"]),
        }
        for _, row in own.sort_values(["occurred_at", "event_id"]).iterrows()
    ]


def q4(log: Log, audited: Audited) -> Rows:
    days = (
        outcomes(log)
        .groupby("day")
        .agg(
            predictions=("score", "size"), yes=("prediction", "mean"), mean_score=("score", "mean")
        )
    )
    return rows_of(days)


def q5(log: Log, audited: Audited) -> Rows:
    parts = of_model(log).groupby("model_version")
    found = parts.agg(labelled=("score", "size"), mean_loss=("loss", "mean"))
    return rows_of(found.assign(accuracy=parts["right"].apply(lambda right: right.mean())))


def q6(log: Log, audited: Audited) -> Rows:
    parts = of_model(log).astype({"label": float, "right": float}).groupby("origin")
    return rows_of(
        parts.agg(
            labelled=("score", "size"),
            yes=("prediction", "mean"),
            truly_yes=("label", "mean"),
            accuracy=("right", "mean"),
        )
    )


def q7(log: Log, audited: Audited) -> Rows:
    frame = of_model(log).astype({"label": bool})
    return [
        {
            "origin": origin,
            "false_positive_rate": part.loc[~part["label"], "prediction"].mean(),
            "false_negative_rate": 1 - part.loc[part["label"], "prediction"].mean(),
        }
        for origin, part in frame.groupby("origin")
    ]


def q8(log: Log, audited: Audited) -> Rows:
    days = outcomes(log).groupby("day")["label"].agg(predictions="size", known="count")
    return rows_of(
        days.assign(unlabelled=days["predictions"] - days["known"]).drop(columns="known")
    )


def q9(log: Log, audited: Audited) -> Rows:
    frame = outcomes(log)
    hours = frame[frame["label"].notna()].groupby("model_version")["hours"]
    return rows_of(
        pd.DataFrame(
            {
                "median_hours": hours.quantile(0.5),
                "slow_hours": hours.quantile(0.95),
                "slowest_hours": hours.max(),
            }
        )
    )


def q10(log: Log, audited: Audited) -> Rows:
    labels = log.truths.groupby("of")["label"].agg(["first", "last"])
    changed = labels[labels["first"] != labels["last"]]
    return [{"corrected": len(changed), "were_yes": int(changed["first"].sum())}]


def q11(log: Log, audited: Audited) -> Rows:
    feature = {"hidden_null": "temp", "out_of_range": "humid"}
    faulty = log.sent[log.sent["fault"] != ""]
    rows = [
        {
            "feature": feature[str(fault)],
            "fault": fault,
            "predictions": len(part),
            "first_at": part["occurred_at"].min().to_pydatetime(),
            "last_at": part["occurred_at"].max().to_pydatetime(),
        }
        for fault, part in faulty.groupby("fault")
    ]
    return sorted(rows, key=lambda row: str(row["feature"]))


def q12(log: Log, audited: Audited) -> Rows:
    frame = outcomes(log)
    frame = frame[frame["loss"].notna()].assign(
        faulty=lambda rows: (rows["fault"] != "").astype(int)
    )
    parts = frame.groupby("faulty")
    return rows_of(parts.agg(labelled=("score", "size"), mean_loss=("loss", "mean")))


def q13(log: Log, audited: Audited) -> Rows:
    parts = log.sent[log.sent["status"] != "ok"].groupby(["model_version", "status"])
    return rows_of(parts.agg(predictions=("score", "size")))


def q14(log: Log, audited: Audited) -> Rows:
    parts = log.refused.groupby("reason")
    return rows_of(
        parts.agg(
            records=("size", "size"), size_bytes=("size", "sum"), first_offset=("offset", "min")
        )
    )


def q15(log: Log, audited: Audited) -> Rows:
    n = len(log.predictions)
    counts = {"stored": len(log.sent), "resent": log.resent, "refused": len(log.refused)}
    return [{**counts, "records": n, "sent": n}]


def episodes(audited: Audited) -> pd.DataFrame:
    """Each time that an alert was on, out of what was published."""
    moves = pd.DataFrame(
        [
            {
                "fingerprint": alert["fingerprint"],
                **{
                    name: alert["labels"].get(name, "")
                    for name in ("alertname", "feature", "severity", "model_version")
                },
                "starts_at": datetime.fromisoformat(alert["startsAt"]),
                "ended": alert["status"] == "resolved",
            }
            for data in audited.published
            for alert in data["alerts"]
        ]
    )
    return moves.groupby(["fingerprint", "starts_at"], as_index=False).agg(
        alertname=("alertname", "last"),
        feature=("feature", "last"),
        severity=("severity", "last"),
        model_version=("model_version", "last"),
        ended=("ended", "last"),
    )


def q16(log: Log, audited: Audited) -> Rows:
    names = ["fingerprint", "alertname", "feature", "severity", "starts_at", "ended"]
    return rows_of(episodes(audited).set_index("fingerprint")[names[1:]])


def q17(log: Log, audited: Audited) -> Rows:
    asked = {"model": MODEL}
    ends = {
        (row["fingerprint"], row["starts_at"]): row["ended_at"]
        for row in answer(audited, 16, asked)
    }
    rows = []
    for _, alert in episodes(audited).sort_values(["fingerprint", "starts_at"]).iterrows():
        end = ends[alert["fingerprint"], alert["starts_at"]] or datetime.max.replace(tzinfo=UTC)
        at = log.sent.loc[log.sent["model_version"] == alert["model_version"], "occurred_at"]
        inside = [alert["starts_at"] <= moment.to_pydatetime() < end for moment in at]
        if any(inside):
            names = ("fingerprint", "alertname", "feature")
            rows.append({name: alert[name] for name in names} | {"predictions": sum(inside)})
    return rows


def q18(log: Log, audited: Audited) -> Rows:
    alert = episodes(audited).set_index("fingerprint").loc[audited.acknowledged]
    return [
        {
            "fingerprint": audited.acknowledged,
            "alertname": alert["alertname"],
            "feature": alert["feature"],
            "action": "acknowledge",
            "who": "ann",
            "why": "a new fleet",
            "done": True,
        }
    ]


def q19(log: Log, audited: Audited) -> Rows:
    card = audited.cards[0]
    return [
        {
            "model_version": FIRST,
            "acts_from": 0,
            "owner_team": "flight-operations",
            "profile_hash": card.profile_hash,
            "dataset_fingerprint": card.dataset_fingerprint,
        }
    ]


def q20(log: Log, audited: Audited) -> Rows:
    rows: Rows = [
        {
            "model_version": card.model_version,
            "previous_version": card.previous_version or "",
            "retrain_reason": card.retrain_reason or "",
            "owner_team": card.owner.team if card.owner else "",
            "dataset_fingerprint": card.dataset_fingerprint,
            "profile_hash": card.profile_hash,
        }
        for card in audited.cards
    ]
    return [*rows, {"model_version": GHOST, **dict.fromkeys(list(rows[0])[1:], "")}]


PANDAS: Final[dict[int, Callable[[Log, Audited], Rows]]] = {
    int(name[1:]): function
    for name, function in sorted(globals().items())
    if re.fullmatch(r"q\d+", name)
}


@pytest.mark.parametrize("number", sorted(QUESTIONS))
def test_the_answer_is_that_of_pandas(audited: Audited, number: int) -> None:
    asked = {
        "model": MODEL,
        "event_id": audited.log.sent["event_id"][ROW],
        "entity_id": audited.log.sent["entity_id"][0],
        "topic": PREDICTIONS,
    }
    expected = PANDAS[number](audited.log, audited)
    found = answer(audited, number, asked)
    assert expected
    if number == 16:  # the end is known by its time, the log says whether there is one
        assert all(row["starts_at"] <= row["fired_at"] for row in found)
        found = [row | {"ended": row["ended_at"] is not None} for row in found]
        found.sort(key=lambda row: (row["fingerprint"], row["starts_at"]))
    assert [same_names(row, expected[0]) for row in found] == [close(row) for row in expected]


def test_performance_by_cohort_is_that_of_pandas(audited: Audited, reader: Reader) -> None:
    """Cohorts are days here; the last ones are not closed yet."""
    sql = "SELECT * FROM audit_performance WHERE model_version = {version:String} AND segment = ''"
    rows = reader.rows(Query("cohorts", "", sql), {"version": FIRST})
    frame = outcomes(audited.log)
    frame = frame[(frame["model_version"] == FIRST) & (frame["status"] == "ok")]
    assert len(rows) >= 3
    for row in rows:
        inside = (frame["occurred_at"] >= row["cohort_start"]) & (
            frame["occurred_at"] < row["cohort_end"]
        )
        day = frame[inside]
        assert row["predictions"] == len(day)
        assert row["labelled"] == day["label"].notna().sum()
        assert row["coverage"] == pytest.approx(day["label"].notna().mean())
        assert row["loss_lower"] < row["loss"] < row["loss_upper"]
        assert row["worse"] == (row["loss_lower"] > row["baseline_loss"])


def test_there_are_twenty_questions() -> None:
    assert sorted(QUESTIONS) == sorted(PANDAS) == list(range(1, 21))


def test_every_view_and_every_column_is_described(reader: Reader) -> None:
    sql = """
SELECT table, countIf(comment = '') AS bare, count() AS columns FROM system.columns
WHERE database = 'plumbline' AND startsWith(table, 'audit_') GROUP BY table"""
    rows = {row["table"]: row for row in reader.rows(Query("views", "", sql))}
    assert set(rows) == set(re.findall(r"^\| `(audit_\w+)` \|", TEXT, re.MULTILINE))
    assert {row["bare"] for row in rows.values()} == {0}


def answer(audited: Audited, number: int, values: dict[str, Any]) -> Rows:
    """Of the reader's account."""
    query = QUESTIONS[number]
    with opened(audited) as reader:
        return reader.rows(query, {name: values[name] for name in query.parameters})


@contextmanager
def opened(audited: Audited) -> Iterator[Reader]:
    with Reader(audited.settings) as reader:
        yield reader


def rows_of(frame: pd.DataFrame) -> Rows:
    rows: list[dict[Any, Any]] = frame.reset_index().to_dict("records")
    return [
        {name: None if value is pd.NaT or value != value else value for name, value in row.items()}
        for row in rows
    ]


def same_names(row: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """What pandas knows of it; numbers to be compared within rounding."""
    return {name: row[name] for name in like}


def close(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        for name, value in row.items()
    }
