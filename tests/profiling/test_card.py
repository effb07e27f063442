"""Model cards in YAML: what loads, and what the errors say."""

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.profiling.card import load_card, parse_card
from schemas.model import ModelCard

GOOD = """
model: churn
model_version: "1"
task: binary
features:
  age: {type: number, min: 0, max: 120}
"""


def test_the_flight_card_loads(flight_card: ModelCard) -> None:
    assert flight_card.model == "flight-delay"
    assert len(flight_card.features) == 13


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist: write one with `plumbline init"):
        load_card(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "holds a list: it must map keys"),
        ("{", "is not YAML"),
        (GOOD.replace('"1"', "1"), 'model_version = 1: .*; put it in quotes: "1"'),
        (GOOD.replace("task: binary", ""), "task: Field required; add `task:`"),
        (GOOD.replace("max:", "maxx:"), "unknown key features.age.maxx: did you mean 'max'?"),
        (GOOD + "monitor: {}", "unknown key monitor: did you mean 'monitoring'?"),
        (GOOD + "owner: {team: a, contact: b, zzz: 1}", "unknown key owner.zzz: remove it"),
        (
            GOOD + "monitoring: {detectors: [{name: ADWIN, feature: age, x: 1}]}",
            r"unknown key monitoring.detectors\[0\].x",
        ),
        (GOOD.replace("max: 120", "max: -1"), "min 0.0 is above max -1.0"),
    ],
)
def test_errors_name_key_value_and_fix(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_card(text, "cards/churn.yaml")
    assert "cards/churn.yaml" in str(caught.value)
