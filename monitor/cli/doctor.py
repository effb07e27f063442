"""`plumbline doctor`: is everything there that a worker needs?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from monitor.config import Settings

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
    """Check broker, topics, tables, model cards and clock; say what is wrong and how to mend it.

    Cards and clock are looked at once broker and tables are well.
    """
    settings = current_settings(ctx)
    if fix:
        _mend(settings)
    failed = 0
    broker, tables = _looked(_broker, settings), _looked(_tables, settings)
    checks = [*broker, *tables]
    if not any(check.problem for check in tables):
        if not any(check.problem for check in broker):
            checks += _looked(_cards, settings)
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

    for topic in ensure_topics(settings):
        click.echo(f"created topic {topic}")
    with ClickHouseStore(settings.clickhouse) as store:
        for migration in store.migrate():
            click.echo(f"applied migration {migration}")


def _broker(settings: "Settings") -> list[Check]:
    from monitor.intake.topics import check_topics

    servers = settings.kafka.bootstrap_servers
    problems = check_topics(settings)
    checks = [Check(f"Kafka answers at {servers}")]
    if not problems:
        return [*checks, Check("all topics are there, with the right settings")]
    return checks + [Check(f"topic {p.topic}", p.problem, p.fix) for p in problems]


def _tables(settings: "Settings") -> list[Check]:
    from monitor.storage.connection import Connection
    from monitor.storage.schema import schema_problems

    connection = Connection(settings.clickhouse)
    house = settings.clickhouse
    checks = [Check(f"ClickHouse {connection.ping()} answers at {house.host}:{house.port}")]
    problems = schema_problems(connection)
    if not problems:
        return [*checks, Check(f"database {house.database} has every table")]
    return checks + [Check("tables", problem, "plumbline doctor --fix") for problem in problems]


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
                if card.profile_hash is None:
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
