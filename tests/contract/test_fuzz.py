"""Nothing a record holds can stop validation, and every record is accounted for."""

from collections import Counter

from monitor.events import Validated
from tests.contract.fuzz import fuzz_records
from tests.contract.records import LABELS, PREDICTIONS, LogRecord, validator

RECORDS = 20_000
BATCH = 500


def _records(seed: int) -> list[LogRecord]:
    return [
        LogRecord(
            value,
            topic=LABELS if offset % 5 == 0 else PREDICTIONS,
            partition=offset % 3,
            offset=offset,
            key=key,
            headers=headers,
        )
        for offset, (key, value, headers) in enumerate(fuzz_records(seed, RECORDS))
    ]


def _offsets(validated: Validated) -> list[int]:
    return [
        *(int(offset) for columns in validated.predictions for offset in columns.offsets),
        *(int(offset) for columns in validated.labels for offset in columns.offsets),
        *(rejected.offset for rejected in validated.rejected),
    ]


def test_every_fuzzed_record_ends_in_exactly_one_place() -> None:
    records = _records(seed=1)
    checked = validator()
    seen: list[int] = []
    kinds: Counter[str] = Counter()
    for start in range(0, RECORDS, BATCH):
        validated = checked.validate(records[start : start + BATCH])
        seen += _offsets(validated)
        kinds.update(reason for r in validated.rejected for reason, _, _ in r.reasons)
        kinds.update(fault.reason for p in validated.predictions for fault in p.faults)
        kinds["kept"] += sum(len(columns) for columns in validated.predictions)
    assert sorted(seen) == list(range(RECORDS))
    # The fuzz would prove little if it never got past the parser.
    assert {"not_json", "too_deep", "bad_value", "missing_field", "cloudevent"} <= kinds.keys()
    assert {"non_finite", "wrong_type", "extra", "missing", "oversize"} <= kinds.keys()
    assert kinds["kept"] > RECORDS / 20


def test_the_same_seed_gives_the_same_records() -> None:
    assert list(fuzz_records(7, 200)) == list(fuzz_records(7, 200))
    assert list(fuzz_records(7, 200)) != list(fuzz_records(8, 200))
