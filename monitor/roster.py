"""The model versions that this worker watches: their cards, references, streams and batteries.

In: cards as they come, profiles on a version's first event. Out: one `VersionMonitor` per active
version; after a restart from its next event on. Never: the network itself; profiles come through
a port that storage fills.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from monitor.asleep import MALFORMED, Asleep
from monitor.checks.stopped import least_minutes
from monitor.config import LimitSettings
from monitor.decisions import decisive
from monitor.errors import ConfigError, ProfileError, StorageError
from monitor.judging.policy import Policy
from monitor.sketches.profile import Profile
from monitor.version_monitor import Encoder, VersionMonitor, encode
from monitor.windows.duplicates import RecentIds
from schemas import ModelCard

VersionKey = tuple[str, str]
"""(model, model version)."""

UNTESTABLE = (ProfileError, ConfigError)
"""What `Roster.monitor` raises where a version's profile or its detectors cannot be used."""

ProfileLoader = Callable[[str], bytes | None]
"""Profile hash to its bytes; None where the store has none. Raises StorageError."""

log = logging.getLogger(__name__)


class Roster:
    """Cards by model version, and a monitor for each version that has sent events.

    Of a version that has sent events two cards may be known: the one that acts, and a newer one
    that waits until `turn`. Idle cards cost their own size; a profile is held only by a monitor.
    """

    def __init__(
        self,
        load_profile: ProfileLoader,
        duplicate_memory: int,
        encoder: Encoder = encode,
        *,
        most_cards: int = LimitSettings().models,
    ) -> None:
        self._load_profile = load_profile
        self._encoder = encoder
        self._duplicate_memory = duplicate_memory
        self._most_cards = most_cards
        self._cards: dict[VersionKey, ModelCard] = {}
        """The newest of each version."""
        self._acting: dict[VersionKey, ModelCard | None] = {}
        """Of the versions that have sent events: the card that acts, None where none does."""
        self._waiting: set[VersionKey] = set()
        """Those whose newest card does not act yet."""
        self._monitors: dict[VersionKey, VersionMonitor] = {}
        self._asleep: defaultdict[str, dict[str, Asleep]] = defaultdict(dict)
        """Of the versions without an event since the restart, by model and version."""
        self._recent: dict[str, RecentIds] = {}

    def has_room_for(self, card: ModelCard) -> bool:
        """Whether a card is within the limit: of a version that is known it always is."""
        known = (card.model, card.model_version) in self._cards
        return known or len(self._cards) < self._most_cards

    def put(self, card: ModelCard) -> bool:
        """Take a card for which there is room; True if it is another than the newest known."""
        key = (card.model, card.model_version)
        if self._cards.get(key) == card:
            return False
        self._cards[key] = card
        self._wait(key)
        return True

    def acting(self, model: str, version: str) -> ModelCard | None:
        """The card that acts for a version: the newest, for one that has sent no event yet."""
        key = (model, version)
        return self._acting[key] if key in self._acting else self._cards.get(key)

    def begun(self, model: str, version: str) -> bool:
        """Whether a version has sent events, so that a new card of it must wait."""
        return (model, version) in self._acting

    def begin(self, version: VersionKey) -> None:
        """A version has sent its first event: from here its card acts."""
        self._acting[version] = self._cards.get(version)

    def take_up(self, version: VersionKey, card: ModelCard | None) -> None:
        """After a restart: this card acted for a version."""
        self._acting[version] = card
        self._wait(version)

    def waiting(self) -> list[VersionKey]:
        """The versions whose newest card does not act yet."""
        return sorted(self._waiting)

    def turn(self, version: VersionKey) -> VersionMonitor | None:
        """Let the newest card of a version act; the monitor whose windows that ends, if any."""
        self._waiting.discard(version)
        card = self._acting[version] = self._cards[version]
        monitor = self._monitors.get(version)
        if monitor is None:
            return None
        if decisive(monitor.card) == decisive(card):
            monitor.card = card
            monitor.policy = Policy.of(card, min(monitor.battery.scales, default=0))
            return None
        return self._monitors.pop(version)

    def monitor(self, model: str, version: str) -> VersionMonitor | None:
        """The monitor of a version, made on its first event, or woken.

        None where there is no card, or the card names no profile. Raises ProfileError where the
        profile that the card names is missing or unreadable, ConfigError where its detectors cannot
        be made, StorageError where the profile cannot be asked for, one of MALFORMED where saved
        windows cannot be read.
        """
        key = (model, version)
        monitor = self._monitors.get(key)
        if monitor is None:
            card = self.acting(model, version)
            if card is None or card.profile_hash is None:
                return None
            raw = self._load_profile(card.profile_hash)
            if raw is None:
                raise ProfileError(
                    f"profile {card.profile_hash} of {model} {version} is not in ClickHouse: "
                    "register the version again with `plumbline register`"
                )
            monitor = VersionMonitor.build(card, Profile.from_bytes(raw), self._encoder)
            saved = self.asleep(model).get(version)
            if saved is not None:
                saved.resume(monitor)
                self._forget_asleep(key)
            self._monitors[key] = monitor
        return monitor

    def lay(self, version: VersionKey, saved: Asleep) -> None:
        """After a restart: let the saved windows of a version wait for its next event."""
        self._asleep[version[0]][version[1]] = saved

    def asleep(self, model: str) -> Mapping[str, Asleep]:
        """The saved windows of a model, by version, that nobody has needed yet."""
        return self._asleep.get(model, {})

    def all_asleep(self) -> list[VersionKey]:
        """The versions whose saved windows nobody has needed yet."""
        return [(model, name) for model, names in self._asleep.items() for name in names]

    def least_silence(self, version: VersionKey) -> float | None:
        """How many minutes no version like this is too silent; None of one that is not tested."""
        monitor = self._monitors.get(version)
        if monitor is not None:
            return monitor.silence.least_minutes
        card = self._acting.get(version) if version[1] in self.asleep(version[0]) else None
        return None if card is None else least_minutes(card.monitoring.stopped_after_minutes)

    def wake(self, version: VersionKey) -> bool:
        """Build the monitor of a version that is asleep; raises StorageError, and is then asleep.

        False where it cannot be had: the version starts anew, as if it had sent no event.
        """
        try:
            self.monitor(*version)
        except StorageError:
            raise
        except (*MALFORMED, *UNTESTABLE) as error:
            log.error("state of %s %s is unusable, it starts anew: %r", *version, error)
        except Exception:  # the outer guard of one version
            log.exception("state of %s %s is unusable, it starts anew", *version)
        if version not in self._monitors:
            self.never_seen(*version)
        return version in self._monitors

    def profile(self, model: str, version: str) -> Profile | None:
        """The profile of the card that acts for a version; None where there is none to be had.

        Raises StorageError where it cannot be asked for.
        """
        monitor = self._monitors.get((model, version))
        if monitor is not None:
            return monitor.profile
        card = self.acting(model, version)
        raw = self._load_profile(card.profile_hash) if card and card.profile_hash else None
        try:
            return None if raw is None else Profile.from_bytes(raw)
        except ProfileError:
            return None

    def renew(self, ended: VersionMonitor) -> VersionMonitor:
        """A version whose windows were dropped sends events again: it starts anew."""
        key = (ended.card.model, ended.card.model_version)
        monitor = VersionMonitor.build(ended.card, ended.profile, self._encoder)
        self._monitors[key] = monitor
        return monitor

    def policies(self, model: str) -> dict[str, Policy]:
        """What the acting cards of a model ask of the judge, by version."""
        found = {}
        for key, card in self._acting.items():
            if key[0] == model and card is not None:
                monitor = self._monitors.get(key)
                found[key[1]] = Policy.of(card, 0) if monitor is None else monitor.policy
        return found

    def recent(self, model: str) -> RecentIds:
        """The memory of a model's last event ids."""
        memory = self._recent.get(model)
        if memory is None:
            memory = self._recent[model] = RecentIds(self._duplicate_memory)
        return memory

    def awake(self) -> Mapping[VersionKey, VersionMonitor]:
        """The versions that are tested and have had an event since the restart."""
        return self._monitors

    def active(self) -> "Active":
        """The versions that are tested."""
        return Active(self)

    def cards(self) -> Mapping[VersionKey, ModelCard]:
        """All registered versions."""
        return self._cards

    def drop(self, model: str, version: str) -> None:
        """Let the windows of a version start anew at its next event."""
        self._monitors.pop((model, version), None)
        self._forget_asleep((model, version))

    def never_seen(self, model: str, version: str) -> None:
        """Treat the next event of a version as its first."""
        self.drop(model, version)
        self._acting.pop((model, version), None)
        self._waiting.discard((model, version))

    def drop_model(self, model: str) -> None:
        """Let everything of a model start anew at its next event."""
        self._recent.pop(model, None)
        for version in [version for name, version in self._acting if name == model]:
            self.never_seen(model, version)

    def forget(self) -> None:
        """Drop every stream, for a new beginning; the cards stay."""
        self._acting.clear()
        self._waiting.clear()
        self._monitors.clear()
        self._asleep.clear()
        self._recent.clear()

    def _forget_asleep(self, version: VersionKey) -> None:
        names = self._asleep.get(version[0], {})
        names.pop(version[1], None)
        if not names:
            self._asleep.pop(version[0], None)

    def _wait(self, version: VersionKey) -> None:
        newest = self._cards.get(version)
        waits = version in self._acting and newest not in (None, self._acting[version])
        (self._waiting.add if waits else self._waiting.discard)(version)


class Active(Mapping[VersionKey, VersionMonitor]):
    """The versions that are tested; to look at one that is asleep wakes it (see `Roster.monitor`).

    To ask which they are wakes nobody.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def __getitem__(self, version: VersionKey) -> VersionMonitor:
        monitor = self._roster.awake().get(version)
        if monitor is None and version[1] in self._roster.asleep(version[0]):
            monitor = self._roster.monitor(*version)
        if monitor is None:
            raise KeyError(version)
        return monitor

    def __contains__(self, version: object) -> bool:
        match version:
            case (str(model), str(name)):
                return version in self._roster.awake() or name in self._roster.asleep(model)
        return False

    def __iter__(self) -> Iterator[VersionKey]:
        yield from self._roster.awake()
        yield from self._roster.all_asleep()

    def __len__(self) -> int:
        return sum(1 for _ in self)
