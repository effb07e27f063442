"""Rejections as the contract's records, bounded whatever came in."""

import json

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import RejectedRecord
from monitor.publishing.rejection import rejection, rejection_records
from schemas.rejection import MAX_ORIGINAL_BYTES, Rejection


def refused(
    original: bytes, *, model: str | None = "flights", message: str = "no"
) -> RejectedRecord:
    return RejectedRecord(
        topic="plumbline.predictions",
        partition=3,
        offset=17,
        appended_us=1_362_114_000_000_000,
        model=model,
        reasons=(("not_json", "", message), ("missing_field", "event_id", "is missing")),
        original=original,
    )


def test_the_original_comes_back_byte_for_byte() -> None:
    original = bytes(range(256))
    back = Rejection.model_validate_json(rejection(refused(original)).to_json())
    assert (back.original, back.original_size_bytes, back.truncated) == (original, 256, False)
    assert [detail.reason for detail in back.reasons] == ["not_json", "missing_field"]
    assert back.rejected_at.isoformat() == "2013-03-01T05:00:00+00:00"


def test_the_key_names_the_refused_record() -> None:
    [record] = rejection_records([refused(b"{")], "plumbline.rejections")
    assert (record.topic, record.key) == ("plumbline.rejections", b"plumbline.predictions-3-17")


def test_a_large_original_is_cut_and_says_so() -> None:
    cut = rejection(refused(b"x" * 1_000_000))
    assert len(cut.original) == MAX_ORIGINAL_BYTES
    assert (cut.original_size_bytes, cut.truncated) == (1_000_000, True)


@given(st.binary(max_size=40_000), st.one_of(st.none(), st.text()), st.text(max_size=5_000))
def test_anything_fits_the_schema_and_a_kafka_record(
    original: bytes, model: str | None, message: str
) -> None:
    wire = rejection(refused(original, model=model, message=message)).to_json()
    jsonschema.Draft202012Validator(Rejection.json_schema()).validate(json.loads(wire))
    assert len(wire) < 200_000


def test_a_lone_surrogate_does_not_stop_the_record() -> None:
    wire = rejection(refused(b"", model="\ud800", message="bad \udfff")).to_json()
    assert json.loads(wire)["model"] == "\\ud800"
