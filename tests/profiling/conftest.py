"""The real flights' files and card, made once."""

from pathlib import Path

import pytest

from monitor.profiling.card import load_card
from producers.flights import FlightFiles, write_files
from schemas.model import ModelCard

CARD_FILE = Path(__file__).parents[2] / "models" / "flights.yaml"


@pytest.fixture(scope="session")
def flight_files(tmp_path_factory: pytest.TempPathFactory) -> FlightFiles:
    return write_files(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="session")
def flight_card() -> ModelCard:
    return load_card(CARD_FILE)
