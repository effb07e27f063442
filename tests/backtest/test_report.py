"""The HTML page stands alone, is well-formed, and no name in it is markup."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pandas as pd
import pytest

from monitor.backtest.charts import POINTS, series_of
from monitor.backtest.report import html_report
from monitor.backtest.result import BacktestResult
from monitor.backtest.run import run_backtest
from schemas.model import FeatureSpec, ModelCard, Monitoring
from tests.backtest.conftest import rows, shifted

HOSTILE = "<script>alert('x')</script>&\"items"
VOID = {"meta"}


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    card = ModelCard(
        model="orders",
        model_version='1"><b>',
        task="binary",
        features={HOSTILE: FeatureSpec(type="number"), "amount": FeatureSpec(type="number")},
        monitoring=Monitoring(scales=(1_000, 4_000)),
    )

    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.rename(columns={"items": HOSTILE}).drop(columns="model_version")

    events = renamed(shifted(12_000, seed=7, at=6_000, sigma=1.0))
    return run_backtest(events, card, renamed(rows(20_000, seed=1)))


class _Balanced(HTMLParser):
    """Fails on a tag that is closed out of turn or never."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_asks_for_nothing(result: BacktestResult) -> None:
    page = html_report(result)
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not parser.seen & {"script", "link", "img", "iframe", "b"}
    assert "://" not in page
    assert not re.search(r"url\(|@import|\bsrc=|\bhref=", page)


def test_names_are_shown_and_never_markup(result: BacktestResult) -> None:
    assert HOSTILE in {alert.feature for alert in result.alerts}
    page = html_report(result)
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;items" in page


def test_charts_are_svg_with_a_line_for_each_scale_and_its_threshold(
    result: BacktestResult,
) -> None:
    page = html_report(result)
    charts = [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.S)]
    labels = [chart.attrib["aria-label"] for chart in charts]
    assert labels[0] == f"Timeline of {len(result.alerts)} alerts"
    chart = charts[labels.index(f"Effect over time, {HOSTILE}: ks")]
    lines = [line.attrib["class"] for line in chart.iter("polyline")]
    assert sorted(lines) == ["effect s0", "effect s1", "limit s0", "limit s1"]
    assert all(
        len(line.attrib["points"].split()) <= POINTS
        for chart in charts
        for line in chart.iter("polyline")
    )


def test_series_are_the_looks_of_the_findings(result: BacktestResult) -> None:
    [small, large] = [s for s in series_of(result) if (s.feature, s.check) == (HOSTILE, "ks")]
    assert (small.scale, large.scale) == (1_000, 4_000)
    assert small.events.tolist() == list(range(999, 12_000, 250))
    assert small.effect[small.events < 6_000].max() < 0.1 < small.effect[-1]
    assert small.drift > 0


def test_a_page_without_alerts_or_times_says_so(result: BacktestResult) -> None:
    frame = rows(1_500, seed=8).rename(columns={"items": HOSTILE})
    bare = frame.drop(columns=["model_version", "occurred_at"])
    quiet = run_backtest(bare, result.card, result.profile)
    page = html_report(quiet)
    assert "No alert fired." in page
    assert "there is no column occurred_at" in page
