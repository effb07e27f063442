"""How long the pages take in a big database: `make bench-pages`.

In: a local ClickHouse of its own, filled by `bench.filling` and here with the panes, findings and
cohorts of as many predictions. Out: a table, printed and written to bench/PAGES.md; exit code 1
past a target. Never: Kafka traffic: what is timed is reading, and a browser.

    python -m bench.pages [--rows N] [--times N] [--keep DIRECTORY] [--report FILE]
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import yaml
from playwright.sync_api import sync_playwright

from bench.explain import settings_of
from bench.filling import MODEL, NUMBERS, START, STRINGS, event_id_of, fill, step_us
from bench.machine import commit_line, machine_line, versions_line
from devstack import stack
from monitor.clock import SystemClock, to_us
from monitor.config import ClickHouseSettings, Settings
from monitor.dashboard.asked import Asked
from monitor.dashboard.site import Site
from monitor.sketches.kll import KllSummary
from monitor.storage import ClickHouseStore
from monitor.storage.reader import Reader

WANTED_QUERIES_MS: Final = 200.0
WANTED_PAINT_MS: Final = 1_000.0
PANE: Final = 250
SKETCHES: Final = 64

_PANES: Final = """
INSERT INTO pane_summaries (model, model_version, column, pane, first_event, last_event, started_at,
    ended_at, n, missing, mean, minimum, maximum, sketch, counts, topic, partition, first_offset,
    last_offset)
SELECT '{model}', if(toMonth(began) < 10, '2', '3'), column, number, number * 250,
    number * 250 + 249, fromUnixTimestamp64Micro(toInt64({start_us} + number * 250 * {step_us}),
    'UTC') AS began, began + toIntervalMicrosecond(249 * {step_us}), 250, number % 7 = 0,
    if(column IN {strings}, nan, 50 + 20 * sin(number / 900)), if(column IN {strings}, nan, 10),
    if(column IN {strings}, nan, 90), if(column IN {strings}, '', sketch),
    if(column IN {strings}, map('UA', 100, 'B6', 80, 'EV', 70), map()), 'plumbline.predictions', 0,
    number * 250, number * 250 + 249
FROM (SELECT number, sketch FROM numbers({panes}) AS n
    INNER JOIN sketches ON sketches.id = toUInt64(number % {sketches})) AS panes
ARRAY JOIN {columns} AS column
"""
_FINDINGS: Final = """
INSERT INTO findings (model, model_version, category, alertname, check, feature, scale, verdict,
    statistic, effect, threshold, p_value, n_ref, n_cur, n_effective, smallest_visible, topic,
    partition, first_event, last_event, first_offset, last_offset, started_at, ended_at)
SELECT '{model}', if(toMonth(began) < 10, '2', '3'), 'drift',
    if(column IN ('score', 'prediction'), 'PredictionDrift', 'FeatureDrift'),
    if(column IN {strings}, 'total_variation', 'ks'), column, {scale},
    if(d > 0.2, 'drift', 'ok'), d, d, 0.2, 0.01, 25000, {scale}, 300, 0.2,
    'plumbline.predictions', 0, number * {every}, number * {every} + {scale},
    number * {every}, number * {every} + {scale},
    fromUnixTimestamp64Micro(toInt64({start_us} + number * {every} * {step_us}), 'UTC') AS began,
    began + toIntervalMicrosecond({scale} * {step_us})
FROM (SELECT number, column,
        0.12 + 0.1 * sin(number / 300) + 0.02 * (sipHash64(number, column) % 100) / 100 AS d
    FROM numbers({looks}) ARRAY JOIN {columns} AS column)
"""
_COHORTS: Final = """
INSERT INTO cohorts (model, model_version, segment, cohort_start, cohort_end, predictions, labelled,
    metrics, lower, upper, estimated, baseline_loss, promised, observed, bin_counts, topic,
    partition)
WITH toDateTime64('2025-01-01 00:00:00', 6, 'UTC') + toIntervalDay(number) AS began
SELECT '{model}', if(toMonth(began) < 10, '2', '3'), segment, began, began + toIntervalDay(1),
    27000, 26500, map('log_loss', 0.5, 'auc', 0.7, 'calibration_bias', 0.01),
    map('log_loss', 0.48, 'auc', 0.69, 'calibration_bias', 0.),
    map('log_loss', 0.52, 'auc', 0.71, 'calibration_bias', 0.02), map('log_loss', 0.49), 0.55,
    arrayMap(i -> (i + 0.5) / 15, range(15)), arrayMap(i -> (i + 0.5) / 15, range(15)),
    arrayMap(i -> toUInt64(100), range(15)), 'plumbline.predictions', 0
