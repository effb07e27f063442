"""A profile as bytes: MessagePack, arrays as (dtype, shape, bytes), one format number.

In: a profile, or bytes from anywhere. Out: bytes, or checked constructor arguments. Never: an
object built from what the bytes name; unknown keys, types and sizes are refused.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from monitor.errors import ProfileError
from monitor.packing import pack_array
from monitor.sketches.calibration import ARRAY_FIELDS, Calibration
from monitor.sketches.category import CategoryReference
from monitor.sketches.number import NumberReference
from monitor.sketches.seasonal import BUCKETS, Season, SeasonalReference

if TYPE_CHECKING:
    from monitor.sketches.profile import Profile

FORMAT = "plumbline.profile"
VERSION = 3
READABLE = (2, 3)
"""Version 2 lacks what was learnt of labels and of the score: it is read as empty."""
MAX_BYTES = 256 * 1024 * 1024
MAX_COLUMNS = 2_000
_DTYPES = ("<i8", "<f8", "<u2")
_SCALARS: dict[str, type] = {
    "model": str,
    "model_version": str,
    "n_rows": int,
    "started_us": int,
    "ended_us": int,
    "events_per_day": float,
    "time_ordered": bool,
    "longest_gap_us": int,
    "dataset_fingerprint": str,
}
_OWN_KEYS = {
    "number": ("points",),
    "seasonal": ("points", "season", "whole_events", "buckets"),
    "category": ("names",),
}
_KEYS = (
    "format",
    "version",
    *_SCALARS,
    "columns",
    "calibration",
    "hourly_counts",
    "checks",
)
_SINCE_3 = ("performance", "surrogate")


def unpack_array(packed: object, dtype: str, what: str) -> NDArray[Any]:
    """The array again; raises ProfileError unless dtype, shape and length agree."""
    if not (isinstance(packed, list) and len(packed) == 3):
        raise ProfileError(f"{what} is not an array of [dtype, shape, bytes]")
    found, shape, data = packed
    if found != dtype or found not in _DTYPES:
        raise ProfileError(f"{what} has dtype {found!r}, not {dtype!r}")
    if not (isinstance(shape, list) and all(type(k) is int and k >= 0 for k in shape)):
        raise ProfileError(f"{what} has no valid shape: {shape!r}")
    if not isinstance(data, bytes) or len(data) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise ProfileError(f"{what} does not hold the {math.prod(shape)} numbers of its shape")
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()


def pack_profile(profile: "Profile") -> bytes:
    """See `Profile.to_bytes`."""
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    document |= {name: getattr(profile, name) for name in _SCALARS}
    document["columns"] = [_pack_column(column) for column in profile.columns]
    calibration = profile.calibration
    document["calibration"] = {
        name: pack_array(getattr(calibration, name)) for name in ARRAY_FIELDS
    } | {
        "river_names": list(calibration.river_names),
        "time_ordered": calibration.time_ordered,
    }
    document["hourly_counts"] = pack_array(profile.hourly_counts)
    document["checks"] = {
        check: {name: pack_array(array) for name, array in sorted(arrays.items())}
        for check, arrays in sorted(profile.checks.items())
    }
    for name in _SINCE_3:
        arrays = getattr(profile, name)
        document[name] = {key: pack_array(array) for key, array in sorted(arrays.items())}
    packed: bytes = msgpack.packb(document, use_bin_type=True)
    return packed


def unpack_profile(data: bytes) -> dict[str, Any]:
    """Constructor arguments of the profile in `data`; raises ProfileError on anything hostile."""
    if len(data) > MAX_BYTES:
        raise ProfileError(f"profile of {len(data)} bytes: at most {MAX_BYTES} are read")
    try:
        document = msgpack.unpackb(data, raw=False, strict_map_key=True, use_list=True)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise ProfileError(f"profile is not readable MessagePack: {error}") from None
    _expect_version(document)
    later = _SINCE_3 if document["version"] >= 3 else ()
    _expect_keys(document, (*_KEYS, *later), "profile")
    values: dict[str, Any] = {}
    for name, kind in _SCALARS.items():
        if type(document[name]) is not kind:
            raise ProfileError(f"profile field {name} is not a {kind.__name__}")
        values[name] = document[name]
    columns = document["columns"]
    if not isinstance(columns, list) or len(columns) > MAX_COLUMNS:
        raise ProfileError(f"profile has no list of at most {MAX_COLUMNS} columns")
    values["columns"] = tuple(_unpack_column(column) for column in columns)
    values["calibration"] = _unpack_calibration(document["calibration"])
    values["hourly_counts"] = unpack_array(document["hourly_counts"], "<i8", "hourly_counts")
    values["checks"] = _unpack_checks(document["checks"])
    values |= {name: _unpack_arrays(document[name], name) for name in later}
    return values


def check_profile(profile: "Profile") -> None:
    """Raise ProfileError where the parts of a profile do not fit each other."""
    names = [column.name for column in profile.columns]
    if len(set(names)) != len(names):
        raise ProfileError(f"profile of {profile.model!r} names a column twice: {names}")
    if profile.calibration.design_effect.shape[0] != len(names):
        raise ProfileError(
            f"profile of {profile.model!r} has {len(names)} columns, its calibration "
            f"{profile.calibration.design_effect.shape[0]}"
        )
    if profile.hourly_counts.shape != (168,):
        raise ProfileError(f"hourly_counts has shape {profile.hourly_counts.shape}, not (168,)")
    if not (math.isfinite(profile.events_per_day) and profile.events_per_day > 0):
        raise ProfileError(f"events_per_day is {profile.events_per_day}: it must be above 0")


def _pack_column(column: NumberReference | CategoryReference) -> dict[str, Any]:
    common = {
        "name": column.name,
        "n_rows": column.n_rows,
        "missing_rate": column.missing_rate,
        "counts": pack_array(column.counts),
    }
    if isinstance(column, SeasonalReference):
        seasonal = {
            "season": column.season,
            "whole_events": column.whole_events,
            "buckets": [_pack_column(bucket) for bucket in column.buckets],
        }
        return {"kind": "seasonal", "points": pack_array(column.points)} | common | seasonal
    if isinstance(column, NumberReference):
        return {"kind": "number", "points": pack_array(column.points)} | common
    return {"kind": "category", "names": list(column.names)} | common


def _unpack_column(packed: object) -> NumberReference | CategoryReference:
    kind = packed.get("kind") if isinstance(packed, dict) else None
    own = _OWN_KEYS.get(kind) if isinstance(kind, str) else None
    if own is None:
        raise ProfileError(f"profile column has kind {kind!r}, not one of {', '.join(_OWN_KEYS)}")
    _expect_keys(packed, ("kind", "name", "n_rows", "missing_rate", "counts", *own), "column")
    assert isinstance(packed, dict)  # _expect_keys has seen to it
    name, n_rows, missing_rate = packed["name"], packed["n_rows"], packed["missing_rate"]
    if type(name) is not str or type(n_rows) is not int or type(missing_rate) is not float:
        raise ProfileError(f"profile column {name!r} has a name, n_rows or missing_rate amiss")
    counts = unpack_array(packed["counts"], "<i8", f"counts of {name!r}")
    if kind != "category":
        points = unpack_array(packed["points"], "<f8", f"points of {name!r}")
        if kind == "number":
            return NumberReference(name, points, counts, n_rows, missing_rate)
        return SeasonalReference(name, points, counts, n_rows, missing_rate, *_seasonal(packed))
    names = packed["names"]
    if not (isinstance(names, list) and all(type(value) is str for value in names)):
        raise ProfileError(f"profile column {name!r} has names that are not text")
    return CategoryReference(name, tuple(names), counts, n_rows, missing_rate)


def _seasonal(packed: dict[str, Any]) -> tuple[Season, tuple[NumberReference, ...], float]:
    """Season, buckets and events of a whole cycle."""
    season, buckets, whole = packed["season"], packed["buckets"], packed["whole_events"]
    if season not in BUCKETS or type(whole) is not float:
        raise ProfileError(f"profile column {packed['name']!r} has season {season!r} amiss")
    if not isinstance(buckets, list) or len(buckets) != BUCKETS[season]:
        raise ProfileError(f"profile column {packed['name']!r} has not one bucket a season")
    references = []
    for bucket in buckets:
        if not isinstance(bucket, dict) or bucket.get("kind") != "number":
            raise ProfileError(f"profile column {packed['name']!r} has a bucket that is no number")
        references.append(_unpack_column(bucket))
    return season, tuple(r for r in references if isinstance(r, NumberReference)), whole


def _unpack_calibration(packed: object) -> Calibration:
    _expect_keys(packed, (*ARRAY_FIELDS, "river_names", "time_ordered"), "calibration")
    assert isinstance(packed, dict)  # _expect_keys has seen to it
    integers = ("scales", "blocks", "river_alarms")
    arrays = {
        name: unpack_array(packed[name], "<i8" if name in integers else "<f8", name)
        for name in ARRAY_FIELDS
    }
    river_names, time_ordered = packed["river_names"], packed["time_ordered"]
    if not (isinstance(river_names, list) and all(type(name) is str for name in river_names)):
        raise ProfileError("calibration field river_names is not a list of text")
    if type(time_ordered) is not bool:
        raise ProfileError("calibration field time_ordered is not a bool")
    if arrays["design_effect"].ndim != 2 or arrays["sequential_effect"].ndim != 2:
        raise ProfileError("calibration fields by column must have two dimensions")
    construct: Callable[..., Calibration] = Calibration
    return construct(**arrays, river_names=tuple(river_names), time_ordered=time_ordered)


def _unpack_checks(packed: object) -> dict[str, dict[str, NDArray[Any]]]:
    if not isinstance(packed, dict):
        raise ProfileError("profile field checks is not a map of maps")
    return {str(check): _unpack_arrays(own, f"check {check!r}") for check, own in packed.items()}


def _unpack_arrays(packed: object, what: str) -> dict[str, NDArray[Any]]:
    if not isinstance(packed, dict):
        raise ProfileError(f"{what} of the profile is not a map of arrays")
    return {
        str(name): unpack_array(array, "<f8", f"{name!r} of {what}")
        for name, array in packed.items()
    }


def _expect_version(document: object) -> None:
    if not isinstance(document, dict):
        raise ProfileError(f"profile is a {type(document).__name__}, not a map")
    found, version = document.get("format"), document.get("version")
    if found != FORMAT or type(version) is not int or version not in READABLE:
        raise ProfileError(
            f"profile has format {found!r} version {version!r}, this release reads {FORMAT!r} "
            f"versions {READABLE[0]} to {READABLE[-1]}: run `plumbline profile` again"
        )


def _expect_keys(document: object, keys: tuple[str, ...], what: str) -> None:
    if not isinstance(document, dict):
        raise ProfileError(f"{what} is a {type(document).__name__}, not a map")
    if missing := [key for key in keys if key not in document]:
        raise ProfileError(f"{what} lacks {', '.join(missing)}")
    if unknown := [key for key in document if key not in keys]:
        raise ProfileError(f"{what} has unknown keys: {', '.join(map(repr, unknown[:5]))}")
