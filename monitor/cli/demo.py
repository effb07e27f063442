"""`plumbline demo`: ten months of real flights through the whole system, on this machine."""

import contextlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import pandas as pd
from rich.table import Table

from monitor.cli.console import Job, console, progress
from monitor.cli.demo_pages import keep_pages
from monitor.cli.stack import start, stop
from monitor.cli.verify import CANNOT
from monitor.config import Settings, TopicSettings, load_settings
from monitor.profiling.card import load_card
from monitor.storage import queries
from monitor.storage.connection import Connection
from producers import flights
from producers.delivery import connect
from producers.errors import ProducerError
from producers.replay import Progress, ReplayResult

CARD: Final = Path("models/flights.yaml")
DIRECTORY: Final = Path(".plumbline/demo")
BROKEN_RECORDS: Final = (
    b"",
    b"not json",
    b'{"model": "flight-delay"',
    b"[1, 2, 3]",
    b'{"schema_version": "9.0", "event_id": "x", "model": "flight-delay"}',
    b'{"event_id": "x", "model": "flight-delay", "model_version": "2013-01"}',
)
"""Sent among the flights to show what becomes of records that cannot be taken."""
DRAIN_TIMEOUT_S: Final = 200.0
PROGRESS_S: Final = 2.0
STOP_TIMEOUT_S: Final = 30.0
SEND_TIMEOUT_S: Final = 30.0
MONTHS: Final = tuple(f"2013-{month:02d}" for month in range(3, 13))


@dataclass(frozen=True, slots=True)
class Produced:
    """What the producer says it wrote."""

    predictions: int
    labels: int
    broken: int


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave everything up, with the web pages.")
def demo_command(keep: bool) -> None:
    """Stream the flights of 2013 through Kafka, the worker and ClickHouse; ends by itself.

    Trains a model of flight delays on January, registers it with February as its reference, and
    replays March to December at full speed. Its servers and data live in .plumbline/demo, which
    the next demo empties. Exit code 0 only if every record is accounted for and no alert's numbers
    are others than those that the stored rows give.
    """
    began_s = time.monotonic()
    if not CARD.exists():
        raise click.ClickException(
            f"{CARD} is not in this folder: run the demo in the folder of the project"
        )
    stop(DIRECTORY)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    _say(1, "Kafka and ClickHouse")
    file = start(DIRECTORY)
    try:
        _run(file)
    finally:
        if not keep:
            stop(DIRECTORY)
    click.echo(f"\ntook {time.monotonic() - began_s:.0f} s")
    if keep:
        pages = keep_pages(DIRECTORY, file)
        click.echo(f"\nthe web pages are up: {pages.url}/?range=1y")
        click.echo(f"to decide about alerts there, sign in with the token {pages.token}")
    _next_commands(file, keep)


def _run(file: Path) -> None:
    settings = load_settings(file)
    _say(2, "flights: features, weather, a model trained on January")
    try:
        table = flights.load_flights()
        model = flights.train(table)
    except ProducerError as error:
        raise click.ClickException(str(error)) from error
    events = flights.stream(table, model)
    reference = DIRECTORY / "reference.parquet"
    flights.reference(table, model).to_parquet(reference, index=False)
    click.echo(f"{len(table):,} flights, {len(events):,} of them from March to December")
    _say(3, "reference February: audit, profile, registration")
    _register(file, reference)
    reader = Connection(settings.clickhouse, reader=True)
    _say(4, "March to December through the producer, while a worker consumes")
    with _worker(file) as still_runs, progress("flights", len(events)) as job:
        produced = _stream(settings, reader, events, still_runs, job)
    _say(5, "what came of it")
    problems = _summary(reader, settings.kafka.topics, produced)
    if problems:
        raise click.ClickException("the counts do not reconcile: " + "; ".join(problems))
    _say(6, "every alert computed again from what is stored (plumbline verify --all)")
    _plumbline(file, "verify", "--all", passing=(0, CANNOT))


def _say(number: int, what: str) -> None:
    click.echo(f"\n[{number}/6] {what}")


def _register(file: Path, reference: Path) -> None:
    """What `plumbline profile` and `plumbline register` do, by the same commands."""
    card = DIRECTORY / "flights.yaml"
    shutil.copy(CARD, card)
    _plumbline(file, "profile", str(reference), "--card", str(card))
    _plumbline(file, "register", str(card))


