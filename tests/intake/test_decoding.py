"""Fetched bytes: what kafka-python reads, and what it cannot."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.structs import TopicPartition

from monitor.config import LimitSettings
from monitor.intake.decoding import Records
from monitor.intake.expansion import MOST_BYTES
from monitor.validation import Validator

PARTITION = TopicPartition("plumbline.predictions", 3)
Row = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes]]]
CODECS = [0, 1, 2, 3, 4]  # none, gzip, snappy, lz4, zstd


def batch(rows: list[Row], *, base: int = 0, codec: int = 0) -> bytes:
    builder: Any = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 28,
    )
    for offset, timestamp, key, value, headers in rows:
        assert builder.append(offset, timestamp, key, value, headers) is not None
    raw = bytearray(builder.build())
    raw[0:8] = base.to_bytes(8, "big")  # the broker's base offset, outside the checksum
    return bytes(raw)


def read(reader: Any, raw: bytes, start: int = 0, **options: Any) -> tuple[list[Any], int]:
    part = reader(start, PARTITION, MemoryRecords(raw), **options)
    return part.take(), part.next_fetch_offset


rows = st.lists(
    st.tuples(
        st.integers(0, 2**45),
        st.none() | st.binary(max_size=300),
        st.none() | st.binary(max_size=20_000),
        st.lists(st.tuples(st.text(max_size=200), st.binary(max_size=200)), max_size=3),
    ),
    min_size=1,
    max_size=40,
)


@given(rows, st.integers(0, 2**50), st.sampled_from(CODECS), st.integers(0, 45))
def test_reads_what_kafka_python_reads(
    drawn: list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes]]]],
    base: int,
    codec: int,
    skip: int,
) -> None:
    raw = batch([(n, *row) for n, row in enumerate(drawn)], base=base, codec=codec)
    theirs, their_next = read(Fetcher.PartitionRecords, raw, base + skip)
    ours, our_next = read(Records, raw, base + skip)
    assert [record._replace(checksum=None) for record in theirs] == ours
    assert our_next == their_next == base + len(drawn)


def test_a_part_of_a_batch_leaves_the_place_to_go_on() -> None:
    raw = batch([(n, 0, b"k", b"v", []) for n in range(10)], base=100)
    part: Any = Records(100, PARTITION, MemoryRecords(raw))
    assert [record.offset for record in part.take(4)] == [100, 101, 102, 103]
    assert part.next_fetch_offset == 104
    assert [record.offset for record in part.take(100)] == [104, 105, 106, 107, 108, 109]
    assert part.records_read == 10


def test_a_header_name_that_is_not_utf8_does_not_stop_the_partition() -> None:
    raw = batch([(0, 0, b"k", b"v", [("abcd", b"x")]), (1, 0, None, b"next", [])])
    hostile = raw.replace(b"abcd", b"\xff\xfe\xc0d")
    with pytest.raises(CorruptRecordError):
        read(Fetcher.PartitionRecords, hostile, check_crcs=False)
    ours, _ = read(Records, hostile, check_crcs=False)
    assert [record.value for record in ours] == [b"v", b"next"]
    assert ours[0].headers == [("\\xff\\xfe\\xc0d", b"x")]


@given(st.data())
def test_damaged_bytes_are_a_kafka_error_and_nothing_else(data: st.DataObject) -> None:
    raw = bytearray(batch([(n, 0, b"key", b"value" * 9, [("h", b"1")]) for n in range(3)]))
    for _ in range(3):
        place = data.draw(st.integers(DefaultRecordBatch.HEADER_STRUCT.size, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
    with pytest.raises(CorruptRecordError):
        read(Records, bytes(raw[:-1] + bytes([raw[-1] ^ 1])))  # fails its checksum
    try:
        read(Records, bytes(raw), check_crcs=False)
    except CorruptRecordError:
        return


def test_a_marker_that_compaction_emptied_is_no_abort() -> None:
    control_and_transactional = 0x30
    raw = bytearray(DefaultRecordBatch.HEADER_STRUCT.size)
    DefaultRecordBatch.HEADER_STRUCT.pack_into(
        *(raw, 0, 7, len(raw) - 12, 0, 2, 0, control_and_transactional, 0, -1, -1, 5, 1, -1, 0)
    )
    options = {"check_crcs": False, "isolation_level": 1}
    with pytest.raises(RuntimeError, match="StopIteration"):
        read(Fetcher.PartitionRecords, bytes(raw), **options)
    assert read(Records, bytes(raw), **options) == ([], 8)


def test_an_old_message_format_is_named() -> None:
    part: Any = Records(0, PARTITION, MemoryRecords(b""))
    old = type("OldBatch", (), {"magic": 1})
    with pytest.raises(CorruptRecordError, match="holds message format 1: only 2"):
        next(part._unpack_records(PARTITION, iter_batches(old), None, None))


def iter_batches(*batches: Any) -> Any:
    left = [*batches]
    return type("Batches", (), {"next_batch": lambda self: left.pop(0) if left else None})()


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_batch_that_expands_past_all_reason_is_one_record_and_no_memory(codec: int) -> None:
    zeros = bytes(MOST_BYTES // 2)
    bomb = batch([(i, 0, None, zeros, []) for i in range(3)], base=7, codec=codec)
    assert codec == 2 or len(bomb) < MOST_BYTES // 100  # snappy cannot
    after = batch([(0, 0, b"k", b"{}", [])], base=10, codec=codec)
    tracemalloc.start()
    found, position = read(Records, bomb + after, 7)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codec == 2 or peak < 4 * MOST_BYTES
    assert [(record.offset, record.value) for record in found] == [(7, None), (10, b"{}")]
    assert position == 11
    [rejected] = (
        Validator(LimitSettings(), "plumbline.predictions", "labels").validate([found[0]]).rejected
    )
    assert rejected.reasons[0][0] == "oversize"
    assert "3 records up to offset 9" in rejected.reasons[0][2]
