"""`plumbline drill`: would a fault in this model's traffic be caught?"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.fault_options import fault_option, seed_option
from monitor.cli.settings import current_settings
from producers.errors import ProducerError
from producers.faults.fault import Injection, Sent

if TYPE_CHECKING:
    from monitor.cli.faults import Verdict
    from monitor.config import Settings
    from monitor.events import Record
    from monitor.sketches.profile import Profile
    from schemas.model import ModelCard

EVENTS: Final = 16_000
LIVE: Final = "live"
SEND_TIMEOUT_S: Final = 60.0


@click.command("drill")
@fault_option
@click.option("--model", required=True, help="Registered model whose traffic is copied.")
@click.option("--model-version", help="Its version. Default: that of the newest event.")
@seed_option
@click.option(
    "--events",
    type=click.IntRange(min=1_500),
    default=EVENTS,
    show_default=True,
    help="Most events to copy: the newest ones. The last 6,000 or half of them come after the "
    "onset.",
)
@click.option(
    "--from",
    "source",
    default=LIVE,
    show_default=True,
    metavar="live|FILE",
    help="The predictions topic, or a data file (CSV, Parquet or NDJSON).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of words.")
@click.pass_context
def drill_command(
    ctx: click.Context,
    faults: tuple[str, ...],
    model: str,
    model_version: str | None,
    seed: int,
    events: int,
    source: str,
    as_json: bool,
) -> None:
    """Copy a model's traffic with a fault in it to a shadow topic, and see whether it is caught.

    The real pipeline reads the shadow topic and keeps what it finds in memory: no alert is
    published, no row is stored, and the topic is deleted. The same events without the fault are
    played beside it. Exit code 0: caught within 2,000 events of the onset; 1: missed.
    """
    if not faults:
        raise click.UsageError("name at least one --fault")
    settings = current_settings(ctx)
    from monitor.cli.console import progress

    try:
        with progress(f"drill of {model}"):
            verdict = _drill(settings, faults, model, model_version, seed, events, source)
    except ProducerError as error:
        raise click.ClickException(str(error)) from error
    _print(verdict, as_json)
    ctx.exit(0 if verdict.caught else 1)


def _drill(
    settings: "Settings",
    faults: Sequence[str],
    model: str,
    version: str | None,
    seed: int,
    most: int,
    source: str,
) -> "Verdict":
    from monitor.backtest.drill import MOST_EVENTS, course
    from monitor.backtest.shadow import Shadow
    from monitor.cli.faults import filled, injection_of, verdict_of

    cards = _cards(settings, model)
    copied = _live(settings, model, most) if source == LIVE else _file(source, cards, version, most)
    card = _card(cards, model, version or (copied[-1].event["model_version"] if copied else None))
    traffic = [s for s in copied if s.event["model_version"] == card.model_version]
    traffic = list(filled(traffic, card, faults, seed))
    after = min(MOST_EVENTS, len(traffic) // 2) + seed % card.monitoring.pane_events
    before, rest = traffic[:-after], traffic[-after:]
    injection = injection_of(faults, card, before, seed=seed)
    key = settings.sensitivity.key() if card.sensitive else None
    shadow = Shadow(card, _profile(settings, card), key)
    came = _through_topic(settings, model, injection, before, rest)
    shadow.play(came[0])
    twin = course(shadow, rest, least=len(rest))
    groups = iter(came[1])
    faulted = course(shadow, rest, lambda _: next(groups))
    return verdict_of(injection, card, rest, faulted, twin, onset=len(before))


def _through_topic(
    settings: "Settings",
    model: str,
    injection: Injection,
    before: list[Sent],
    rest: list[Sent],
) -> tuple[list[Sent], list[list[Sent]]]:
    """Write the faulty stream to a shadow topic and read it back: what came before, and instead."""
    from monitor.cli.faults import ready
    from monitor.intake.follower import TopicFollower
    from monitor.intake.shadow import shadow_topic

    take = ready(injection, before)
    groups = [take(sent) for sent in rest]
    with shadow_topic(settings.kafka) as topic:
        _send(settings, topic, model, [*before, *(one for group in groups for one in group)])
        follower = TopicFollower(settings.kafka, topic)
        try:
            came = iter([_sent(record) for record in follower.read_all()])
        finally:
            follower.close()
    return [next(came) for _ in before], [[next(came) for _ in group] for group in groups]


def _send(settings: "Settings", topic: str, model: str, events: Sequence[Sent]) -> None:
    import orjson

    from monitor.broker import client_options
    from producers.delivery import connect
    from producers.errors import DeliveryError
    from schemas.contract import SENT_AT_HEADER

    options = client_options(settings.kafka)
    delivery = connect(",".join(options.pop("bootstrap_servers")), options)
    for sent in events:
        headers = [(SENT_AT_HEADER, b"%d" % sent.sent_us)]
        delivery.send(topic, model.encode(), orjson.dumps(sent.event), headers)
        delivery.collect()
    delivery.close(SEND_TIMEOUT_S)
    if delivery.failed:
        raise DeliveryError(
            f"{delivery.failed} of {len(events)} events did not reach {topic}: "
            f"{delivery.last_error}"
        )


def _live(settings: "Settings", model: str, most: int) -> list[Sent]:
    """The newest predictions of a model; records that are none are left out."""
    from monitor.intake.shadow import last_records

    name = model.encode()

    def of_model(record: "Record") -> bool:
        return record.key == name or (record.key is None and name in (record.value or b""))

    topic = settings.kafka.topics.predictions
    records = last_records(settings.kafka, topic, of_model, most)
    return [sent for record in records for sent in _readable(record, model)]


def _readable(record: "Record", model: str) -> Iterator[Sent]:
    import orjson

    from schemas import PredictionEvent

    try:
        sent = _sent(record)
        PredictionEvent.model_validate_json(orjson.dumps(sent.event))
    except ValueError:
        return
    if sent.event["model"] == model:
        yield sent


def _sent(record: "Record") -> Sent:
    """A record as a sent event, whatever its envelope; ValueError where it is none."""
    import orjson

    from schemas.cloudevents import PREDICTION_FIELDS, cloudevent_mode, payload_of
    from schemas.contract import SENT_AT_HEADER

    headers = list(record.headers)
    mode = cloudevent_mode(headers)
    value = record.value or b""
    event: Any = (
        orjson.loads(value) if mode is None else payload_of(value, headers, mode, PREDICTION_FIELDS)
    )
    if not isinstance(event, dict):
        raise ValueError("an event is a JSON object")
    at = dict(headers).get(SENT_AT_HEADER, b"")
    return Sent(event, int(at) if at.isdigit() else record.timestamp * 1_000)


def _file(source: str, cards: Sequence["ModelCard"], version: str | None, most: int) -> list[Sent]:
    from monitor.cli.faults import sent_events
    from monitor.profiling.dataset import read_dataset

    card = next((c for c in reversed(cards) if version in (None, c.model_version)), None)
    dataset = read_dataset(Path(source), card)
    if card is None:
        return []
    first = max(dataset.n_rows - most, 0)
    return list(sent_events(dataset.rows(first, dataset.n_rows), card))


def _cards(settings: "Settings", model: str) -> list["ModelCard"]:
    """The cards of a model, in the order of their registration."""
    from monitor.intake.follower import CardFollower
    from monitor.validation.cards import parse_card

    follower = CardFollower(settings.kafka)
    try:
        found = [parse_card(record.value) for record in follower.read_all() if record.value]
    finally:
        follower.close()
    return [card for card in found if not isinstance(card, tuple) and card.model == model]


def _card(cards: Sequence["ModelCard"], model: str, version: str | None) -> "ModelCard":
    from monitor.errors import ConfigError

    for card in reversed(cards):
        if version is None or card.model_version == version:
            return card
    known = ", ".join(dict.fromkeys(card.model_version for card in cards)) or "none"
    raise ConfigError(
        f"{model} {version or ''} has no card (registered versions: {known}): run "
        "`plumbline register`"
    )


def _profile(settings: "Settings", card: "ModelCard") -> "Profile":
    from monitor.errors import ConfigError
    from monitor.sketches.profile import Profile
    from monitor.storage.clickhouse import ClickHouseStore

    raw = None
    if card.profile_hash is not None:
        with ClickHouseStore(settings.clickhouse) as store:
            raw = store.load_profile(card.profile_hash)
    if raw is None:
        raise ConfigError(
            f"{card.model} {card.model_version} has no profile in ClickHouse: a drill needs what "
            "the stream is compared with; run `plumbline register`"
        )
    return Profile.from_bytes(raw)


def _print(verdict: "Verdict", as_json: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps(verdict.to_json(), ensure_ascii=False, indent=2))
        return
    from rich.text import Text

    from monitor.cli.console import console

    screen = console()
    for words, style in verdict.lines():
        screen.print(Text(words, style=style))
