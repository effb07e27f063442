"""Every example comes out as its name says, from the validator and from the JSON Schemas."""

import json
from typing import Any, get_args

import jsonschema
import pytest

from monitor.storage.store import REFUSED
from monitor.validation import parse_card, parse_command
from schemas.generate import CONTRACTS, FOLDER
from schemas.model import ModelCard
from schemas.rejection import RejectionReason, ValueFault
from tests.contract.examples import CARD, Example, invalid_examples, valid_examples
from tests.contract.records import TOPICS, LogRecord, validator

EVENTS = ("prediction", "label")
INVALID = list(invalid_examples())
VALID = list(valid_examples())
NO_DOCUMENT = ("not_json", "too_deep", "empty", "oversize", "cloudevent")
"""Reasons that are about the bytes, before there is a document to hold against a schema."""
PAST_JSON_SCHEMA = (b"NaN", b"2024-02-30")
"""A literal that JSON proper does not have, and a day that a pattern cannot refuse."""


def _named(examples: list[Example]) -> list[Any]:
    return [pytest.param(example, id=example.name) for example in examples]


def _record(example: Example) -> LogRecord:
    return LogRecord(
        example.value,
        topic=TOPICS[example.contract],
        key=example.key,
        headers=list(example.headers),
    )


def _schema_errors(contract: str, document: Any) -> list[str]:
    schema = json.loads((FOLDER / f"{contract}.json").read_text(encoding="utf-8"))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
    return [error.message for error in validator.iter_errors(document)]


@pytest.mark.parametrize("example", _named([e for e in INVALID if e.reason]))
def test_a_structural_fault_is_a_rejection_with_its_reason(example: Example) -> None:
    validated = validator().validate([_record(example)])
    assert not validated.predictions
    assert not validated.labels
    (rejected,) = validated.rejected
    assert (example.reason, example.field) in [reason[:2] for reason in rejected.reasons]
    assert rejected.original == (example.value or b"")
    assert all(len(message) <= 300 for _, _, message in rejected.reasons)


@pytest.mark.parametrize("example", _named([e for e in INVALID if e.fault]))
def test_a_value_fault_is_recorded_and_the_event_kept(example: Example) -> None:
    validated = validator().validate([_record(example)])
    assert not validated.rejected
    (columns,) = validated.predictions
    assert [(fault.feature, fault.reason) for fault in columns.faults] == [
        (example.field, example.fault)
    ]


@pytest.mark.parametrize("example", _named([e for e in VALID if e.contract in EVENTS]))
def test_a_valid_event_has_neither(example: Example) -> None:
    validated = validator().validate([_record(example)])
    assert not validated.rejected
    assert len(validated.predictions) + len(validated.labels) == 1
    assert all(columns.faults == () for columns in validated.predictions)


@pytest.mark.parametrize("example", _named([e for e in VALID if not e.headers]))
def test_a_valid_example_passes_contract_and_json_schema(example: Example) -> None:
    assert example.value is not None
    CONTRACTS[example.contract].model_validate_json(example.value)
    assert _schema_errors(example.contract, json.loads(example.value)) == []


@pytest.mark.parametrize(
    "example",
    _named([e for e in INVALID if e.reason and e.reason not in NO_DOCUMENT and not e.headers]),
)
def test_a_rejected_document_fails_contract_and_json_schema(example: Example) -> None:
    assert example.value is not None
    with pytest.raises(ValueError, match="validation error"):
        CONTRACTS[example.contract].model_validate_json(example.value)
    if not any(part in example.value for part in PAST_JSON_SCHEMA):
        assert _schema_errors(example.contract, json.loads(example.value))


def test_every_reason_has_examples() -> None:
    predictions = {e.reason for e in INVALID if e.contract == "prediction"}
    labels = {e.reason for e in INVALID if e.contract == "label"}
    # What ClickHouse refuses depends on the server, not on the record alone.
    of_validation = set(get_args(RejectionReason)) - {REFUSED}
    assert of_validation == predictions - {None}
    assert of_validation == labels
    assert {e.fault for e in INVALID} - {None} == set(get_args(ValueFault))


def test_every_contract_has_a_valid_example() -> None:
    assert {example.contract for example in VALID} == set(CONTRACTS)


def test_cards_and_commands_are_parsed_from_their_topics() -> None:
    by_name = {example.name: example.value for example in VALID}
    assert parse_card(by_name["model.json"]) == CARD
    assert parse_command(by_name["command.json"])
    broken = parse_card(by_name["model.json"].replace(b'"binary"', b'"oracle"'))  # type: ignore[union-attr]  # it is there
    assert not isinstance(broken, ModelCard)
    assert [reason[:2] for reason in broken] == [("bad_value", "task")]
    assert parse_command(b"[]") == (("not_an_object", "", "the record must be a JSON object"),)
