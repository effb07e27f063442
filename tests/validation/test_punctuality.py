"""Late and out-of-order events are counted, batch by batch."""

from dataclasses import replace

import numpy as np

from monitor.clock import ManualClock
from monitor.events import PredictionColumns
from monitor.telemetry import Telemetry
from monitor.validation.punctuality import Punctuality
from tests.storage.samples import predictions

SECOND_US = 1_000_000


def _columns(
    occurred_s: list[int], delays_s: list[int] | None = None, model: str = "flights"
) -> PredictionColumns:
    occurred = np.array(occurred_s, np.int64) * SECOND_US
    delays = np.array(delays_s or [0] * len(occurred_s), np.int64) * SECOND_US
    columns = predictions(len(occurred_s), model=model)
    return replace(columns, occurred_us=occurred, sent_us=occurred + delays)


def _late(telemetry: Telemetry) -> list[float]:
    names = ("1m", "1h", "1d")
    return [telemetry.value("plumbline_events_late_total", over=name) for name in names]


def test_late_events_are_counted_by_how_late_they_are() -> None:
    telemetry = Telemetry(ManualClock())
    counter = Punctuality(telemetry)
    counter.observe([_columns([0, 1, 2, 3, 4], [0, 60, 61, 3_601, 90_000])])
    assert _late(telemetry) == [3, 2, 1]


def test_an_older_event_after_a_newer_one_of_its_model_is_out_of_order() -> None:
    telemetry = Telemetry(ManualClock())
    counter = Punctuality(telemetry)
    counter.observe([_columns([5, 6, 4, 7]), _columns([1, 2], model="other")])
    assert telemetry.value("plumbline_events_out_of_order_total") == 1
    counter.observe([_columns([6]), _columns([2, 3], model="other")])  # across batches
    assert telemetry.value("plumbline_events_out_of_order_total") == 2
    counter.observe([])
    assert telemetry.value("plumbline_events_out_of_order_total") == 2
