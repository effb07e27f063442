"""What a prediction row says of an event: the values as they were logged."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from monitor.events import Fault, PredictionColumns
from monitor.storage.predictions import prediction_rows
from tests.storage.samples import MARCH_US, predictions, unregistered


def rows(*parts: PredictionColumns) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = prediction_rows(parts).to_pylist()
    for row in found:
        for name, value in row.items():
            if isinstance(value, list):
                row[name] = dict(value)
    return found


def test_features_stand_under_their_names_and_outputs_beside_them() -> None:
    [first, second] = rows(predictions(2))
    assert first["numbers"] == {"temp": 40.0, "distance": 100.0}
    assert first["strings"] == {"carrier": "UA"}
    assert first["faults"] == {}
    assert (second["prediction"], second["prediction_number"]) == ("late", None)
    assert second["score"] == 0.001
    assert second["occurred_at"] == datetime(2013, 3, 1, 6, tzinfo=UTC)
    assert (second["role"], second["status"]) == ("live", "ok")


LONG = "x" * 2_000


@pytest.mark.parametrize(
    ("fault", "logged", "numbers", "strings"),
    [
        (Fault(1, "temp", "hidden_null", -999.0), -999.0, {"temp": -999.0}, {}),
        (Fault(1, "temp", "hidden_null", -999.0), -999, {"temp": -999.0}, {}),
        (Fault(1, "temp", "wrong_type", "warm"), "warm", {}, {"temp": "warm"}),
        (Fault(1, "temp", "wrong_type", "true"), True, {"temp": 1.0}, {}),
        (Fault(1, "temp", "wrong_type", None), [1, {"a": None}], {}, {"temp": '[1, {"a": null}]'}),
        (Fault(1, "temp", "null", None), None, {}, {}),
        (Fault(1, "temp", "missing", None), None, {}, {}),
        (Fault(1, "temp", "non_finite", "Infinity"), math.inf, {"temp": math.inf}, {}),
        (Fault(1, "temp", "out_of_range", 41.0), 41.0, {"temp": 41.0}, {}),
        (Fault(1, "temp", "oversize", LONG[:512]), LONG, {}, {"temp": LONG[:512]}),
        (Fault(1, "gate", "extra", 7.0), 7, {"temp": 41.0, "gate": 7.0}, {}),
        (Fault(1, "gate", "extra", "B2"), "B2", {"temp": 41.0}, {"gate": "B2"}),
    ],
)
def test_a_fault_keeps_what_was_logged(
    fault: Fault, logged: Any, numbers: dict[str, float], strings: dict[str, str]
) -> None:
    before, faulty, after = rows(predictions(3, faults=(fault,), logged=logged))
    assert faulty["numbers"] == {"distance": 200.0, **numbers}
    assert faulty["strings"] == {"carrier": "AA", **strings}
    assert faulty["faults"] == {fault.feature: fault.reason}
    assert before["numbers"] == {"temp": 40.0, "distance": 100.0}
    assert after["strings"] == {"carrier": "DL"}
    assert before["faults"] == after["faults"] == {}


def test_a_category_that_was_logged_as_a_number_is_a_number() -> None:
    [row] = rows(predictions(1, faults=(Fault(0, "carrier", "wrong_type", 7.0),)))
    assert row["strings"] == {}
    assert row["numbers"]["carrier"] == 7.0


def test_a_logged_nan_is_told_from_no_value() -> None:
    nan = Fault(0, "temp", "non_finite", "NaN")
    [row] = rows(predictions(1, faults=(nan,), logged=math.nan))
    assert math.isnan(row["numbers"]["temp"])


def test_a_fault_that_is_about_no_single_feature_has_no_value() -> None:
    part = predictions(1, faults=(Fault(0, "*", "extra", 12.0),))
    del part.events[0]["features"]["*"]
    [row] = rows(part)
    assert row["faults"] == {"*": "extra"}
    assert row["numbers"] == {"temp": 40.0, "distance": 100.0}


def test_models_of_one_commit_share_a_table_and_keep_their_own_faults() -> None:
    found = rows(
        predictions(2, faults=(Fault(1, "temp", "hidden_null", -1.0),)),
        predictions(2, model="other", partition=3, faults=(Fault(0, "gate", "extra", "B2"),)),
    )
    assert [(row["model"], row["partition"], row["offset"]) for row in found] == [
        ("flights", 0, 0),
        ("flights", 0, 1),
        ("other", 3, 0),
        ("other", 3, 1),
    ]
    assert [row["faults"] for row in found] == [
        {},
        {"temp": "hidden_null"},
        {"gate": "extra"},
        {},
    ]
    assert found[1]["numbers"]["temp"] == -1.0
    assert found[2]["strings"] == {"carrier": "UA", "gate": "B2"}


def test_without_a_card_values_are_told_apart_by_their_type() -> None:
    huge = 10**400
    found = rows(
        unregistered(
            [{"a": 1, "b": "x", "c": True, "d": None, "e": 0.5}, {}, {"a": huge}],
            ["yes", 1, 0.25],
        )
    )
    assert found[0]["numbers"] == {"a": 1.0, "c": 1.0, "e": 0.5}
    assert found[0]["strings"] == {"b": "x"}
    assert found[1]["numbers"] == {}
    assert found[2]["strings"] == {"a": str(huge)}
    assert not found[0]["registered"]
    assert [row["prediction"] for row in found] == ["yes", "1", "0.25"]
    assert [row["prediction_number"] for row in found] == [None, 1.0, 0.25]


def test_optional_fields_are_columns_only_where_an_event_has_them() -> None:
    known_at = datetime(2013, 3, 1, 4, 59, tzinfo=UTC)
    sent = {
        "role": "shadow",
        "status": "fallback",
        "request_id": "r-1",
        "entity_id": "N14228",
        "latency_ms": 2.5,
        "scores": {"a": 0.25, "b": 0.75},
        "segments": {"origin": "JFK"},
        "feature_times": {"temp": known_at},
        "attributions": {"temp": -0.5},
    }
    plain = predictions(1)
    assert "latency_ms" not in rows(plain)[0]
    without, full = rows(plain, predictions(1, first_offset=1, extra=sent))
    assert full["feature_times"] == {"temp": known_at}
    for name in ("role", "status", "request_id", "latency_ms", "scores", "segments"):
        assert full[name] == sent[name]
    assert full["attributions"] == {"temp": -0.5}
    assert (without["request_id"], without["latency_ms"]) == ("", None)
    assert without["segments"] == without["attributions"] == {}


def test_times_beyond_what_the_column_holds_become_the_nearest() -> None:
    part = predictions(3)
    part.occurred_us[:] = [-(2**62), MARCH_US, 2**62]
    assert [row["occurred_at"].year for row in rows(part)] == [1900, 2013, 2299]
