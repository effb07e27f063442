"""The items, in their order: name, what it is about, where it is measured, how long it may take."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the page."""

    name: str
    title: str
    module: str
    """Has `measure(*, quick: bool) -> Outcome`."""
    limit_s: int
    """Longest time on two quiet cores, the first making of peers' environments left out."""

    @property
    def command(self) -> str:
        """Measures it alone."""
        return f"python -m bench.suite --only {self.name}"


ITEMS: Final = (
    Item("engine", "Engine alone", "bench.engine", 300),
    Item("streaming", "Streaming, event by event", "bench.streaming", 180),
    Item("throughput", "End to end, one worker", "bench.throughput", 360),
    Item("models", "Many models", "bench.suite.many_models", 600),
    Item("scaleout", "Scale-out", "bench.scaleout", 300),
    Item("latency", "Latency to the alert", "bench.latency", 240),
    Item("backtest", "Backtest from Parquet", "bench.backtest", 180),
    Item("producer", "Producer", "bench.producer", 240),
    Item("startup", "Start", "bench.startup", 120),
)
BY_NAME: Final = {item.name: item for item in ITEMS}
