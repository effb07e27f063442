"""A sweep is one backtest for each value, in one pass."""

from collections import Counter

import pandas as pd
import pytest

from monitor.backtest import sweep as module
from monitor.backtest.rows import RowValidator
from monitor.backtest.run import run_backtest
from monitor.backtest.sweep import Sweep, run_sweep
from monitor.errors import ConfigError
from monitor.sketches.profile import Profile
from monitor.version_monitor import encode
from schemas.model import ModelCard
from tests.backtest.conftest import shifted

N, CHANGE = 12_000, 6_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return shifted(N, seed=5, at=CHANGE, sigma=0.6)


@pytest.mark.parametrize("text", ["floor=0,0.1,0.6", "budget=0.5,20", "window=1000,1000+2000"])
def test_each_value_gives_what_a_backtest_with_that_card_gives(
    text: str, frame: pd.DataFrame, card: ModelCard, reference: pd.DataFrame
) -> None:
    sweep = Sweep.parse(text)
    results = run_sweep(sweep, frame, card, reference)
    assert len(results) == len(sweep.values)
    for value, result in zip(sweep.values, results, strict=True):
        alone = run_backtest(frame, sweep.card(card, value), reference)
        assert result.findings.to_pylist() == alone.findings.to_pylist()
        assert [a.to_json() for a in result.alerts] == [a.to_json() for a in alone.alerts]


def test_a_higher_floor_silences_a_small_shift(
    frame: pd.DataFrame, card: ModelCard, reference: pd.DataFrame, profile: Profile
) -> None:
    low, high = run_sweep(Sweep.parse("floor=0.05,0.7"), frame, card, reference, profile)
    assert "items" in {alert.feature for alert in low.alerts}
    assert "items" not in {alert.feature for alert in high.alerts}
    assert low.under_alert > high.under_alert


def test_rows_are_read_and_coded_once(
    frame: pd.DataFrame,
    card: ModelCard,
    reference: pd.DataFrame,
    profile: Profile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: Counter[str] = Counter()

    def counted_encode(*arguments: object) -> object:
        calls["encode"] += 1
        return encode(*arguments)  # type: ignore[arg-type]  # passed through as they come

    read = RowValidator._read_batch

    def counted_read(self: RowValidator, batch: object) -> object:
        calls["read"] += 1
        return read(self, batch)  # type: ignore[arg-type]  # passed through as it comes

    monkeypatch.setattr(module, "encode", counted_encode)
    monkeypatch.setattr(RowValidator, "_read_batch", counted_read)
    monkeypatch.setattr("monitor.backtest.rows.BATCH_ROWS", 5_000)
    run_sweep(Sweep.parse("floor=0.05,0.1,0.2"), frame, card, reference, profile)
    assert calls == {"encode": 3, "read": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed=1", "write one of budget=, floor=, window="),
        ("floor", "write one of"),
        ("floor=a", "no numbers"),
        ("window=1000+", "no numbers"),
    ],
)
def test_a_sweep_that_cannot_be_read_says_how_to_write_it(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sweep.parse(text)


@pytest.mark.parametrize("text", ["floor=2", "window=700", "budget=0"])
def test_a_value_that_the_card_refuses_is_named(text: str, card: ModelCard) -> None:
    sweep = Sweep.parse(text)
    with pytest.raises(ConfigError, match=f"sweep {sweep.setting}="):
        sweep.card(card, sweep.values[0])
