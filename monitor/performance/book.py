"""In which cell of each column the rows of a cohort lie, by names that are learnt from the stream.

In: reports of closed cohorts in order. Out: cells, and their names. Never: more than NAMED names of
a column; later ones are pooled, and counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitor.events import Float64
from monitor.performance.recent import NAMED, NONE, OTHER, Bytes
from monitor.performance.report import CohortReport
from monitor.performance.stored import MapEntries
from schemas.model import ModelCard


class SegmentBook:
    """The names of each column's cells.

    Parameters
    ----------
    names
        Columns: features, and tags that events carry in `segments`.

    A number is cut at given edges; without them its column has a single cell.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = tuple(names)
        self._known: dict[str, dict[str, int]] = {name: {} for name in names}
        self.pooled: dict[str, int] = dict.fromkeys(names, 0)
        """Rows whose value had no name of its own, by column."""

    def cells(
        self, report: CohortReport, card: ModelCard, edges: Mapping[str, tuple[float, ...]]
    ) -> Bytes:
        """uint8[rows, columns]."""
        found = np.full((len(report.rows), len(self._columns)), NONE, np.uint8)
        texts, tags = MapEntries(report.stored["strings"]), MapEntries(report.stored["segments"])
        for place, name in enumerate(self._columns):
            spec = card.features.get(name)
            if spec is None:
                found[:, place] = self._named(name, tags.texts(name))
            elif spec.column == "category":
                usable = np.isfinite(report.rows.features[:, place])
                values = zip(texts.texts(name), usable.tolist(), strict=True)
                found[:, place] = self._named(name, [v if ok else None for v, ok in values])
            else:
                found[:, place] = _binned(report.rows.features[:, place], edges.get(name, ()))
        return found

    def words(self, place: int, cell: int, edges: Mapping[str, tuple[float, ...]]) -> str:
        """What a cell holds: `column=value`."""
        name = self._columns[place]
        if cell == NONE:
            return f"{name} missing"
        if cell == OTHER:
            return f"{name} other"
        known = self._known[name]
        if known:
            return f"{name}={next(text for text, own in known.items() if own == cell)}"
        at = edges.get(name, ())
        if not at:
            return f"{name} present"
        if cell == 0:
            return f"{name} below {at[0]:g}"
        if cell >= len(at):
            return f"{name} from {at[-1]:g}"
        return f"{name} {at[cell - 1]:g} to {at[cell]:g}"

    def state(self) -> dict[str, Any]:
        """Plain values."""
        return {"known": {name: list(own) for name, own in self._known.items()}} | {
            "pooled": dict(self.pooled)
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self._known = {
            str(name): {str(text): cell for cell, text in enumerate(own)}
            for name, own in state["known"].items()
        }
        self.pooled = {str(name): int(n) for name, n in state["pooled"].items()}

    def _named(self, name: str, values: Sequence[str | None]) -> Bytes:
        known = self._known[name]
        for text in dict.fromkeys(values):
            if text is not None and text not in known and len(known) < NAMED:
                known[text] = len(known)
        found = np.array(
            [NONE if one is None else known.get(one, OTHER) for one in values], np.uint8
        )
        self.pooled[name] += int(np.count_nonzero(found == OTHER))
        return found


def _binned(values: Float64, edges: tuple[float, ...]) -> Bytes:
    cells = np.searchsorted(np.array(edges[: NAMED - 1]), values, side="right").astype(np.uint8)
    return np.where(np.isfinite(values), cells, NONE).astype(np.uint8)
