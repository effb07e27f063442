"""The rules for one value, each boundary once (the property test is tests/validation's)."""

import math

import pytest

from monitor.config import LimitSettings
from schemas.model import FeatureSpec
from schemas.values import MAX_STRING_CHARS, class_text, value_fault

AGE = FeatureSpec(type="number", min=0, max=120, hidden_nulls=(-999, "NA", ""))
PLAN = FeatureSpec(type="category", categories=("basic", "1"), hidden_nulls=("unknown", -1))
FLAG = FeatureSpec(type="boolean", hidden_nulls=(1,))


@pytest.mark.parametrize(
    ("spec", "value", "fault"),
    [
        (AGE, 0, None),
        (AGE, 120.0, None),
        (AGE, -0.001, "out_of_range"),
        (AGE, 120.001, "out_of_range"),
        (AGE, None, "null"),
        (AGE, -999.0, "hidden_null"),
        (AGE, "", "hidden_null"),
        (AGE, " ", "wrong_type"),
        (AGE, False, "wrong_type"),
        (AGE, [1], "wrong_type"),
        (AGE, 10**400, "non_finite"),
        (AGE, math.nan, "non_finite"),
        (PLAN, "basic", None),
        (PLAN, 1, None),
        (PLAN, 2, "unseen_category"),
        (PLAN, -1, "hidden_null"),
        (PLAN, "-1", "unseen_category"),
        (PLAN, 1.0, "wrong_type"),
        (PLAN, True, "wrong_type"),
        (PLAN, 2**63, "wrong_type"),
        (PLAN, math.inf, "non_finite"),
        (PLAN, "x" * MAX_STRING_CHARS, "unseen_category"),
        (PLAN, "x" * (MAX_STRING_CHARS + 1), "oversize"),
        (FLAG, True, None),
        (FLAG, 0, None),
        (FLAG, 1, "hidden_null"),
        (FLAG, 2, "wrong_type"),
        (FLAG, "true", "wrong_type"),
        (FLAG, -math.inf, "non_finite"),
    ],
)
def test_the_fault_of_one_value(spec: FeatureSpec, value: object, fault: str | None) -> None:
    assert value_fault(spec, value) == fault


def test_null_is_no_fault_where_it_is_allowed() -> None:
    assert value_fault(FeatureSpec(type="number", nullable=True), None) is None


def test_service_and_monitor_take_strings_of_the_same_length() -> None:
    assert LimitSettings().string_chars == MAX_STRING_CHARS


def test_a_class_is_told_from_its_neighbours() -> None:
    assert class_text(1.5) == "1.5"
    assert class_text(2.0**60) != class_text(2.0**60 * 2)
    assert class_text(10**400) == "inf"
