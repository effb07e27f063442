"""Category encoding: a category is written otherwise: cut, in other letters, as numbers, permuted.

In: closed panes. Out: a claim on each such category, with the way and examples. Never: a claim on
values that are new in themselves; `unseen_categories` has those.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.history import History
from monitor.checks.outlook import DEPTH, LONG, Outlook
from monitor.checks.pane_view import PaneBlock, PaneView, Remembered
from monitor.checks.summaries import MAX_NAMES
from monitor.events import Bool, Float64
from monitor.findings import Measurement, Verdict
from monitor.sketches.category import CategoryReference
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

UNSEEN: Final = 0.1
"""Share of a pane whose names the reference never had, above the reference's most, to ask why."""
EXPLAINED: Final = 0.7
"""Share of these that one way has to explain."""
FAR: Final = 1.5
"""Permuted shares lie this many times farther from their past than the reference's panes did."""
ALIKE: Final = 0.45
"""In order of size they have to lie this much nearer."""


@dataclass(frozen=True, slots=True)
class _Strange:
    """Of each pane and category."""

    new: Bool
    """bool[panes, categories]: more names are unseen than the reference explains."""
    far: Bool
    """The shares lie farther from the past than the reference explains."""
    apart: Float64
    """How far."""
    any: list[bool]
    """Of each pane, whether either is so."""


class Encoding:
    """A category whose names are written in another way.

    Parameters
    ----------
    context
        How far the shares of the reference's panes lie from the panes before them, and how many
        unseen names they had.

    Names that the reference never had are compared with those it had: cut off, in other letters or
    with other blanks, as numbers, with something before or after. A permutation shows in no new
    name: the shares of the last 4 panes are far from the past (total variation), and ordered by
    size they are near it.

    **Blind to** a permutation of names with nearly equal shares; names cut to ones that exist;
    a hash of the names (new names to anyone who does not have the key); numbers for names that are
    numbers.
    **Cost** 1 us a category and pane, 50 us more where there are unseen names.

    >>> from monitor.checks.example import example_panes, example_suite
    >>> suite = example_suite()
    >>> for pane in example_panes(0, 10):
    ...     assert suite.look(pane) == []
    >>> claims = [m for pane in example_panes(10, 3, rename=str.upper) for m in suite.look(pane)]
    >>> claims[0].reason
    "c: 100 % of the values are names written in other letters: 'RED' for 'red', 'BLUE' for 'blue'"
    """

    name: ClassVar[str] = "encoding"

    def __init__(self, context: CheckContext) -> None:
        self._history = context.history
        self._scale = context.card.monitoring.pane_events
        self._apart = context.learned["apart"]
        self._unseen = context.learned["unseen"]
        self._needed = np.maximum(FAR * self._apart, self._apart + UNSEEN)
        self._strange = Remembered(self._measure)

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """The farthest total variation from the past, and the most unseen names in a pane."""
        del card
        history = History(profile)
        variations = Remembered[Outlook, Float64](lambda outlook: _variations(outlook, history))
        apart = np.zeros(len(history.categories))
        unseen = np.zeros(len(history.categories))
        if len(panes) < DEPTH or not history.categories:
            return {}
        for pane in panes:
            history.add(pane)
            for at, span in enumerate(history.spans):
                unseen[at] = max(unseen[at], history.last.counts[-1, span.stop - 1] / len(pane))
            if history.panes >= DEPTH:
                apart = np.maximum(apart, variations.of(history.outlook)[history.place])
        return {"apart": apart, "unseen": unseen}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """None without categories, or where the reference held too few panes."""
        return cls(context) if context.learned else None

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._strange.of(self._history.prepare(block))

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        history = self._history
        strange, place = self._strange.of(history.outlook), history.place
        if not raised and not strange.any[place]:
            return []
        found: dict[str, Measurement] = {}
        apart, far = strange.apart[place], strange.far[place]
        for at, (column, span) in enumerate(zip(history.categories, history.spans, strict=True)):
            if strange.new[place, at]:
                share = history.last.counts[-1, span.stop - 1] / len(pane)
                words = explain_names(pane.unseen(column.name), column.names)
                if words:
                    reason = f"{column.name}: {share:.0%} of the values are {words}"
                    reason = reason.replace("%", " %", 1)
                    found[column.name] = self._say(column, reason, float(share), UNSEEN)
                    continue
            permuted = self._permuted(column, span, float(apart[at]), at) if far[at] else None
            if permuted is not None:
                found[column.name] = permuted
        for name in sorted(raised - found.keys()):
            found[name] = claim(
                self.name,
                name,
                Verdict.OK,
                scale=self._scale,
                effect=0.0,
                threshold=UNSEEN,
                reason=f"{name}: its names are written as before",
            )
        return list(found.values())

    def state(self) -> dict[str, Any]:
        """Nothing: the history is the suite's."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check.restore`."""

    def _measure(self, outlook: Outlook) -> _Strange:
        ends = [span.stop - 1 for span in self._history.spans]
        unseen = outlook.panes.counts[DEPTH:, ends] / outlook.block.codes.shape[2]
        new, apart = unseen > self._unseen + UNSEEN, _variations(outlook, self._history)
        far = (apart > self._needed) & outlook.whole[:, None]
        return _Strange(new, far, apart, (new | far).any(axis=1).tolist())

    def _permuted(
        self, column: CategoryReference, span: slice, apart: float, at: int
    ) -> Measurement | None:
        history = self._history
        now, past = history.outlook.now_shares[history.place, span], history.past_shares[span]
        ordered = float(np.abs(np.sort(now) - np.sort(past)).sum() / 2)
        new = now[-1] - past[-1] > UNSEEN / 2
        if new or ordered > ALIKE * apart or len(column.names) < 3:
            return None
        named = min(len(column.names), MAX_NAMES)
        gained = column.names[int(np.argmax((now - past)[:named]))]
        lost = column.names[int(np.argmin((now - past)[:named]))]
        reason = (
            f"{column.name}: the same shares under other names, as if its encoding were permuted: "
            f"{gained!r} has gained most, {lost!r} has lost most"
        )
        return self._say(column, reason, apart, float(self._needed[at]), panes=LONG)

    def _say(
        self,
        column: CategoryReference,
        reason: str,
        effect: float,
        threshold: float,
        *,
        panes: int = 1,
    ) -> Measurement:
        return claim(
            self.name,
            column.name,
            Verdict.DRIFT,
            scale=self._scale,
            events=panes * self._scale,
            effect=effect,
            threshold=threshold,
            reason=reason,
        )


