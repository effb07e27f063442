"""The secured broker, started once for these tests."""

from collections.abc import Iterator

import pytest

from devstack import processes
from tests.security.broker import Broker, start


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with SASL, TLS and ACLs."""
    broker, process = start(tmp_path_factory.mktemp("secured"))
    try:
        yield broker
    finally:
        processes.end(process)
