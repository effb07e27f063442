"""What every record on a topic shares: its base class, its version, its bounded names.

In: nothing. Out: the pydantic base `Contract` and the constrained types that the records use.
Never: any network, any file, any knowledge of who sends or reads.
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

SCHEMA_VERSION: Final = "1.0"
"""Version of every contract in this package, `major.minor`."""

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


SchemaVersion = Annotated[str, StringConstraints(max_length=20), AfterValidator(supported_version)]


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
