"""The topics: made with the settings that the guarantees need, and checked against them.

In: settings. Out: what was created, or what is wrong and how to mend it. Never: a change to a topic
that exists.

- predictions, labels, commands and state have the same number of partitions, so that the range
  assignor gives one worker all of a model. models, alerts and alerts.state have one each: they are
  small, and a reader sees one order.
- Every topic takes the broker's append time as its timestamp: the same at every retry, and not in a
  producer's hand. The events' own times may be years old; they stand in the events.
- Nothing expires by default: an event that expires unread is lost. Whoever wants the disk back
  sets `retention.ms` on predictions, labels and rejections, longer than any outage of the workers;
  ClickHouse keeps what was read. `check_topics` accepts any retention.
- models, state and alerts.state are compacted: the last record of each key stays.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import (
    AuthorizationError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)

from monitor.broker import client_options
from monitor.config import KafkaSettings, Settings
from monitor.errors import BrokerError, ConfigError

TIMEOUT_MS = 15_000
CONNECT_TIMEOUT_MS = 5_000
SHARED = {"message.timestamp.type": "LogAppendTime"}
LOG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
COMPACTED = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.ms": "3600000",
}
HELD = ("cleanup.policy", "message.timestamp.type")
"""Settings that `check_topics` insists on."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic must be."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """One thing wrong with a topic, and the fix."""

    topic: str
    problem: str
    fix: str


def topic_specs(kafka: KafkaSettings) -> tuple[TopicSpec, ...]:
    """Every topic of Plumbline under these settings."""
    names = kafka.topics
    replicas = {"min.insync.replicas": "2" if kafka.replication_factor >= 3 else "1"}
    log = {**SHARED, **LOG, **replicas}
    compacted = {**SHARED, **COMPACTED, **replicas}
    return (
        TopicSpec(names.predictions, kafka.partitions, log),
        TopicSpec(names.labels, kafka.partitions, log),
        TopicSpec(names.commands, kafka.partitions, log),
        TopicSpec(names.rejections, kafka.partitions, log),
        TopicSpec(names.alerts, 1, log),
        TopicSpec(names.models, 1, compacted),
        TopicSpec(names.alerts_state, 1, compacted),
        TopicSpec(names.state, kafka.partitions, compacted),
    )


def ensure_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing and return their names; those that exist stay as they are.

    Raises BrokerError or ConfigError.
    """
    kafka = settings.kafka
    with admin_client(kafka, "creating topics") as admin:
        there = set(admin.list_topics())
        missing = [spec for spec in topic_specs(kafka) if spec.name not in there]
        if not missing:
            return []
        answer = admin.create_topics(
            {
                spec.name: {
                    "num_partitions": spec.partitions,
                    "replication_factor": kafka.replication_factor,
                    "configs": dict(spec.config),
                }
                for spec in missing
            },
            timeout_ms=TIMEOUT_MS,
            raise_errors=False,
        )
        for topic in answer["topics"]:
            error = for_code(topic["error_code"])
            if error not in (NoError, TopicAlreadyExistsError):  # another worker was faster
                raise error(f"{topic['name']}: {topic['error_message']}")
        admin.wait_for_topics([spec.name for spec in missing], timeout_ms=TIMEOUT_MS)
    return [spec.name for spec in missing]


def check_topics(settings: Settings) -> list[TopicProblem]:
    """Everything that is wrong with the topics; raises BrokerError when no broker answers."""
    with admin_client(settings.kafka, "looking at the topics") as admin:
        there = set(admin.list_topics())
        specs = topic_specs(settings.kafka)
        missing = [
            TopicProblem(spec.name, "does not exist", "run `plumbline doctor --fix`")
            for spec in specs
            if spec.name not in there
        ]
        present = [spec for spec in specs if spec.name in there]
        return missing + [
            problem
            for spec, partitions, config in _described(admin, present)
            for problem in _differences(spec, partitions, config)
        ]


def require_topics(settings: Settings) -> None:
    """Every topic is there, and those that share models have `kafka.partitions` partitions.

    Raises ConfigError where a model would be split between workers, BrokerError (which passes as
    soon as somebody has made it) where a topic is missing or no broker answers.
    """
    specs = topic_specs(settings.kafka)
    with admin_client(settings.kafka, "looking at the topics") as admin:
        there = set(admin.list_topics())
        present = [spec.name for spec in specs if spec.name in there]
        described = admin.describe_topics(present) if present else []
    counts = {topic["name"]: len(topic["partitions"]) for topic in described}
    split = [
        f"topic {spec.name} {problem.problem}: {problem.fix}"
        for spec in specs
        if spec.name in _shared(settings.kafka)
        for problem in _miscounted(spec, counts.get(spec.name, spec.partitions))
    ]
    if split:
        raise ConfigError("a model would be split between workers: " + "; ".join(split))
    missing = [spec.name for spec in specs if spec.name not in there]
    if missing:
        raise BrokerError(f"no topic {', '.join(missing)}: run `plumbline doctor --fix`")


def _shared(kafka: KafkaSettings) -> tuple[str, ...]:
    """The topics whose partition numbers mean the same models."""
    names = kafka.topics
    return names.predictions, names.labels, names.commands, names.state


def _described(
    admin: Any, specs: list[TopicSpec]
) -> Iterator[tuple[TopicSpec, int, dict[str, str]]]:
    if not specs:
        return
    topics = {topic["name"]: topic for topic in admin.describe_topics([s.name for s in specs])}
    resources = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    for spec in specs:
        values = {name: str(entry["value"]) for name, entry in configs[spec.name].items()}
        yield spec, len(topics[spec.name]["partitions"]), values


def _differences(
    spec: TopicSpec, partitions: int, config: Mapping[str, str]
) -> Iterator[TopicProblem]:
    yield from _miscounted(spec, partitions)
    for name in HELD:
        if config.get(name) != spec.config[name]:
            setting = f"{name}={spec.config[name]}"
            yield TopicProblem(
                spec.name,
                f"{name} is {config.get(name)}, not {spec.config[name]}",
                f"kafka-configs --alter --topic {spec.name} --add-config {setting}",
            )


def _miscounted(spec: TopicSpec, partitions: int) -> Iterator[TopicProblem]:
    if partitions == spec.partitions:
        return
    if spec.partitions == 1:
        fix = "make the topic anew with one partition"
    else:
        fix = (
            f"set kafka.partitions to {partitions} if predictions, labels, commands, state and "
            "rejections all have that many, else make the topic anew: adding partitions to a "
            "topic in use moves models away from their history"
        )
    yield TopicProblem(spec.name, f"has {partitions} partitions, not {spec.partitions}", fix)


@contextmanager
def admin_client(kafka: KafkaSettings, doing: str) -> Iterator[Any]:
    """kafka-python's admin client; its errors are BrokerError or ConfigError, which say `doing`."""
    where = f"{doing} at Kafka {kafka.bootstrap_servers}"
    try:
        admin = KafkaAdminClient(
            **client_options(kafka),
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            request_timeout_ms=TIMEOUT_MS,
        )
        try:
            yield admin
        finally:
            admin.close()
    except AuthorizationError as error:
        raise ConfigError(f"{where}: {error}; grant the account Create and Describe") from error
    except KafkaError as error:
        raise BrokerError(f"{where}: {error}") from error
