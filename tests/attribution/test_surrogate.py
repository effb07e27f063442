"""The surrogate: exact sums, scikit-learn's ridge, what it cannot copy, and the real flights."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from monitor.attribution.cells import MAX_CELLS, Cells
from monitor.attribution.surrogate import LINE_ROWS, RIDGE_ROWS, Surrogate, fit_surrogate
from monitor.errors import ProfileError
from monitor.events import Float64
from monitor.sketches.category import CategoryReference
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Reference
from schemas import ModelCard
from schemas.prediction import FeatureValue

Numbers = dict[str, Float64]
Categories = dict[str, list[str | None]]


def references(numbers: Numbers, categories: Categories) -> tuple[Reference, ...]:
    return (
        *(NumberReference.from_values(name, values) for name, values in numbers.items()),
        *(CategoryReference.from_values(name, values) for name, values in categories.items()),
    )


def fitted(numbers: Numbers, categories: Categories) -> Surrogate:
    columns = references(numbers, categories)
    return Surrogate.of_arrays(columns, fit_surrogate(columns, numbers, categories))


def example(n: int = 3_000) -> tuple[Numbers, Categories]:
    rng = np.random.default_rng(5)
    age = rng.integers(18, 90, n).astype(np.float64)
    age[::50] = np.nan
    plan: list[str | None] = [None if k % 70 == 0 else "ab"[k % 2] for k in range(n)]
    known = np.nan_to_num(age, nan=40.0)
    score = 0.005 * known + np.where([one == "a" for one in plan], 0.2, 0.0)
    return {"age": age, "noise": rng.normal(size=n), "score": score}, {"plan": plan}


def test_it_is_a_ridge_regression_on_cells_and_lines() -> None:
    numbers, categories = example()
    surrogate = fitted(numbers, categories)
    score, n = numbers["score"], len(numbers["score"])
    blocks, lines = [], []
    for one in surrogate.cells.features:
        values = numbers[one.name] if one.names is None else categories[one.name]
        blocks.append(np.eye(one.size)[one.cells(values)])
        if one.names is None:
            along = (numbers[one.name] - np.nanmean(numbers[one.name])) / np.nanstd(
                numbers[one.name]
            )
            lines.append(np.nan_to_num(along))
    # A penalty of RIDGE_ROWS on a column is one of LINE_ROWS on the column made so much larger.
    design = np.column_stack([*blocks, np.stack(lines, axis=1) * np.sqrt(RIDGE_ROWS / LINE_ROWS)])
    ridge = Ridge(alpha=RIDGE_ROWS).fit(design, score)
    rows = range(0, n, 97)
    said = [
        surrogate.score(
            {
                "age": float(numbers["age"][row]),
                "noise": float(numbers["noise"][row]),
                "plan": categories["plan"][row],
            }
        )
        for row in rows
    ]
    np.testing.assert_allclose(said, ridge.predict(design[list(rows)]), atol=1e-7)
    assert surrogate.base[0] == pytest.approx(score.mean())


def test_features_that_move_together_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    temp = rng.normal(size=8_000)
    dewp = 0.95 * temp + 0.3 * rng.normal(size=8_000)
    surrogate = fitted({"temp": temp, "dewp": dewp, "score": 0.1 * temp - 0.2 * dewp}, {})
    parts = surrogate.contributions({"temp": 2.0, "dewp": 2.0})
    assert parts["temp"] == pytest.approx(0.2, abs=0.03)
    assert parts["dewp"] == pytest.approx(-0.4, abs=0.03)


def test_beyond_the_reference_the_line_goes_on_for_one_width() -> None:
    x = np.linspace(0.0, 1.0, 2_000)
    surrogate = fitted({"x": x, "score": 0.2 * x}, {})
    near, far, farther = (surrogate.score({"x": value}) for value in (1.5, 2.0, 1e9))
    assert near == pytest.approx(0.3, abs=0.01)
    assert far == farther == pytest.approx(0.4, abs=0.01)


def test_contributions_and_base_sum_to_the_score_of_the_surrogate() -> None:
    surrogate = fitted(*example())
    event: dict[str, FeatureValue] = {"age": 33, "plan": "a", "noise": 0.1}
    parts = surrogate.contributions(event)
    assert sum(parts.values()) + surrogate.base[0] == pytest.approx(surrogate.score(event))
    assert surrogate.score(event) == pytest.approx(0.005 * 33 + 0.2, abs=0.02)
    assert surrogate.fidelity > 0.97
    assert surrogate.trust.startswith("follows the score closely")


def test_importance_ranks_what_matters_and_noise_comes_last() -> None:
    importance = fitted(*example()).importance
    assert sorted(importance, key=importance.__getitem__) == ["noise", "age", "plan"]
    assert importance["noise"] < 0.03 * importance["age"]


def test_no_value_is_a_cell_and_a_hidden_null_counts_as_none_with_the_card() -> None:
    surrogate = fitted(*example())
    card = ModelCard.model_validate(
        {
            "model": "m",
            "model_version": "1",
            "task": "binary",
            "features": {
                "age": {"type": "number", "nullable": True, "hidden_nulls": [-999]},
                "noise": {"type": "number"},
                "plan": {"type": "category"},
            },
        }
    )
    absent = surrogate.contributions({"plan": "a"}, card=card)
    hidden = surrogate.contributions({"plan": "a", "age": -999}, card=card)
    assert absent["age"] == hidden["age"]
    assert surrogate.contributions({"age": -999})["age"] != hidden["age"]
    assert surrogate.contributions({"age": "old", "plan": 7, "noise": float("nan")}).keys() == {
        *surrogate.cells.names
    }


def test_what_features_do_only_together_is_said_not_to_be_copied() -> None:
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=(2, 4_000))
    surrogate = fitted({"left": left, "right": right, "score": np.sign(left * right)}, {})
    assert surrogate.fidelity < 0.05
    assert "hardly follows" in surrogate.trust


def test_classes_without_scores_are_copied_one_by_one() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=4_000)
    said: list[str | None] = np.select([x < -0.5, x > 1], ["low", "high"], "mid").tolist()
    surrogate = fitted({"x": x}, {"prediction": said})
    assert set(surrogate.outputs) == {"low", "mid", "high"}
    assert surrogate.contributions({"x": 2.0}, answer="high")["x"] > 0.5
    assert surrogate.contributions({"x": 2.0}, answer="mid")["x"] < 0.0


@pytest.mark.parametrize("what", ["no output", "no value", "few rows"])
def test_where_nothing_can_be_copied_there_is_no_surrogate(what: str) -> None:
    numbers, categories = example(150 if what == "few rows" else 3_000)
    if what == "no output":
        del numbers["score"]
    elif what == "no value":
        numbers["score"][:] = np.nan
    assert fit_surrogate(references(numbers, categories), numbers, categories) == {}


def test_many_features_share_the_cells() -> None:
    rng = np.random.default_rng(4)
    numbers = {f"x{k}": rng.normal(size=300) for k in range(600)}
    cells = Cells.fit(references(numbers, {}), numbers)
    assert cells.size <= max(MAX_CELLS, 4 * 600)
    assert min(one.size for one in cells.features) >= 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("shares", None, "lacks shares"),
        ("counts", np.zeros(1), "surrogate of 1 features"),
        ("edges", np.arange(500.0), "belong to no feature"),
        ("base", np.zeros(3), "shapes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, value: Float64 | None, message: str) -> None:
    numbers, categories = example()
    columns = references(numbers, categories)
    arrays = fit_surrogate(columns, numbers, categories)
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    with pytest.raises(ProfileError, match=message):
        Surrogate.of_arrays(columns, arrays)
