"""Reads fetched bytes into records: kafka-python's own way, made fast and hard to stop.

In: one fetch of one partition (message format 2). Out: kafka-python's `ConsumerRecord`s, committed
ones only. Never: a record that a producer's odd bytes can turn into a partition that stands still.

It differs from kafka-python in four points:

- Compaction may empty a transaction marker's batch and keep the empty batch. kafka-python takes the
  marker's first record without looking whether there is one, and dies of StopIteration. Kafka's own
  client says of such a batch that it is no abort marker.
- A header name that is not UTF-8 makes kafka-python call the batch corrupt, for ever. Here the name
  shows the bytes as escapes. A header without a value has the value b"".
- Records are cut from the batch in one loop: half the time per record.
- A batch that expands past all reason stands as one record with the header `UNREAD_HEADER`, which
  validation rejects.
"""

from collections.abc import Iterator
from typing import Any

from kafka.consumer.fetcher import ConsumerRecord, Fetcher, IsolationLevel
from kafka.errors import CorruptRecordError

from monitor.events import UNREAD_HEADER
from monitor.intake.expansion import MOST_BYTES, expanded

MESSAGE_FORMAT = 2


class Records(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python is untyped
    """What a fetch brought of one partition."""

    def _contains_abort_marker(self, batch: Any) -> bool:
        if batch.is_control_batch and batch.records_count == 0:
            return False
        return bool(super()._contains_abort_marker(batch))

    def _unpack_records(
        self, tp: Any, records: Any, key_deserializer: None, value_deserializer: None
    ) -> Iterator[Any]:
        del key_deserializer, value_deserializer
        while (batch := records.next_batch()) is not None:
            if batch.magic != MESSAGE_FORMAT:
                raise CorruptRecordError(
                    f"{tp.topic}[{tp.partition}] holds message format {batch.magic}: only "
                    f"{MESSAGE_FORMAT} (Kafka 0.11 and newer) can be read"
                )
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(
                    f"{tp.topic}[{tp.partition}] at offset {batch.base_offset} fails its checksum"
                )
            self.leader_epoch = batch.leader_epoch
            if not self._skipped(batch):
                yield from self._cut(tp, batch)
            # Compaction may have removed the last records; the batch still counts them.
            self.next_fetch_offset = batch.next_offset
        self.drain()

    def _skipped(self, batch: Any) -> bool:
        """Whether the batch is a marker, or part of an aborted transaction."""
        if self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)

    def _cut(self, tp: Any, batch: Any) -> Iterator[Any]:
        found = expanded(bytes(batch._buffer[batch._pos :]), batch.compression_type)
        if found is None:
            yield _unread(tp, batch)
            return
        data, at = found, 0
        topic, partition, leader_epoch = tp.topic, tp.partition, batch.leader_epoch
        base_offset, kind = batch.base_offset, batch.timestamp_type
        appended = kind == batch.LOG_APPEND_TIME
        base_time = batch.max_timestamp if appended else batch.first_timestamp
        new = tuple.__new__
        try:
            for _ in range(batch.records_count):
                first = at
                size, at = _varint(data, at)
                end = at + size
                time_delta, at = _varint(data, at + 1)  # after a byte of unused attributes
                delta = data[at]
                at += 1
                if delta > 127:
                    delta, at = _unsigned(data, at - 1)
                offset = base_offset + ((delta >> 1) ^ -(delta & 1))
                key_size, at = _varint(data, at)
                key = None
                if key_size >= 0:
                    key = data[at : at + key_size]
                    at += key_size
                value_size, at = _varint(data, at)
                value = None
                if value_size >= 0:
                    value = data[at : at + value_size]
                    at += value_size
                headers: list[tuple[str, bytes]] = []
                headers_size = -1
                if data[at]:
                    headers, headers_size, at = _headers(data, at)
                else:
                    at += 1
                if at != end:
                    raise CorruptRecordError(
                        f"{topic}[{partition}] at offset {offset}: {at - first} bytes are not the "
                        f"{end - first} that the record claims"
                    )
                self.records_read += 1
                self.bytes_read += end - first
                self.next_fetch_offset = offset + 1
                time = base_time if appended else base_time + time_delta
                yield new(
                    ConsumerRecord,
                    (
                        topic,
                        partition,
                        leader_epoch,
                        offset,
                        time,
                        kind,
                        key,
                        value,
                        headers,
                        None,
                        key_size,
                        value_size,
                        headers_size,
                    ),
                )
        except IndexError:
            raise CorruptRecordError(
                f"{topic}[{partition}]: the batch at offset {base_offset} ends inside a record"
            ) from None


def _unread(tp: Any, batch: Any) -> Any:
    """Stands for the records of a batch that expands too far."""
    last = batch.next_offset - 1
    said = (
        f"the batch of {batch.records_count} records up to offset {last} expands to more than "
        f"{MOST_BYTES} bytes"
    ).encode()
    headers = [(UNREAD_HEADER, said)]
    return ConsumerRecord(
        tp.topic,
        tp.partition,
        batch.leader_epoch,
        batch.base_offset,
        batch.max_timestamp,
        batch.timestamp_type,
        None,
        None,
        headers,
        None,
        -1,
        -1,
        len(UNREAD_HEADER) + len(said),
    )


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    value, shift = byte & 127, 7
    while byte > 127:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
    return value, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint and where the next thing stands.

    >>> _varint(bytes([0x9A, 0x05]), 0), _varint(bytes([1]), 0)
    ((333, 2), (-1, 1))
    """
    value = data[at]
    if value > 127:
        second = data[at + 1]
        if second < 128:
            value = value & 127 | second << 7
            return (value >> 1) ^ -(value & 1), at + 2
        value, at = _unsigned(data, at)
        return (value >> 1) ^ -(value & 1), at
    return (value >> 1) ^ -(value & 1), at + 1


def _headers(data: bytes, at: int) -> tuple[list[tuple[str, bytes]], int, int]:
    """The headers, their size as kafka-python counts it, and where the next record stands."""
    count, at = _varint(data, at)
    if count < 0:
        raise CorruptRecordError(f"a record claims {count} headers")
    headers: list[tuple[str, bytes]] = []
    total = 0
    for _ in range(count):
        size, at = _varint(data, at)
        if size < 0 or at + size > len(data):
            raise CorruptRecordError(f"a header name claims {size} bytes")
        name = data[at : at + size].decode("utf-8", "backslashreplace")
        at += size
        total += size
        size, at = _varint(data, at)
        value = data[at : at + size] if size > 0 else b""
        at += max(size, 0)
        total += len(value)
        headers.append((name, value))
    return headers, total, at
