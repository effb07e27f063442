"""Canonical text, as the engine's formatter writes it, in tokens.

In: canonical text: no comments, one way to quote. Out: its words, quoted names, strings and signs.
Never: text as a client wrote it, whose quotes and comments only the engine's own parser knows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^'\\]|\\.|'')*')
    |(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, quoted name, string or sign of canonical text, and where it begins."""

    kind: str
    text: str
    start: int

    @property
    def name(self) -> str:
        """The lower-case name that a word or quoted identifier means; else empty."""
        if self.kind == "word":
            return self.text.lower()
        if self.kind == "quoted":
            return re.sub(r"\\(.)", r"\1", self.text[1:-1]).lower()
        return ""


def tokens(canonical: str) -> list[Token]:
    """The tokens of canonical text.

    >>> [token.text for token in tokens("SELECT `a b`, 'x'")]
    ['SELECT', '`a b`', ',', "'x'"]
    """
    return [
        Token(found.lastgroup or "", found[0], found.start())
        for found in _TOKEN.finditer(canonical)
        if found.lastgroup != "space"
    ]


def output_format(found: Sequence[Token]) -> str | None:
    """The format that a statement names for its answer, or an INSERT for its rows."""
    depth = 0
    fmt = None
    for token, after in pairwise(found):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "word" and token.text == "FORMAT" and after.kind == "word":
            fmt = after.text
    return fmt