def _plumbline(file: Path, *arguments: str, passing: tuple[int, ...] = (0,)) -> None:
    command = [sys.executable, "-m", "monitor.cli", "--config", str(file), *arguments]
    done = subprocess.run(command, check=False)
    if done.returncode not in passing:
        raise click.ClickException(f"plumbline {arguments[0]} failed")


@contextlib.contextmanager
def _worker(file: Path) -> Iterator[Callable[[], bool]]:
    """`plumbline run` beside this process; gives a question whether it still runs."""
    log = DIRECTORY / "worker.log"
    command = [sys.executable, "-m", "monitor.cli", "--config", str(file), "run"]
    with log.open("ab") as handle:
        worker = subprocess.Popen(command, stdout=handle, stderr=handle)
    try:
        yield lambda: worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        if worker.wait(STOP_TIMEOUT_S) != 0:
            raise click.ClickException(f"the worker ended with an error: see {log}")
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait(STOP_TIMEOUT_S)


def _stream(
    settings: Settings,
    reader: Connection,
    events: pd.DataFrame,
    still_runs: Callable[[], bool],
    job: Job,
) -> Produced:
    """Send everything and wait until the worker has it; no terminal: a line now and then."""
    topics = settings.kafka.topics
    sent: list[Progress] = []
    outcome: list[ReplayResult | Exception] = []

    def send() -> None:
        try:
            outcome.append(
                flights.send(
                    events,
                    load_card(DIRECTORY / "flights.yaml"),
                    settings.kafka.bootstrap_servers,
                    on_progress=sent.append,
                    predictions_topic=topics.predictions,
                    labels_topic=topics.labels,
                )
            )
        except (ProducerError, OSError) as error:
            outcome.append(error)

    _send_broken(settings)
    producer = threading.Thread(target=send, name="producer", daemon=True)
    producer.start()
    deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
    while True:
        if not still_runs():
            raise click.ClickException(f"the worker ended early: see {DIRECTORY / 'worker.log'}")
        if time.monotonic() > deadline_s:
            raise click.ClickException(f"not everything arrived in {DRAIN_TIMEOUT_S:.0f} s")
        now = queries.ask(reader, queries.PROGRESS)[0]
        taken = now["predictions"] + now["labels"] + now["rejected"]
        out = sent[-1].predictions + sent[-1].labels + len(BROKEN_RECORDS) if sent else 0
        told = (
            f"sent {out:>9,}   lag {max(0, out - taken):>7,}   events {now['predictions']:>9,}   "
            f"labels {now['labels']:>9,}   rejected {now['rejected']:>3}   "
            f"findings {now['findings']:>7,}   firing {now['firing']:>3}"
        )
        if job.shown:
            job.at(now["predictions"], " ".join(told.split()))
        else:
            click.echo(f"  {told}")
        if outcome and not producer.is_alive():
            [result] = outcome
            if isinstance(result, Exception):
                raise click.ClickException(f"the producer failed: {result}")
            if result.failed:
                raise click.ClickException(f"{result.failed} records were not taken by Kafka")
            if taken >= result.produced + len(BROKEN_RECORDS):
                return Produced(result.predictions, result.labels, len(BROKEN_RECORDS))
        producer.join(PROGRESS_S)
        if not producer.is_alive():
            time.sleep(PROGRESS_S)


def _send_broken(settings: Settings) -> None:
    delivery = connect(settings.kafka.bootstrap_servers, None)
    for value in BROKEN_RECORDS:
        delivery.send(settings.kafka.topics.predictions, flights.MODEL.encode(), value)
    delivery.close(SEND_TIMEOUT_S)


