"""Alert moves, rejections, state and consumed offsets in one Kafka transaction.

In: outgoing records, offsets and the membership under which they were consumed. Out: all of it
committed exactly once, or an error that says what to do. Never: a commit under a membership read
at commit time (a removed member's would not be fenced).

An attempt whose end was not seen (the broker went away while it committed) is looked up before it
is repeated: every attempt writes its own mark beside the offsets, and a new producer first ends
the old one's transaction, so the group's committed mark says whether it took effect.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    FencedInstanceIdError,
    InvalidProducerEpochError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    TopicAuthorizationFailedError,
)

from monitor.broker import Membership, Partition, client_options
from monitor.config import KafkaSettings
from monitor.errors import BrokerError, ConfigError, FencedError
from monitor.publishing import transaction
from monitor.publishing.outgoing import Outgoing
from monitor.publishing.watchdog import watchdog

WATCHDOG_S = 60.0
LOOKUP_TIMEOUT_MS = 5_000
FENCED = (CommitFailedError, ProducerFencedError, InvalidProducerEpochError)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Attempt:
    records: tuple[Outgoing, ...]
    offsets: Mapping[Partition, int]
    group_id: str
    mark: str


class KafkaPublisher:
    """The transactional producer of one worker slot."""

    def __init__(self, kafka: KafkaSettings, slot: str) -> None:
        self._kafka = kafka
        self._transactional_id = f"plumbline-{kafka.group_id}-{slot}"
        self._producer: Any = None
        self._in_doubt: _Attempt | None = None

    def open(self) -> None:
        """Connect, end what a predecessor of this slot left open, and fence it.

        To be called before the source's first `poll`; `commit` calls it again after a failure.
        Raises BrokerError when the broker cannot be reached.
        """
        if self._producer is not None:
            return
        try:
            self._producer = transaction.open_producer(self._kafka, self._transactional_id)
        except KafkaError as error:
            raise self._translated(error, "opening the producer") from error

    def commit(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        membership: Membership,
    ) -> None:
        """See `Publisher.commit`."""
        if membership.generation < 0 or not membership.member_id:
            raise FencedError(
                f"generation {membership.generation} of group {membership.group_id!r} is no "
                "membership: it would not be fenced; join again"
            )
        if not offsets:
            raise ValueError(f"{len(records)} records without offsets: nothing would fence them")
        with watchdog(WATCHDOG_S, "a commit to Kafka"):
            self._commit(
                _Attempt(tuple(records), dict(offsets), membership.group_id, secrets.token_hex(8)),
                membership,
            )

    def close(self) -> None:
        """Let go of the producer; an open transaction is ended by the slot's next one."""
        if self._producer is not None:
            transaction.discard(self._producer)
            self._producer = None

    def _commit(self, attempt: _Attempt, membership: Membership) -> None:
        self.open()
        if self._in_doubt is not None and self._took_effect(self._in_doubt):
            done, self._in_doubt = self._in_doubt, None
            if (done.records, done.offsets) == (attempt.records, attempt.offsets):
                return
            raise FencedError(
                "the commit that failed took effect after all, and this is another one: "
                "join again and go on from the committed offsets"
            )
        self._in_doubt = attempt
        try:
            transaction.run(
                self._producer, attempt.records, attempt.offsets, membership, attempt.mark
            )
        except KafkaError as error:
            reason = transaction.cause(self._producer, error)
            self.close()
            failure = self._translated(reason, f"committing {len(attempt.records)} records")
            if isinstance(failure, FencedError):
                self._in_doubt = None  # the caller starts from the committed offsets
            raise failure from error
        except BaseException:
            self.close()
            raise
        self._in_doubt = None

    def _took_effect(self, attempt: _Attempt) -> bool:
        (topic, partition), _ = next(iter(attempt.offsets.items()))
        try:
            reader = KafkaConsumer(
                **client_options(self._kafka),
                group_id=attempt.group_id,
                enable_auto_commit=False,
                isolation_level="read_committed",
                bootstrap_timeout_ms=LOOKUP_TIMEOUT_MS,
            )
            try:
                committed = reader.committed(
                    TopicPartition(topic, partition), metadata=True, timeout_ms=LOOKUP_TIMEOUT_MS
                )
            finally:
                reader.close(autocommit=False, timeout_ms=LOOKUP_TIMEOUT_MS)
        except KafkaError as error:
            raise self._translated(error, "looking up the last commit") from error
        took_effect = committed is not None and committed.metadata == attempt.mark
        log.warning("the commit in doubt %s", "took effect" if took_effect else "was aborted")
        return took_effect

    def _translated(self, error: KafkaError, doing: str) -> BrokerError | FencedError | ConfigError:
        text = f"{doing} at Kafka {self._kafka.bootstrap_servers}: {error}"
        if isinstance(error, FencedInstanceIdError):
            taken = FencedError(f"{text}; another process took this slot: end one of the two")
            taken.retryable = False
            return taken
        if isinstance(error, FENCED):
            return FencedError(f"{text}; join again and go on from the committed offsets")
        if isinstance(error, MessageSizeTooLargeError):
            return _mendable(
                f"{text}; raise max.message.bytes of the topic (or message.max.bytes of the "
                "broker) to 1,048,576: no record of Plumbline is larger"
            )
        if isinstance(error, AuthorizationError | TopicAuthorizationFailedError):
            return _mendable(
                f"{text}; grant the account Write on the topics and on transactional id "
                f"{self._transactional_id!r}, and Read on the group"
            )
        return BrokerError(text)


def _mendable(text: str) -> ConfigError:
    """What a person mends at the broker: a worker that runs can wait for it."""
    error = ConfigError(text)
    error.retryable = True
    return error
