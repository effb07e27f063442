"""What every record on a topic shares: its base class, its version, its bounded names.

In: nothing. Out: the pydantic base `Contract` and the constrained types that the records use.
Never: any network, any file, any knowledge of who sends or reads.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

SCHEMA_VERSION: Final = "1.0"
"""Version of every contract in this package, `major.minor`."""

SENT_AT_HEADER: Final = "plumbline-sent-at"
"""Kafka header of a replay: the simulated send time, microseconds since 1970 in ASCII digits."""

MAX_ID_CHARS: Final = 200
MAX_NAME_CHARS: Final = 128

ModelName = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=MAX_NAME_CHARS, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"
    ),
]
"""Name of a model: also the Kafka key of its events."""

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARS)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

Number = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite JSON number; the text "0.5" and true are none."""

EARLIEST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_TIME: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Event times lie in [EARLIEST_TIME, LATEST_TIME): outside is a mistake such as year 0001."""

TIME_PATTERN: Final = (
    r"^(19[7-9][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
)


class _Rfc3339:
    """Core schema of an event time: RFC 3339 text, never a bare number that has to be guessed."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del source, handler
        moment = core_schema.datetime_schema(
            tz_constraint="aware", ge=EARLIEST_TIME, lt=LATEST_TIME
        )
        text = core_schema.chain_schema([core_schema.str_schema(pattern=TIME_PATTERN), moment])
        strict = core_schema.datetime_schema(
            strict=True, tz_constraint="aware", ge=EARLIEST_TIME, lt=LATEST_TIME
        )
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([strict, text], mode="left_to_right"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        return {"type": "string", "format": "date-time", "pattern": TIME_PATTERN}


EventTime = Annotated[datetime, _Rfc3339]
"""A time with its UTC offset, 1970 to 2199."""


def supported_version(text: str) -> str:
    """Accept `1.x` for any minor `x`: a newer minor may only add fields.

    >>> supported_version("1.7")
    '1.7'
    >>> supported_version("2.0")
    Traceback (most recent call last):
    ...
    ValueError: schema_version '2.0' is not supported: this release reads 1.x
    """
    major = SCHEMA_VERSION.split(".", 1)[0]
    head, dot, tail = text.partition(".")
    if head != major or not dot or not (tail.isascii() and tail.isdigit()):
        raise ValueError(
            f"schema_version {text[:20]!r} is not supported: this release reads {major}.x"
        )
    return text


SchemaVersion = Annotated[
    str,
    StringConstraints(max_length=20),
    AfterValidator(supported_version),
    WithJsonSchema({"type": "string", "maxLength": 20, "pattern": r"^1\.[0-9]+$"}),
]


class Contract(BaseModel):
    """Base of every record: frozen, deaf to unknown fields so that a newer minor is readable."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    def to_json(self) -> bytes:
        """The record as UTF-8 JSON, absent optional fields left out."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON Schema (2020-12) of the record as it stands on the wire."""
        schema = cls.model_json_schema(mode="validation")
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