def _summary(reader: Connection, topics: TopicSettings, produced: Produced) -> list[str]:
    """Print what the database says; gives what does not reconcile with the producer."""
    rows = queries.ask(reader, queries.STORED_BY_TOPIC)
    found = {(row["topic"], row["source"]): int(row["records"]) for row in rows}
    table = Table(title="records", title_justify="left")
    for name in ("topic", "produced", "in ClickHouse", "rejected"):
        table.add_column(name, justify="left" if name == "topic" else "right")
    problems = []
    for topic, source, sent, broken in (
        (topics.predictions, "predictions", produced.predictions, produced.broken),
        (topics.labels, "labels", produced.labels, 0),
    ):
        stored, rejected = found.get((topic, source), 0), found.get((topic, "rejections"), 0)
        table.add_row(topic, f"{sent + broken:,}", f"{stored:,}", f"{rejected:,}")
        if (stored, rejected) != (sent, broken):
            problems.append(
                f"{topic}: {sent} good and {broken} broken records were sent, "
                f"{stored} are stored and {rejected} rejected"
            )
    screen = console()
    screen.print(table)
    reasons = queries.ask(reader, queries.REJECTIONS_BY_REASON)
    words = ", ".join(f"{row['records']} {row['reason']}" for row in reasons)
    click.echo(f"rejected on purpose ({produced.broken} broken records were sent): {words}\n")
    screen.print(_timeline(queries.ask(reader, queries.ALERTS_BY_MONTH)))
    measured = queries.ask(reader, queries.PERFORMANCE_BY_MONTH, {"model": flights.MODEL})
    screen.print(_performance(measured))
    screen.print(_incidents(queries.ask(reader, queries.INCIDENTS)))
    return problems


def _timeline(rows: list[dict[str, Any]]) -> Table:
    """Alerts by month: F fired, r resolved, a dot where the alert is on and nothing moves."""
    table = Table(
        title="alerts by month of event time (F fired, r resolved, . still on)",
        title_justify="left",
    )
    table.add_column("alert")
    # The last evening in New York is next year in UTC.
    columns = sorted({*MONTHS, *(row["month"] for row in rows)})
    for month in columns:
        table.add_column(month[5:], justify="center")
    alerts: dict[str, dict[str, tuple[int, int]]] = {}
    for row in rows:
        name = " ".join(part for part in (row["alertname"], row["feature"]) if part)
        moves = (int(row["fired"]), int(row["resolved"]))
        alerts.setdefault(name, {})[row["month"]] = moves
    for name, months in sorted(alerts.items(), key=lambda item: (min(item[1]), item[0])):
        table.add_row(name, *_marks([months.get(month, (0, 0)) for month in columns]))
    return table


def _incidents(rows: list[dict[str, Any]]) -> Table:
    """What called somebody: one line an incident, with what the alert nearest to the cause says."""
    table = Table(title=f"{len(rows)} incidents", title_justify="left")
    for name in ("from", "last move", "alerts", "the cause as far as it is known"):
        table.add_column(name)
    for row in rows:
        days = (f"{row[name]:%Y-%m-%d}" for name in ("opened_at", "last_at"))
        table.add_row(*days, ", ".join(row["names"]), row["words"])
    return table


def _performance(rows: list[dict[str, Any]]) -> Table:
    """What labels say of each month, beside the baseline and the estimates without labels."""
    table = Table(title="performance by month of event time", title_justify="left")
    columns = ("log_loss", "auc", "baseline", "estimated_log_loss", "estimated_auc")
    named = ("log loss", "AUC", "baseline's loss", "log loss, estimated", "AUC, estimated")
    for name in ("month", "labelled", "coverage", *named):
        table.add_column(name, justify="left" if name == "month" else "right")
    for row in rows:
        share = row["labelled"] / row["predictions"]
        told = [row[name] for name in columns]
        cells = ("" if one is None or one != one else f"{one:.4f}" for one in told)
        table.add_row(row["month"], f"{row['labelled']:,}", f"{share:.1%}", *cells)
    return table


def _marks(months: list[tuple[int, int]]) -> list[str]:
    """What each month shows, from how often the alert fired and was resolved in it.

    One alert fires and is resolved in turn, so the counts give the order.

    >>> _marks([(0, 0), (1, 0), (0, 0), (2, 3), (1, 1), (0, 0)])
    ['', 'F', '.', 'rFrFr', 'Fr', '']
    """
    marks = []
    on = False
    for fired, resolved in months:
        turn = "rF" if on else "Fr"
        marks.append((turn * (fired + resolved))[: fired + resolved] or ("." if on else ""))
        on ^= (fired + resolved) % 2 == 1
    return marks


def _next_commands(file: Path, keep: bool) -> None:
    command = f"plumbline --config {file}"
    if not keep:
        click.echo(
            "\nThe servers are stopped, the data is kept. To look around, start them again:\n"
            f"  plumbline stack up --directory {DIRECTORY}"
        )
    click.echo(
        "\nThen try (in the virtual environment: source .venv/bin/activate):\n"
        f"  {command} alerts tail --from-beginning --no-follow\n"
        f"  {command} doctor\n"
        f"  plumbline stack down --directory {DIRECTORY}      # when done"
    )
