"""The files of `schemas/examples/` as records, with what must become of them.

A file is named `<contract>.<reason>[.<field>][@<note>].<json|bin>` (invalid), with `fault.<fault>`
for the reason of a value fault; `<same name>.headers` beside it holds the Kafka headers.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from schemas.model import ModelCard

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "schemas" / "examples"
CARD = ModelCard.model_validate(
    yaml.safe_load((ROOT / "models" / "example.yaml").read_text(encoding="utf-8"))
)
RECORD_BYTES = 1_000_000
"""The default limit, which the generated oversize example passes by one byte."""


@dataclass(frozen=True, slots=True)
class Example:
    """One record; `reason` is its rejection, `fault` its value fault, both None where valid."""

    name: str
    contract: str
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    reason: str | None = None
    fault: str | None = None
    field: str = ""

    @property
    def key(self) -> bytes:
        return CARD.model.encode()


def valid_examples(*contracts: str) -> Iterator[Example]:
    """The valid examples, of the named contracts only where some are named."""
    for path in _files("valid"):
        contract = path.name.partition(".")[0]
        if not contracts or contract in contracts:
            yield Example(path.name, contract, path.read_bytes(), _headers(path))


def invalid_examples() -> Iterator[Example]:
    """Every invalid prediction and label: the files, and what is too large for a file."""
    for path in _files("invalid"):
        contract, *rest = path.name.rpartition(".")[0].partition("@")[0].split(".")
        fault = rest.pop(1) if rest[0] == "fault" else None
        reason = None if fault else rest[0]
        field = ".".join(rest[1:])
        value, headers = path.read_bytes(), _headers(path)
        yield Example(path.name, contract, value, headers, reason, fault, field)
    padding = b" " * (RECORD_BYTES - 1)
    for contract in ("prediction", "label"):
        yield Example(f"{contract}.oversize", contract, b"{" + padding + b"}", reason="oversize")
        yield Example(f"{contract}.empty@tombstone", contract, None, reason="empty")


def _files(folder: str) -> list[Path]:
    paths = sorted((FOLDER / folder).iterdir())
    return [path for path in paths if path.suffix != ".headers"]


def _headers(path: Path) -> tuple[tuple[str, bytes], ...]:
    beside = path.with_suffix(".headers")
    if not beside.exists():
        return ()
    headers: dict[str, str] = json.loads(beside.read_text(encoding="utf-8"))
    return tuple((name, value.encode()) for name, value in headers.items())
