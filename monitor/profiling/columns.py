"""One column of a data file: its kind, its values, its canonical content.

In: values as a reader found them. Out: `Column`s that know their nulls and their contribution to
the fingerprint. Never: a guess that depends on the file's format.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.events import Float64
from schemas.values import as_float

Kind = Literal["number", "boolean", "text", "time", "mixed", "empty"]
"""`mixed`: numbers, booleans and text side by side; `empty`: nothing but nulls."""

FINGERPRINT_VERSION: Final = "plumbline-dataset-1"
TIME_TYPE: Final = pa.timestamp("us", tz="UTC")
EXACT_INTEGER: Final = 2**53
"""Largest integer up to which a float64 tells all integers apart."""

_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:?\d{2})?"
)


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one column: an Arrow array, or a list where the kinds are mixed."""

    name: str
    kind: Kind
    values: Any
    """`pa.Array` of float64 or int64, bool, string, timestamp(us, UTC); a list if `mixed`."""
    naive: bool = False
    """Times had no UTC offset and were taken as UTC."""

    def __len__(self) -> int:
        return len(self.values)

    def part(self, start: int, stop: int) -> "Column":
        """The rows [start, stop)."""
        return Column(self.name, self.kind, self.values[start:stop], self.naive)

    def to_list(self, start: int = 0, stop: int | None = None) -> list[Any]:
        """Python values of the rows [start, stop), None where there is none."""
        part = self.values[start:stop]
        if self.kind == "mixed":
            return list(part)
        # numpy's own conversion: ten times the speed of Arrow's, value by value
        if self.kind == "time":
            naive = part.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False).astype(object)
            return [None if value is None else value.replace(tzinfo=UTC) for value in naive]
        if part.null_count and self.kind == "number":
            numbers = part.fill_null(0).to_numpy(zero_copy_only=False).astype(object)
            numbers[part.is_null().to_numpy(zero_copy_only=False)] = None
            return list(numbers)
        values: list[Any] = part.to_numpy(zero_copy_only=False).tolist()
        return values

    def null_count(self) -> int:
        """Rows without a value."""
        if self.kind == "mixed":
            return sum(value is None for value in self.values)
        return int(self.values.null_count)

    def counts(self) -> Counter[Any]:
        """How often each value occurs, nulls left out."""
        if self.kind == "mixed":
            return Counter(value for value in self.values if value is not None)
        table = pc.value_counts(self.values)
        pairs = zip(
            table.field("values").to_pylist(), table.field("counts").to_pylist(), strict=True
        )
        return Counter({value: count for value, count in pairs if value is not None})

    def floats(self) -> Float64:
        """Numbers and booleans as float64; NaN where there is no number."""
        if self.kind in ("number", "boolean"):
            numbers = self.values.cast(pa.float64(), safe=False)
            return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
        if self.kind == "mixed":
            is_number = [isinstance(v, int | float) for v in self.values]
            return np.array(
                [
                    as_float(v) if ok else np.nan
                    for v, ok in zip(self.values, is_number, strict=True)
                ]
            )
        return np.full(len(self), np.nan)


def number_column(name: str, values: Any) -> Column:
    """Numbers of any Arrow type; NaN is no value, for the events' JSON has no NaN either."""
    if pa.types.is_integer(values.type):
        try:
            return Column(name, "number", values.cast(pa.int64()))
        except pa.ArrowInvalid:
            pass  # unsigned and beyond int64: a float64 is the nearest that events can carry
    numbers = values.cast(pa.float64(), safe=False)
    missing = pc.is_nan(numbers)
    if pc.any(missing).as_py():
        numbers = pc.if_else(missing, pa.scalar(None, pa.float64()), numbers)
    return Column(name, "number", numbers)


def text_column(name: str, values: Any) -> Column:
    """Text kept exactly as it stands."""
    return Column(
        name, "empty" if values.null_count == len(values) else "text", values.cast(pa.string())
    )


def time_column(name: str, values: Any) -> Column:
    """Moments as UTC microseconds; times without an offset are taken as UTC."""
    naive = values.type.tz is None
    unit = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False)
    return Column(name, "time", unit.cast(TIME_TYPE), naive)


def inferred_column(name: str, text: Any) -> Column:
    """What the text of a column most simply is: number, boolean, time or text.

    `007` is text (a code, not the number 7).

    >>> inferred_column("x", pa.array(["1", "2.5", None])).kind
    'number'
    >>> inferred_column("zip", pa.array(["007", "12"])).kind
    'text'
    >>> inferred_column("late", pa.array(["true", "False"])).to_list()
    [True, False]
    """
    distinct = [value for value in pc.unique(text).to_pylist() if value is not None]
    if not distinct:
        return text_column(name, text)
    if all(parses_as_number(value) for value in distinct):
        return number_column(name, _numbers_from_text(text, distinct))
    if all(value.lower() in ("true", "false") for value in distinct):
        return Column(name, "boolean", _mapped(text, _boolean, pa.bool_()))
    if all(_TIME.fullmatch(value) for value in distinct):
        return _time_from_text(name, text) or text_column(name, text)
    return text_column(name, text)


