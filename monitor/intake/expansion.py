"""Compressed batches, expanded as far as is reasonable.

In: the compressed records of one batch. Out: their bytes, or None for a batch that expands past
`MOST_BYTES`: a megabyte of zstd can hold ten gigabytes of zeros. Never: more memory than that.
"""

import gzip
import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import lz4.frame
import zstandard
from kafka.codec import snappy_decode

MOST_BYTES: Final = 64 * 1024 * 1024
"""A batch of a producer has 1 MB as it is sent; text shrinks to a tenth, seldom to a fiftieth."""

USUAL_GROWTH: Final = 16
"""Batches of JSON grow to 5 to 10 times their size."""


def expanded(compressed: bytes, codec: int) -> bytes | None:
    """The records of a batch (`codec` as in its attributes); None where they are too many.

    >>> expanded(zstandard.ZstdCompressor().compress(b"records"), 4)
    b'records'
    >>> expanded(zstandard.ZstdCompressor().compress(bytes(MOST_BYTES + 1)), 4) is None
    True
    """
    records = _READERS[codec](compressed)
    return records if len(records) <= MOST_BYTES else None


def _gzip(compressed: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(compressed)) as reader:
        return reader.read(MOST_BYTES + 1)


def _snappy(compressed: bytes) -> bytes:
    # At most 21 times the size, so that a fetch bounds it.
    return bytes(snappy_decode(compressed))


def _lz4(compressed: bytes) -> bytes:
    # Room is made before it is known how much is needed: at first for what batches grow to.
    reader: Any = lz4.frame.LZ4FrameDecompressor()
    records = bytes(
        reader.decompress(compressed, max_length=min(USUAL_GROWTH * len(compressed), MOST_BYTES))
    )
    if not reader.eof and not reader.needs_input:
        records += reader.decompress(b"", max_length=MOST_BYTES + 1 - len(records))
    return records


def _zstd(compressed: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(
        io.BytesIO(compressed), read_across_frames=True
    ) as reader:
        return reader.read(MOST_BYTES + 1)


_READERS: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    0: lambda records: records,
    1: _gzip,
    2: _snappy,
    3: _lz4,
    4: _zstd,
}
