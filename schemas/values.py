"""The value rules of a feature: one value against its spec, the same in service and monitor.

In: a `FeatureSpec` and one plain Python value as JSON gives it (None, bool, int, float, str).
Out: the `ValueFault` it has, or None. Never: a default filled in, a value changed, an exception
for any value. The monitor's columns (`monitor/validation/columns.py`) follow these rules and a
property test holds the two together.

The rules, first match wins:

| rule | number | boolean | category |
|---|---|---|---|
| `null` | None, unless nullable | same | same |
| `hidden_null` | equal to one of `hidden_nulls` (a bool never is) | same | same |
| `non_finite` | NaN, infinity, or an integer past float64 | same | NaN, infinity |
| `wrong_type` | a bool or a string | all but true, false, 0 and 1 | no string, no 64-bit integer |
| `out_of_range` | below `min` or above `max` | | |
| `oversize` | | | longer than `string_chars` |
| `unseen_category` | | | not in `categories`, where the spec has them |

`missing` is the caller's to see: nullable allows null, not absence.
"""

import hashlib
import math
from typing import Final

from schemas.model import FeatureSpec
from schemas.rejection import ValueFault

MAX_STRING_CHARS: Final = 512
"""Longest string of a feature, unless the monitor's settings say otherwise."""

USABLE_FAULTS: Final[frozenset[ValueFault]] = frozenset(
    {"out_of_range", "unseen_category", "known_later", "from_future"}
)
"""Faults that leave a value which can still be compared with the reference."""

ENTITY_FIELD: Final = "entity_id"
"""Under this name ids of persons are hashed, whatever the model: one person, one hash."""

_HASH_BYTES: Final = 16
_KEY_ID_BYTES: Final = 8
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1

NULL_WORDS: Final = frozenset(
    {"", "?", "-", "#n/a", "n/a", "na", "nan", "nil", "none", "null"}
    | {"missing", "undefined", "unknown"}
)
"""Texts that commonly stand for "no value", lower case and stripped."""


def value_fault(
    spec: FeatureSpec, value: object, *, string_chars: int = MAX_STRING_CHARS
) -> ValueFault | None:
    """The fault of one value, or None.

    >>> age = FeatureSpec(type="number", min=0, max=120, hidden_nulls=(-999, "NA"))
    >>> [value_fault(age, v) for v in (33, 130, -999.0, "NA", "33", True, None, float("nan"))]
    [None, 'out_of_range', 'hidden_null', 'hidden_null', 'wrong_type', 'wrong_type', 'null', \
'non_finite']
    >>> value_fault(FeatureSpec(type="category", categories=("AA", "UA")), "ZZ")
    'unseen_category'
    """
    if value is None:
        return None if spec.nullable else "null"
    if spec.hidden_nulls and _is_hidden_null(spec, value):
        return "hidden_null"
    if isinstance(value, float) and not math.isfinite(value):
        return "non_finite"
    if spec.type == "category":
        return _category_fault(spec, value, string_chars)
    if spec.type == "boolean":
        return _boolean_fault(value)
    return _number_fault(spec, value)


def as_float(value: int | float) -> float:
    """A number as float64; an integer past its range becomes an infinity.

    >>> as_float(-10**400)
    -inf
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def category_text(value: str | int) -> str:
    """A category as text: an integer code and its digits are the same category.

    >>> category_text(17), category_text("17")
    ('17', '17')
    """
    return value if isinstance(value, str) else str(value)


def class_text(value: bool | int | float | str) -> str:
    """A predicted or observed class as text: true, 1 and 1.0 are one class, as they are in Python.

    >>> [class_text(v) for v in (True, 1, 1.0, "1", False, 0.5, "late")]
    ['1', '1', '1', '1', '0', '0.5', 'late']
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(int(value)) if _INT64_MIN <= value <= _INT64_MAX else repr(as_float(value))


class HashKey:
    """Keyed hashes of values that must not be kept in clear (BLAKE2b, 32 hex digits).

    The name of the feature goes in: equal values of two features have different hashes. Numbers are
    hashed as their text, so that 1, 1.0 and "1" are one value.

    >>> key = HashKey("a long random text")
    >>> key.text("plan", "gold") == key.text("plan", "gold") != key.text("plan", "silver")
    True
    >>> key.text("zip", 10115) == key.text("zip", "10115") != key.text("area", "10115")
    True
    >>> key
    HashKey(id=e425848629c75ca2)
    """

    __slots__ = ("_key", "id")

    def __init__(self, secret: str) -> None:
        size = hashlib.blake2b.MAX_KEY_SIZE
        self._key = hashlib.blake2b(secret.encode(), digest_size=size).digest()
        self.id = self._digest("plumbline", "key id", _KEY_ID_BYTES)
        """Tells two keys apart and says nothing of either."""

    def text(self, name: str, value: bool | int | float | str) -> str:
        """The hash of one value of the feature `name`."""
        return self._digest(name, class_text(value), _HASH_BYTES)

    def _digest(self, name: str, text: str, size: int) -> str:
        content = f"{len(name)}:{name}{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(content, key=self._key, digest_size=size).hexdigest()

    def __repr__(self) -> str:
        return f"HashKey(id={self.id})"


def _is_hidden_null(spec: FeatureSpec, value: object) -> bool:
    if isinstance(value, str):
        return value in spec.hidden_nulls
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    number = as_float(value)
    return any(
        not isinstance(hidden, str) and as_float(hidden) == number for hidden in spec.hidden_nulls
    )


def _number_fault(spec: FeatureSpec, value: object) -> ValueFault | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "wrong_type"
    number = as_float(value)
    if math.isinf(number):
        return "non_finite"
    if (spec.min is not None and number < spec.min) or (spec.max is not None and number > spec.max):
        return "out_of_range"
    return None


def _boolean_fault(value: object) -> ValueFault | None:
    if not isinstance(value, int | float):
        return "wrong_type"
    number = as_float(value)
    if math.isinf(number):
        return "non_finite"
    return None if number in (0.0, 1.0) else "wrong_type"


def _category_fault(spec: FeatureSpec, value: object, string_chars: int) -> ValueFault | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return "wrong_type"
    if isinstance(value, int) and not _INT64_MIN <= value <= _INT64_MAX:
        return "wrong_type"
    text = category_text(value)
    if len(text) > string_chars:
        return "oversize"
    if spec.categories is not None and text not in spec.categories:
        return "unseen_category"
    return None
