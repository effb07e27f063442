"""A backtest as one HTML page that needs nothing else.

In: a `BacktestResult`. Out: HTML text. Never: a script, a request to anywhere, a name or a reason
that is not escaped.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from monitor.alerts import AlertState
from monitor.backtest.alerts import event_of
from monitor.backtest.charts import effects, timeline
from monitor.backtest.result import BacktestResult
from monitor.backtest.words import blind_words, budget_words, read_words
from monitor.clock import to_datetime

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #d8dde3; --soft: #f4f6f8;
  --warn: #8a4b00; --s0: #0b62a8; --s1: #b3430e; --s2: #2c7a3f; --s3: #7a3fa0; --fire: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14171a; --faint: #3a4149;
  --soft: #1e2226; --warn: #e8b06a; --s0: #6db3ee; --s1: #f0925f; --s2: #74c588; --s3: #c79ae6;
  --fire: #f07a72; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 2rem auto; max-width: 960px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem;
  border-bottom: 1px solid var(--faint); overflow-wrap: break-word; }
th { background: var(--soft); } td.n { text-align: right; white-space: nowrap; }
tr.first td { border-top: 2px solid var(--faint); }
.warn { color: var(--warn); } .scroll { overflow-x: auto; }
.multiples { display: flex; flex-wrap: wrap; gap: 1rem; }
svg { max-width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--ink); }
svg text.title { font-weight: 600; } .grid { stroke: var(--faint); stroke-width: 1; }
polyline { fill: none; stroke-width: 1.3; } polyline.limit { stroke-dasharray: 4 3; opacity: .75; }
polyline.s0 { stroke: var(--s0); } polyline.s1 { stroke: var(--s1); }
polyline.s2 { stroke: var(--s2); } polyline.s3 { stroke: var(--s3); }
svg text.s0 { fill: var(--s0); } svg text.s1 { fill: var(--s1); }
svg text.s2 { fill: var(--s2); } svg text.s3 { fill: var(--s3); }
rect.firing { fill: var(--fire); } rect.pending, rect.recovering { fill: var(--fire);
  opacity: .35; }
"""


def html_report(result: BacktestResult) -> str:
    """The whole page."""
    name = f"Backtest of {result.card.model} {result.card.model_version}"
    body = "\n".join(_body(result, name))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _body(result: BacktestResult, name: str) -> Iterator[str]:
    yield f"<h1>{escape(name)}</h1>"
    for words, warning in read_words(result):
        yield f'<p class="warn">{escape(words)}</p>' if warning else f"<p>{escape(words)}</p>"
    yield f"<h2>Alerts ({len(result.alerts)})</h2>"
    if result.alerts:
        yield f'<div class="scroll">{timeline(result)}</div>'
        yield from _moves(result)
    else:
        yield "<p>No alert fired.</p>"
    yield f"<h2>Budget</h2><p>{escape(budget_words(result))}</p>"
    yield "<table><tr><th>tests</th><th>how many</th><th>false alarms per million events</th></tr>"
    for share in result.battery.spent.values():
        if share.tests:
            rate = f"{share.false_alarms_per_event * 1e6:.3g}"
            yield f'<tr><td>{share.family}</td><td class="n">{share.tests:,}</td>'
            yield f'<td class="n">{rate}</td></tr>'
    yield "</table>"
    yield "<h2>Effects and thresholds</h2>"
    yield "<p>Solid: the effect of each look at a window. Dashed: what it has to exceed.</p>"
    yield f'<div class="multiples">{"".join(effects(result))}</div>'
    blind = blind_words(result)
    if blind:
        yield "<h2>What cannot tell</h2><ul>"
        yield from (f"<li>{escape(words)}</li>" for words in blind)
        yield "</ul>"


def _moves(result: BacktestResult) -> Iterator[str]:
    yield '<div class="scroll"><table><tr><th>alert</th><th>move</th><th>row</th>'
    yield "<th>event time (UTC)</th><th>why</th></tr>"
    for alert in result.alerts:
        for place, move in enumerate(alert.moves):
            label = alert.name if place == 0 else ""
            why = move.reason
            if move.state is AlertState.FIRING and move is alert.fired:
                why = f"{why}. {move.annotations['summary']}"
            at = f"{to_datetime(move.moved_us):%Y-%m-%d %H:%M}" if result.time else ""
            yield f'<tr class="{"first" if place == 0 else ""}"><td>{escape(label)}</td>'
            yield f'<td>{move.state.value}</td><td class="n">{event_of(move):,}</td>'
            yield f'<td class="n">{at}</td><td>{escape(why)}</td></tr>'
    yield "</table></div>"
