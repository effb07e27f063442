"""Errors as ClickHouse reports them: a code, a name, a message, and an HTTP status by kind."""

import re

BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
QUERY_IS_TOO_LARGE = 229
SESSION_NOT_FOUND = 372
SESSION_IS_LOCKED = 373
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
CANNOT_DECOMPRESS = 271
UNKNOWN_EXCEPTION = 1002

_TEXT = re.compile(r"Code: (\d+)\. (.*)", re.DOTALL)
_PREFIX = re.compile(r"^DB::\w+: (Code: \d+\. DB::\w+: )*")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*$")

_STATUS_OF_CODES = (
    (401, {194}),
    (403, {192, 193, ACCESS_DENIED, 512, AUTHENTICATION_FAILED}),
    (400, {6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321}),
    (400, {376, 427, 441, 675, 676}),
    (404, {46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511}),
    (413, {QUERY_IS_TOO_LARGE}),
    (501, {NOT_IMPLEMENTED}),
    (408, {159}),
    (503, {76, 209, 439}),
)


class EngineError(Exception):
    """What the client is told: ClickHouse's `code`, `name` and message."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.message = message

    @property
    def http_status(self) -> int:
        """The status that a ClickHouse server answers for this kind of error.

        >>> EngineError(60, "UNKNOWN_TABLE", "no such table").http_status
        404
        """
        return next((status for status, codes in _STATUS_OF_CODES if self.code in codes), 500)

    def body(self, version: str) -> bytes:
        """The text that a ClickHouse server sends.

        >>> EngineError(62, "SYNTAX_ERROR", "Syntax error").body("26.9")
        b'Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR) (version 26.9)\\n'
        """
        message = self.message.rstrip(".")
        text = f"Code: {self.code}. DB::Exception: {message}. ({self.name}) (version {version})\n"
        return text.encode("utf-8", "replace")


def from_engine(error: Exception) -> EngineError:
    """The error inside what chdb raised.

    >>> from_engine(RuntimeError("Code: 81. DB::Exception: No x. (UNKNOWN_DATABASE)")).code
    81
    """
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        text = error.object.decode("utf-8", "replace")
    found = _TEXT.search(text)
    if found is None:
        return EngineError(UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", text)
    message = found[2].strip()
    name = _NAME.search(message)
    if name is not None:
        message = message[: name.start()].rstrip()
    message = _PREFIX.sub("", message)
    return EngineError(int(found[1]), name[1] if name else "UNKNOWN_EXCEPTION", message)


def mid_stream(error: EngineError, version: str, tag: str) -> bytes:
    """The block that ends a body whose status was already sent as success."""
    message = error.body(version)
    return b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (
        tag.encode(),
        message,
        len(message),
        tag.encode(),
    )
