"""Records as a log would give them, and a validator that knows the example card."""

from dataclasses import dataclass, field

from monitor.config import LimitSettings
from monitor.validation import Validator
from tests.contract.examples import CARD

PREDICTIONS = "plumbline.predictions"
LABELS = "plumbline.labels"
TOPICS = {"prediction": PREDICTIONS, "label": LABELS}


@dataclass(slots=True)
class LogRecord:
    """A `monitor.events.Record`."""

    value: bytes | None
    topic: str = PREDICTIONS
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_714_642_200_500
    key: bytes | None = b"churn"
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def validator() -> Validator:
    """A validator with the default limits and the example card."""
    validator = Validator(LimitSettings(), PREDICTIONS, LABELS)
    validator.set_card(CARD)
    return validator