def mixed_column(name: str, values: Sequence[Any]) -> Column:
    """Python values of several kinds, or of one: then the column of that kind."""
    kept = [None if isinstance(v, float) and np.isnan(v) else v for v in values]
    kinds = {type(value) for value in kept if value is not None}
    if not kinds:
        return text_column(name, pa.nulls(len(kept), pa.string()))
    if kinds == {bool}:
        return Column(name, "boolean", pa.array(kept, pa.bool_()))
    if kinds == {str}:
        return text_column(name, pa.array(kept, pa.string()))
    if kinds == {int} and all(v is None or -(2**63) <= v < 2**63 for v in kept):
        return number_column(name, pa.array(kept, pa.int64()))
    if kinds <= {int, float}:
        floats = [None if value is None else as_float(value) for value in kept]
        return number_column(name, pa.array(floats, pa.float64()))
    return Column(name, "mixed", kept)


def declared_number(name: str, text: Any) -> Column:
    """Text of a feature that should be a number: what does not parse stays text, to be judged."""
    column = inferred_column(name, text)
    if column.kind in ("number", "boolean", "empty"):
        return column
    parsed = {value: parsed_scalar(value) for value in pc.unique(text).to_pylist()}
    return mixed_column(name, [parsed[value] for value in text.to_pylist()])


def parses_as_number(text: str) -> bool:
    """Whether a text is a number as JSON or a spreadsheet writes it, or nan or inf."""
    return bool(_NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text))


def parsed_scalar(text: str | None) -> float | int | bool | str | None:
    """One text as the number or boolean that it is, else as itself.

    >>> [parsed_scalar(text) for text in ("12", "1.5", "True", "NA", "007")]
    [12, 1.5, True, 'NA', '007']
    """
    if text is None:
        return None
    if parses_as_number(text):
        try:
            return int(text)
        except ValueError:
            return float(text)
    return _boolean(text) if text.lower() in ("true", "false") else text


def fingerprint(columns: Mapping[str, Column], n_rows: int) -> str:
    """`sha256:` of the content: names, kinds and values, rows in order, columns by name.

    It does not depend on the format, the compression or the order of the columns: the same table
    as CSV, Parquet and NDJSON has one fingerprint, as long as the formats hold the same values
    (a float32 in Parquet is not the decimal that CSV writes for it).
    """
    digest = hashlib.sha256(f"{FINGERPRINT_VERSION}\n{n_rows}\n".encode())
    for name in sorted(columns):
        kind, content = _canonical(columns[name])
        digest.update(f"{len(name.encode())}:{name}:{kind}\n".encode())
        digest.update(hashlib.sha256(content).digest())
    return f"sha256:{digest.hexdigest()}"


def _canonical(column: Column) -> tuple[str, bytes]:
    """Kind and bytes of a column, the same for every way of writing the same values."""
    if column.kind == "text":
        read = inferred_column(column.name, column.values)
        return _canonical(read) if read.kind != "text" else ("text", _text_bytes(column.to_list()))
    if column.kind == "mixed":
        return "text", _text_bytes([_as_text(value) for value in column.values])
    if column.null_count() == len(column):
        return "empty", b""
    valid = np.asarray(pc.is_valid(column.values).to_numpy(zero_copy_only=False))
    nulls = np.packbits(valid).tobytes()
    if column.kind == "boolean":
        flags = pc.fill_null(column.values, False).to_numpy(zero_copy_only=False)
        return "boolean", nulls + np.packbits(flags).tobytes()
    if column.kind == "time":
        moments = pc.fill_null(column.values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        return "time", nulls + moments.astype("<i8").tobytes()
    filled = pc.fill_null(column.values, 0).to_numpy(zero_copy_only=False)
    if filled.dtype == np.int64 and np.abs(filled).max() > EXACT_INTEGER:
        return "integer", nulls + filled.astype("<i8").tobytes()
    return "number", nulls + (filled.astype("<f8") + 0.0).tobytes()  # + 0.0: -0.0 becomes 0.0


def _text_bytes(values: list[Any]) -> bytes:
    """Length before each text, so that no two columns share their bytes; -1 for null."""
    known: dict[Any, bytes] = {}
    for value in values:
        if value not in known:
            known[value] = _one_text(value)
    return b"".join([known[value] for value in values])


def _one_text(value: str | None) -> bytes:
    scalar = parsed_scalar(value)
    if scalar is None or scalar != scalar:  # null, or NaN, which is read as null
        return b"-1;"
    encoded = _as_text(scalar).encode()
    return b"%d;%b" % (len(encoded), encoded)


def _as_text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_INTEGER:
        return str(int(value))
    return repr(value)


def _boolean(text: str) -> bool:
    return text.lower() == "true"


def _numbers_from_text(text: Any, distinct: list[str]) -> Any:
    whole = all(value.lstrip("+-").isdigit() for value in distinct)
    if whole and all(abs(int(value)) < 2**63 for value in distinct):
        return _mapped(text, int, pa.int64())
    return _mapped(text, float, pa.float64())


def _mapped(text: Any, convert: Callable[[str], Any], kind: Any) -> Any:
    """Convert each distinct text once, then spread it over the rows."""
    encoded = pc.dictionary_encode(text)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    converted = pa.array([convert(value) for value in encoded.dictionary.to_pylist()], kind)
    return converted.take(encoded.indices)


def _time_from_text(name: str, text: Any) -> Column | None:
    for kind in (TIME_TYPE, pa.timestamp("us")):
        try:
            return time_column(name, text.cast(kind))
        except pa.ArrowInvalid:
            continue
    return None
