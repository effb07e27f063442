"""`plumbline doctor`: is everything there that a worker needs?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from monitor.config import Settings
    from schemas.model import ModelCard

CLOCK_TOLERANCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `problem` is empty where it is well."""

    name: str
    problem: str = ""
    fix: str = ""


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Create missing topics and tables.")
@click.pass_context
def doctor_command(ctx: click.Context, fix: bool) -> None:
    """Check broker, topics, tables, cards, workers and clock; say what is wrong and how to mend it.

    Cards, workers and clock are looked at once broker and tables are well.
    """
    settings = current_settings(ctx)
    if fix:
        _mend(settings)
    failed = 0
    broker, tables = _looked(_broker, settings), _looked(_tables, settings)
    checks = [*broker, *tables]
    if not any(check.problem for check in tables):
        if not any(check.problem for check in broker):
            checks += _looked(_cards, settings) + _looked(_group, settings)
        checks += _looked(_clock, settings)
    for check in checks:
        mark = "ok  " if not check.problem else "FAIL"
        click.echo(f"{mark}  {check.name}" + (f": {check.problem}" if check.problem else ""))
        if check.fix:
            click.echo(f"      fix: {check.fix}")
        failed += bool(check.problem)
    if failed:
        raise click.ClickException(f"{failed} of {len(checks)} checks failed")


def _looked(look: Callable[["Settings"], list[Check]], settings: "Settings") -> list[Check]:
    from monitor.errors import BrokerError, PlumblineError, StorageError

    try:
        return look(settings)
    except BrokerError as error:
        fix = "start the broker (`plumbline stack up`) or correct kafka.bootstrap_servers"
        return [Check("reaching Kafka", str(error), fix)]
    except StorageError as error:
        return [Check("reaching ClickHouse", str(error), _storage_fix(error.name))]
    except PlumblineError as error:
        return [Check(look.__name__.strip("_"), str(error))]


def _storage_fix(name: str) -> str:
    """What to do about an error of ClickHouse, empty `name`: it never answered."""
    if name == "AUTHENTICATION_FAILED":
        return "correct clickhouse.username or clickhouse.password"
    if not name:
        return "start it (`plumbline stack up`) or correct the address"
    return ""


def _mend(settings: "Settings") -> None:
    from monitor.intake.topics import ensure_topics
    from monitor.storage.clickhouse import ClickHouseStore
    from monitor.storage.retention import apply_retention

    for topic in ensure_topics(settings):
        click.echo(f"created topic {topic}")
    with ClickHouseStore(settings.clickhouse) as store:
        for migration in store.migrate():
            click.echo(f"applied migration {migration}")
        for change in apply_retention(store.connection, settings.retention.by_table()):
            click.echo(f"rows kept: {change}")


def _broker(settings: "Settings") -> list[Check]:
    """The road to each broker; then the topics, and what the account may do with them."""
    from monitor.clock import SystemClock
    from monitor.intake.access import check_access, check_rights, worker_rights
    from monitor.intake.topics import check_topics

    kafka = settings.kafka
    roads = [
        Check(road.name, road.problem, road.fix) for road in check_access(kafka, SystemClock())
    ]
    if all(road.problem for road in roads):
        return roads
    rights = [
        Check(right.name, right.problem, right.fix)
        for right in check_rights(kafka, worker_rights(kafka))
    ]
    problems = check_topics(settings)
    topics = [Check(f"topic {p.topic}", p.problem, p.fix) for p in problems]
    all_well = Check("all topics are there, with the right settings")
    return [*roads, *rights, *(topics or [all_well]), *_transactions(settings)]


def _transactions(settings: "Settings") -> list[Check]:
    """Whether the account may commit; under a slot of its own, so that no worker is fenced."""
    from monitor.errors import ConfigError
    from monitor.publishing.kafka import KafkaPublisher

    name = f"transactions as plumbline-{settings.kafka.group_id}-*"
    publisher = KafkaPublisher(settings.kafka, "doctor")
    try:
        publisher.open()
    except ConfigError as error:
        user = settings.kafka.sasl_username or "NAME"
        fix = (
            f"kafka-acls --add --allow-principal User:{user} --operation Write "
            f"--transactional-id plumbline-{settings.kafka.group_id}- "
            "--resource-pattern-type prefixed"
        )
        return [Check(name, str(error), fix)]
    finally:
        publisher.close()
    return [Check(name)]


