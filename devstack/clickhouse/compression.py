"""HTTP bodies compressed and decompressed: zstd, lz4 frames, gzip, deflate.

In: the name of a content encoding. Out: whole bodies decompressed, answers compressed block by
block. A client may send several frames behind each other; all of them are read.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import lz4.frame
import zstandard

from devstack.clickhouse.errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, EngineError

OFFERED = ("lz4", "zstd", "gzip", "deflate")
ZSTD_LEVEL = 1
LARGEST_BODY_BYTES = 1 << 30


def decompress(body: bytes, encoding: str) -> bytes:
    """The body that was sent with `Content-Encoding: encoding`.

    >>> decompress(lz4.frame.compress(b"a") + lz4.frame.compress(b"b"), "lz4")
    b'ab'
    """
    try:
        if encoding in ("", "identity"):
            return body
        if encoding == "lz4":
            return _frames(body, lz4.frame.LZ4FrameDecompressor)
        if encoding == "zstd":
            return _frames(body, lambda: zstandard.ZstdDecompressor().decompressobj())
        if encoding in ("gzip", "deflate"):
            return _frames(body, lambda: zlib.decompressobj(zlib.MAX_WBITS | 32))
    except (RuntimeError, EOFError, zstandard.ZstdError, zlib.error) as error:
        raise EngineError(
            CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", f"the body is not {encoding}: {error}"
        ) from None
    raise EngineError(
        NOT_IMPLEMENTED,
        "NOT_IMPLEMENTED",
        f"Content-Encoding {encoding}: send one of {', '.join(OFFERED)}",
    )


def choose(accepted: str) -> str | None:
    """The first encoding of an Accept-Encoding header that is offered.

    >>> choose("br, zstd, gzip")
    'zstd'
    """
    wanted = [part.partition(";")[0].strip().lower() for part in accepted.split(",")]
    return next((encoding for encoding in wanted if encoding in OFFERED), None)


def compressed(blocks: Iterable[bytes], encoding: str | None) -> Iterator[bytes]:
    """The blocks compressed as one body."""
    if encoding is None:
        yield from blocks
        return
    if encoding == "lz4":
        lz4_frame = lz4.frame.LZ4FrameCompressor()
        yield lz4_frame.begin()
        for block in blocks:
            yield lz4_frame.compress(block)
        yield lz4_frame.flush()
        return
    window = zlib.MAX_WBITS | 16 if encoding == "gzip" else zlib.MAX_WBITS
    compressor: Any = (
        zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
        if encoding == "zstd"
        else zlib.compressobj(1, zlib.DEFLATED, window)
    )
    for block in blocks:
        yield compressor.compress(block)
    yield compressor.flush()


def _frames(body: bytes, decompressor: Any) -> bytes:
    parts = []
    while body:
        frame = decompressor()
        parts.append(frame.decompress(body))
        if not frame.eof:
            raise EOFError("it ends inside a frame")
        body = frame.unused_data or b""
    return b"".join(parts)
