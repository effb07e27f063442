"""Model cards and commands from their topics.

In: the value of a record of `plumbline.models` or `plumbline.commands`. Out: the card or command,
or every reason why it is none. Never: an exception for anything the value holds.
"""

from typing import TypeVar

from pydantic import ValidationError

from monitor.validation.reasons import Reasons, contract_reasons, reason
from schemas.command import Command
from schemas.contract import Contract
from schemas.model import ModelCard

_Record = TypeVar("_Record", bound=Contract)


def parse_card(value: bytes | None) -> ModelCard | Reasons:
    """The model card, or the reasons why there is none.

    >>> parse_card(b"{")
    (('not_json', '', 'EOF while parsing an object at line 1 column 1'),)
    """
    return _parse(ModelCard, value)


def parse_command(value: bytes | None) -> Command | Reasons:
    """The command, or the reasons why there is none.

    >>> parse_command(None)
    (('empty', '', 'the record has no value'),)
    """
    return _parse(Command, value)


def _parse(contract: type[_Record], value: bytes | None) -> _Record | Reasons:
    if not value:
        return (reason("empty", "", "the record has no value"),)
    try:
        return contract.model_validate_json(value)
    except ValidationError as error:
        return contract_reasons(error)