FROM numbers(365) ARRAY JOIN ['', 'origin=EWR', 'origin=JFK', 'origin=LGA'] AS segment
"""
_PAINTED: Final = """
() => new Promise((done) => new PerformanceObserver((list) => {
    const [found] = list.getEntriesByName("first-contentful-paint");
    if (found) done(found.startTime);
}).observe({ type: "paint", buffered: true }))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One page."""

    page: str
    questions: int
    queries_ms: float
    """From the first question's start to the last answer; the median of all times."""
    fastest_ms: float
    """The same at the best of all times: what a machine with other work hides least."""
    engine_ms: float
    """Processor time of the engine for all of them: no other work on the machine changes it."""
    slowest_ms: float
    """The slowest single question, in the median."""
    slowest: str
    """Its name, the last time."""
    paint_ms: float

    @property
    def met(self) -> bool:
        """Whether both targets are."""
        return self.queries_ms < WANTED_QUERIES_MS and self.paint_ms < WANTED_PAINT_MS


def fill_summaries(store: ClickHouseStore, rows: int) -> None:
    """Panes, findings and cohorts of `rows` predictions."""
    rng = np.random.default_rng(1)
    sketches = [KllSummary(rng.normal(50, 20, PANE)).to_bytes() for _ in range(SKETCHES)]
    store.connection.command(
        "CREATE TABLE IF NOT EXISTS sketches (id UInt64, sketch String) ENGINE = MergeTree "
        "ORDER BY id"
    )
    store.connection.command("TRUNCATE TABLE sketches")
    table = {"id": pa.array(range(SKETCHES), pa.uint64()), "sketch": pa.array(sketches)}
    store.connection.insert("sketches", pa.table(table))
    columns = [*NUMBERS, *STRINGS, "score", "prediction"]
    values: dict[str, Any] = {
        "model": MODEL,
        "start_us": to_us(START),
        "step_us": step_us(rows),
        "panes": rows // PANE,
        "sketches": SKETCHES,
        "columns": columns,
        "strings": (*STRINGS, "prediction"),
    }
    store.connection.command(_PANES.format(**values))
    for scale in (1_000, 4_000, 16_000):
        looks = {"scale": scale, "every": scale // 4, "looks": 4 * rows // scale - 4}
        store.connection.command(_FINDINGS.format(**values, **looks))
    store.connection.command(_COHORTS.format(**values))
    for name in ("pane_summaries", "findings"):
        store.connection.command(f"OPTIMIZE TABLE {name}")


def asked_pages(site: Site, fingerprint: str, event_id: str) -> dict[str, Callable[[], object]]:
    """Path to what asks the questions of its page."""
    month, year = Asked(), Asked.model_validate({"range": "1y", "feature": "temp"})
    return {
        "/": lambda: site.overview(month),
        "/?range=1y": lambda: site.overview(year),
        f"/models/{MODEL}": lambda: site.model(MODEL, month),
        f"/models/{MODEL}?range=1y&feature=temp": lambda: site.model(MODEL, year),
        "/alerts": lambda: site.alerts(month),
        f"/alerts/{fingerprint}": lambda: site.alert(fingerprint),
        f"/predictions/{event_id}?model={MODEL}": lambda: site.prediction(event_id, MODEL),
    }


def processor_ms(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1_000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(
    ask: Callable[[], object], times: int, engine: int
) -> tuple[int, float, float, float, float, str]:
    """Questions; of all: median, best, the engine's processor time; of the slowest: median, name.

    Times are milliseconds; `engine` is the pid of the engine.
    """
    asked: list[tuple[float, float, str]] = []
    original = Reader.rows

    def rows(self: Reader, *arguments: Any, **named: Any) -> list[dict[str, Any]]:
        began = time.perf_counter()
        try:
            return original(self, *arguments, **named)
        finally:
            asked.append((began, time.perf_counter(), arguments[0].name))

    whole, slowest = [], []
    Reader.rows = rows  # type: ignore[method-assign] # every question, wherever it is asked
    try:
        ask()
        used = processor_ms(engine)
        for _ in range(times):
            asked.clear()
            ask()
            whole.append(1_000 * _covered_s(asked))
            slowest.append(1_000 * max(end - began for began, end, _ in asked))
    finally:
        Reader.rows = original  # type: ignore[method-assign]
    name = max(asked, key=lambda one: one[1] - one[0])[2]
    spent = (processor_ms(engine) - used) / times
    median, best = statistics.median(whole), min(whole)
    return len(asked), median, best, spent, statistics.median(slowest), name


def _covered_s(asked: list[tuple[float, float, str]]) -> float:
    """Seconds in which at least one question was under way."""
    covered, until = 0.0, 0.0
    for began, end, _ in sorted(asked):
        covered += max(0.0, end - max(began, until))
        until = max(until, end)
    return covered


def paints(settings: Settings, paths: list[str], times: int, folder: Path) -> dict[str, float]:
    """Milliseconds to the first paint of each page, in a browser that has its files."""
    file = folder / "pages.yaml"
    house = settings.clickhouse
    file.write_text(
        yaml.safe_dump(
            {
                "clickhouse": {
                    **house.model_dump(mode="json", exclude={"password", "reader_password"}),
                    "password": house.password.get_secret_value(),
                    "reader_password": house.reader_password.get_secret_value(),
                },
                "dashboard": {"requests_per_minute": 100_000},
            }
        )
    )
    command = [sys.executable, "-m", "monitor.cli", "--config", str(file), "dashboard"]
    server = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().decode().removeprefix("pages at ").strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page()
            found = {path: _paint(page, url + path, times) for path in paths}
            browser.close()
    finally:
        server.terminate()
        server.wait(30)
    return found


def _paint(page: Any, address: str, times: int) -> float:
    spent: list[float] = []
    for _ in range(times + 1):
        page.goto(address, wait_until="load")
        spent.append(page.evaluate(_PAINTED))
    return statistics.median(spent[1:])


def measure(house: ClickHouseSettings, rows: int, times: int, folder: Path) -> list[Row]:
    """Fill unless it is filled, then ask and look."""
    settings = Settings(clickhouse=house)
    with ClickHouseStore(house) as store:
        store.migrate()
        count = "SELECT count() AS n FROM predictions"
        if store.connection.query(count)[0]["n"] < rows:
            fill(store, rows)
            fill_summaries(store, rows)
        [alert] = store.connection.query("SELECT fingerprint FROM current_alerts LIMIT 1")
        event_id = event_id_of(store, rows // 3)
    site = Site(settings, SystemClock())
    pages = asked_pages(site, str(alert["fingerprint"]), event_id)
    engine = stack.status(folder).clickhouse_pid
    assert engine is not None
    queries = {path: timed(ask, times, engine) for path, ask in pages.items()}
    painted = paints(settings, list(pages), times, folder)
    return [Row(path, *queries[path], painted[path]) for path in pages]


def table(rows: list[Row]) -> str:
    """The figures as Markdown."""
    lines = [
        "| page | questions | queries, ms | at best | engine, ms | slowest, ms | paint, ms | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        name = row.page.partition("/alerts/")[0] or "/alerts/..." if "/alerts/" in row.page else ""
        name = name or ("/predictions/..." if "/predictions/" in row.page else row.page)
        lines.append(
            f"| `{name}` | {row.questions} | {row.queries_ms:.0f} | {row.fastest_ms:.0f} | "
            f"{row.engine_ms:.0f} | "
            f"{row.slowest_ms:.0f} "
            f"(`{row.slowest}`) | "
            f"{row.paint_ms:.0f} | {'met' if row.met else 'NOT met'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fill, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="Directory of a stack to fill once.")
    parser.add_argument("--report", type=Path, help="Markdown file to write.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        try:
            house = settings_of(stack.up(folder))
            rows = measure(house, options.rows, options.times, folder)
        finally:
            stack.down(folder)
    text = (
        f"# Pages in a big database\n\n`make bench-pages`: {options.rows:,} predictions with ten "
        f"features, medians of {options.times} times.\nTargets: a page's queries together under "
        f"{WANTED_QUERIES_MS:.0f} ms, first paint under {WANTED_PAINT_MS:.0f} ms.\n"
        f"Engine: its processor time, which other work on the machine does not change.\n\n"
        f"{table(rows)}\n"
        f"Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores meanwhile; "
        f"{commit_line()}; {machine_line()}; "
        f"{versions_line('chdb', 'clickhouse-connect', 'bokeh')}\n"
    )
    print(text)
    if options.report is not None:
        options.report.write_text(text, encoding="utf-8")
    sys.exit(int(not all(row.met for row in rows)))


if __name__ == "__main__":
    main()