def _tables(settings: "Settings") -> list[Check]:
    from monitor.clock import SystemClock
    from monitor.storage.access import check_road, missing_grants, reader_problems
    from monitor.storage.connection import Connection
    from monitor.storage.retention import retention_problems
    from monitor.storage.schema import schema_problems
    from monitor.tls import RoadError

    house = settings.clickhouse
    place = f"{house.host}:{house.port}"
    try:
        road = check_road(house, SystemClock())
    except RoadError as error:
        return [Check(f"ClickHouse at {place}", error.problem, error.fix)]
    connection = Connection(house)
    checks = [Check(f"ClickHouse {connection.ping()} answers at {place} ({road})")]
    problems = schema_problems(connection)
    if problems:
        return checks + [Check("tables", problem, "plumbline doctor --fix") for problem in problems]
    checks.append(Check(f"database {house.database} has every table"))
    checks += [Check("grants", problem, fix) for problem, fix in missing_grants(connection)]
    if house.reader_username:
        problems_of_reader = reader_problems(Connection(house, reader=True))
        checks += [Check("reader's grants", problem, fix) for problem, fix in problems_of_reader]
    checks += [
        Check("retention", problem, "plumbline doctor --fix")
        for problem in retention_problems(connection, settings.retention.by_table())
    ]
    return checks


def _cards(settings: "Settings") -> list[Check]:
    from monitor.intake.follower import CardFollower
    from monitor.storage.clickhouse import ClickHouseStore
    from monitor.validation.cards import parse_card

    follower = CardFollower(settings.kafka)
    checks = []
    try:
        with ClickHouseStore(settings.clickhouse) as store:
            for record in follower.read_all():
                if record.value is None:
                    continue
                card = parse_card(record.value)
                if isinstance(card, tuple):
                    place = f"{record.topic}[{record.partition}] offset {record.offset}"
                    problem = "; ".join(f"{field}: {text}" for _, field, text in card)
                    checks.append(Check(f"card at {place}", problem, "register the model again"))
                    continue
                name = f"card of {card.model} {card.model_version}"
                unmasked = _unmasked(card, settings)
                if unmasked:
                    checks.append(Check(name, unmasked, "give the key: no worker runs without it"))
                elif card.profile_hash is None:
                    fix = "plumbline profile, then plumbline register"
                    checks.append(Check(name, "it has no profile: stored, not tested", fix))
                elif store.load_profile(card.profile_hash) is None:
                    fix = "plumbline register with the profile's file"
                    checks.append(Check(name, f"{card.profile_hash} is not in ClickHouse", fix))
                else:
                    checks.append(Check(name))
    finally:
        follower.close()
    return checks or [Check("no model is registered yet")]


def _group(settings: "Settings") -> list[Check]:
    from monitor.cli.doctor_group import group_checks

    return group_checks(settings)


def _unmasked(card: "ModelCard", settings: "Settings") -> str:
    """Why the hashes of a card cannot be made, if they cannot."""
    from monitor.errors import ConfigError
    from monitor.validation.sensitivity import CardMasks

    try:
        CardMasks.of([card], settings.sensitivity.key())
    except ConfigError as error:
        return str(error)
    return ""


def _clock(settings: "Settings") -> list[Check]:
    from monitor.clock import SystemClock, to_us
    from monitor.storage.connection import Connection

    [row] = Connection(settings.clickhouse).query("SELECT now64(6, 'UTC') AS now")
    apart_s = abs(SystemClock().now_us() - to_us(row["now"])) / 1_000_000
    name = f"this clock and ClickHouse's are {apart_s:.1f} s apart"
    if apart_s <= CLOCK_TOLERANCE_S:
        return [Check(name)]
    problem = f"more than {CLOCK_TOLERANCE_S:.0f} s"
    return [Check(name, problem, "synchronise both machines by NTP")]
