"""Plain values and arrays as bytes: MessagePack, with one extension for arrays.

In: dicts, lists, numbers, text, bytes and numpy arrays, or bytes from anywhere. Out: the other.
Never: an object built from what the bytes name; arrays are of a few known types.
"""

from typing import Any, Final

import msgpack
import numpy as np
from numpy.typing import NDArray

from monitor.errors import StateError

_ARRAY: Final = 1
_DTYPES: Final = frozenset({"<i8", "<f8", "<f4", "<u2", "<u8"})


def pack(value: Any) -> bytes:
    """Plain values and arrays as bytes; numpy scalars become plain ones.

    >>> unpack(pack({"n": np.int64(3), "codes": np.array([1, 2], np.uint16)}))["codes"].tolist()
    [1, 2]
    """
    packed: bytes = msgpack.packb(value, default=_pack_other, use_bin_type=True)
    return packed


def pack_array(array: NDArray[Any]) -> list[Any]:
    """An array as data: [dtype, shape, bytes], little-endian and C order."""
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return [little.dtype.str, list(little.shape), little.tobytes()]


def _pack_other(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return msgpack.ExtType(_ARRAY, msgpack.packb(pack_array(value)))
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"state cannot hold a {type(value).__name__}")


def unpack(raw: bytes) -> Any:
    """The values again; raises StateError for bytes that are anything else."""
    try:
        return msgpack.unpackb(raw, ext_hook=_unpack_array, strict_map_key=True, raw=False)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise StateError(
            f"a state record of {len(raw)} bytes is unreadable: {error}; delete it to start anew"
        ) from None


def _unpack_array(code: int, body: bytes) -> Any:
    dtype, shape, data = msgpack.unpackb(body, raw=False)
    if code != _ARRAY or dtype not in _DTYPES:
        raise ValueError(f"type {code} of {dtype!r} is not one of {sorted(_DTYPES)}")
    return np.frombuffer(data, dtype).reshape(shape).copy()