def explain_names(texts: Sequence[str], names: Sequence[str]) -> str:
    """How unseen texts are known names written otherwise, with examples; "" where they are not.

    >>> explain_names(["r", "b", "r"], ["red", "blue"])
    "cut after 1 character: 'r' for 'red', 'b' for 'blue'"
    >>> explain_names(["0", "1"], ["red", "blue"])
    "numbers instead of names: '0', '1'"
    >>> explain_names(["green"], ["red", "blue"])
    ''
    """
    counts = Counter(texts)
    needed = EXPLAINED * counts.total()
    if not counts:
        return ""
    folded = {_folded(name): name for name in reversed(names)}
    ways: tuple[tuple[str, Callable[[str], str | None]], ...] = (
        ("names written in other letters", lambda text: folded.get(_folded(text))),
        ("cut", lambda text: _first(names, lambda n: n.startswith(text) and n != text and text)),
        (
            "names with something around them",
            lambda text: _first(names, lambda n: len(n) > 1 and n in text and n != text),
        ),
    )
    for words, way in ways:
        found = {text: name for text in counts if (name := way(text)) is not None}
        if sum(counts[text] for text in found) < needed or not found:
            continue
        if words == "cut":
            size = max(map(len, found))
            words = f"cut after {size} character{'s' if size > 1 else ''}"
        common = sorted(found, key=lambda text: (-counts[text], text))[:2]
        return f"{words}: " + ", ".join(f"{text!r} for {found[text]!r}" for text in common)
    numbers = [text for text in counts if _is_number(text)]
    if sum(counts[text] for text in numbers) >= needed and not any(map(_is_number, names)):
        common = sorted(numbers, key=lambda text: (-counts[text], text))[:2]
        return "numbers instead of names: " + ", ".join(map(repr, common))
    return ""


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()


def _first(names: Sequence[str], fits: Callable[[str], object]) -> str | None:
    return next((name for name in names if fits(name)), None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _variations(outlook: Outlook, history: History) -> Float64:
    """Total variation of the last panes from the past, float64[panes, categories]."""
    apart = np.abs(outlook.now_shares - outlook.past_shares)
    starts = [span.start for span in history.spans]
    return np.asarray(np.add.reduceat(apart, starts, axis=1) / 2)
