"""The tree of errors that Plumbline raises.

    PlumblineError                  everything below
    ├── ConfigError                 a setting, a card or a command line is wrong: fix it
    ├── ContractError               a record breaks its contract
    ├── ProfileError                a reference profile is missing, unreadable or of another format
    ├── StateError                  saved state cannot be used
    ├── StorageError                ClickHouse refused or could not be reached
    ├── BrokerError                 Kafka refused or could not be reached
    ├── FencedError                 another worker owns these partitions now
    ├── RoutingError                Alertmanager refused or could not be reached
    └── NotFoundError               what was asked for is not stored

Each says in `retryable` whether the same call may succeed later without anybody changing anything.
"""


class PlumblineError(Exception):
    """Base of every error of the project."""

    retryable: bool = False


class ConfigError(PlumblineError):
    """A setting, card or argument is wrong; the message shows the value and the fix."""


class ContractError(PlumblineError):
    """A record breaks its contract."""


class ProfileError(PlumblineError):
    """A reference profile is missing, unreadable or of another format version."""


class StateError(PlumblineError):
    """Saved state cannot be used; the message gives the way to rebuild it."""


class StorageError(PlumblineError):
    """ClickHouse refused (`retryable` False) or could not be reached (True).

    `code` and `name` are ClickHouse's own, 0 and "" where the server never answered.
    """

    def __init__(self, message: str, *, code: int = 0, name: str = "", retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.retryable = retryable


class BrokerError(PlumblineError):
    """Kafka refused or could not be reached."""

    retryable = True


class FencedError(PlumblineError):
    """Another worker owns these partitions now: drop what was not committed and join again."""

    retryable = True


class RoutingError(PlumblineError):
    """Alertmanager refused (`retryable` False) or could not be reached (True)."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class NotFoundError(PlumblineError):
    """What was asked for by its id is not stored; the message says where else it may be."""
