"""Why a record is refused: pydantic's and the parser's errors as rejection reasons.

In: an error. Out: `(reason, field, message)` triples, bounded in number and length whatever the
record held. Never: a value of a feature in a message.
"""

from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError

from schemas.prediction import MAX_FEATURES
from schemas.rejection import RejectionReason

Reason = tuple[RejectionReason, str, str]
Reasons = tuple[Reason, ...]

MAX_REASONS: Final = 20
_FIELD_CHARS: Final = 128
_MESSAGE_CHARS: Final = 300
_SHOWN_CHARS: Final = 40
_UNION_FIELDS: Final = frozenset({"prediction", "label", "schema_version"})
_SHOWN_FIELDS: Final = frozenset(
    {"schema_version", "event_id", "request_id", "model_version", "occurred_at", "observed_at"}
    | {"role", "status", "score", "latency_ms"}
)
_TIME_FIELDS: Final = frozenset({"occurred_at", "observed_at", "issued_at", "until"})


def reason(kind: RejectionReason, field: str, message: str) -> Reason:
    """One reason with its texts cut to their limits."""
    return kind, field[:_FIELD_CHARS], message[:_MESSAGE_CHARS]


def json_reason(message: str) -> Reason:
    """What the JSON parser said.

    >>> json_reason("recursion limit exceeded at line 1 column 202")[0]
    'too_deep'
    """
    if "recursion limit" in message:
        return reason("too_deep", "", f"the JSON is nested too deep: {message}")
    return reason("not_json", "", message)


def contract_reasons(error: ValidationError) -> Reasons:
    """Every fault of a record against its contract, one per field, at most `MAX_REASONS`."""
    by_field: dict[str, Reason] = {}
    for problem in error.errors(include_url=False, include_context=False):
        found = _reason_of(problem)
        known = by_field.get(found[1])
        # Members of a union each complain; "it is the wrong type" says least.
        if known is None or known[0] == "wrong_type":
            by_field[found[1]] = found
    reasons = list(by_field.values())
    if len(reasons) > MAX_REASONS:
        more = len(reasons) - MAX_REASONS + 1
        reasons[MAX_REASONS - 1 :] = [reason("bad_value", "", f"and {more} more faults")]
    return tuple(reasons)


def _reason_of(problem: Any) -> Reason:
    location = problem["loc"]
    shown = ""
    if len(location) == 1 and location[0] in _SHOWN_FIELDS and problem["type"] != "missing":
        shown = f", got {_shown(problem['input'])}"
    return _worded(problem["type"], location, problem["msg"], shown)


@lru_cache(maxsize=1_024)  # whoever sends what is refused sends it again and again
def _worded(kind: str, location: tuple[int | str, ...], message: str, shown: str) -> Reason:
    top = str(location[0]) if location else ""
    if top in _UNION_FIELDS:
        location = location[:1]
        if top == "schema_version":
            message = "must be a string that this release reads: 1.x"
        elif kind.endswith("_type"):
            message = "must be a bool, a number or a string"
    field = ".".join(str(part)[:_FIELD_CHARS] for part in location[:4])
    if kind == "json_invalid":
        return json_reason(message.removeprefix("Invalid JSON: "))
    if kind == "missing":
        return reason("missing_field", field, f"{field} is missing")
    if not location:
        return _whole_record(kind, message)
    if top in _TIME_FIELDS and kind == "string_pattern_mismatch":
        message = "must be an RFC 3339 time of 1970 to 2199 with its offset: 2013-03-01T05:00:00Z"
    text = f"{field}: {message}{shown}"
    if top == "schema_version":
        return reason("schema_version", field, text)
    if kind == "too_long" and field in ("features", "offline_features"):
        return reason("too_many_features", field, f"{field}: at most {MAX_FEATURES} are taken")
    return reason("wrong_type" if kind.endswith("_type") else "bad_value", field, text)


def _shown(value: object) -> str:
    """A scalar, cut; of anything else its type, for it may hold features.

    >>> _shown("0.5x"), _shown({"age": 40})
    ("'0.5x'", 'dict')
    """
    if isinstance(value, str | int | float) or value is None:
        return repr(str(value)[:_SHOWN_CHARS])
    return type(value).__name__


def _whole_record(kind: str, message: str) -> Reason:
    if kind.endswith("_type"):
        return reason("not_an_object", "", "the record must be a JSON object")
    return reason("bad_value", "", message)
