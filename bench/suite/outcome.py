"""What an item has found: claims, each with what was asked and whether it is met, and tables.

In: measured values, one for each round. Out: `Outcome`. Never: a judgement without the spread.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

MET: Final = {True: "met", False: "**not met**", None: ""}


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure beside what is asked of it."""

    what: str
    asked: str
    measured: str
    """Median, and in brackets the smallest and the largest of the rounds."""
    met: bool | None
    """None: nothing is asked, it is shown beside the others."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one item has found."""

    claims: tuple[Claim, ...]
    tables: str
    """Plain text, as it is printed."""
    versions: str

    @property
    def met(self) -> bool:
        """Whether all that is asked is met."""
        return all(claim.met is not False for claim in self.claims)


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """Median and range of some rounds.

    >>> spread([3.0, 1.0, 2.0], ".1f")
    '2.0 (1.0 to 3.0)'
    >>> spread([4.0])
    '4'
    """
    middle = f"{statistics.median(values):{form}}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):{form}} to {max(values):{form}})"


def asked_of(
    what: str,
    values: Sequence[float],
    bound: Literal["at least", "at most", "under", "above"],
    limit: float,
    *,
    form: str = ",.0f",
    unit: str = "",
) -> Claim:
    """A claim on the median of some rounds.

    >>> asked_of("calls/s", [9.0, 12.0, 11.0], "at least", 10, unit="per s")
    Claim(what='calls/s', asked='at least 10 per s', measured='11 (9 to 12) per s', met=True)
    """
    middle = statistics.median(values)
    met = {
        "at least": middle >= limit,
        "above": middle > limit,
        "at most": middle <= limit,
        "under": middle < limit,
    }[bound]
    after = f" {unit}" if unit else ""
    return Claim(what, f"{bound} {limit:{form}}{after}", f"{spread(values, form)}{after}", met)


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width; the first to the left, figures to the right.

    >>> print(text_table(("", "ev/s"), [("ours", "1,000"), ("bare", "20")]))
            ev/s
    ours   1,000
    bare      20
    """
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    lines = []
    for first, *others in (headings, *rows):
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("   ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def shown(outcome: Outcome) -> str:
    """Tables and claims as text for the screen."""
    rows = [(c.what, c.asked, c.measured, MET[c.met].strip("*")) for c in outcome.claims]
    width = max(len(row[0]) for row in rows)
    lines = [f"{what:<{width}}  {measured}  {asked}  {met}" for what, asked, measured, met in rows]
    return "\n".join([outcome.tables, "", *(line.rstrip() for line in lines), outcome.versions])


class Measure(Protocol):
    """How every item is measured."""

    def __call__(self, *, quick: bool = False) -> Outcome:
        """`quick`: only to see that it works."""
        ...


def print_alone(measure: Measure, description: str | None) -> None:
    """The command of one item: measure and print."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    print(shown(measure(quick=parser.parse_args().quick)))
