"""One version's closed cohorts broken down: by segment, by what could be saved, by whom it fails.

In: the report of each closed cohort with the losses of its rows and its stored predictions. Out: a
report for each segment that the card names, measurements of `disparity` and `retrain_due`, and,
when asked, where the loss has risen. Never: a row kept beyond the newest RECENT_ROWS.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from monitor.findings import Measurement, Verdict
from monitor.performance.blocks import BLOCK_ROWS
from monitor.performance.book import SegmentBook
from monitor.performance.disparity import FLOOR, Disparity, disparities
from monitor.performance.drifts import Drift
from monitor.performance.metrics import confusion, measured, reliability
from monitor.performance.recent import (
    RECENT_ROWS,
    Bytes,
    LabelledRows,
    RecentRows,
    cell_sums,
)
from monitor.performance.reference import PerformanceReference
from monitor.performance.report import CohortReport
from monitor.performance.retraining import RetrainWatch
from monitor.performance.segments import worse_segments
from monitor.performance.stored import MapEntries
from schemas.model import ModelCard

LEAST_COVERAGE: Final = 0.5
"""Of a cohort with labels for less, what could be saved is estimated."""
MOST_SEGMENTS: Final = 100
"""Segments of a cohort that are measured, the largest first."""
MOST_TOLD: Final = 5

Edges = Mapping[str, tuple[float, ...]]
"""Number feature to the values at which its cells part."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What labelled rows tell of a rise of the loss."""

    since_us: int
    """Event time of the first row since then."""
    segments: tuple[str, ...]
    """Where it is worse than elsewhere, in words, the largest part first."""
    shares: Mapping[str, Mapping[str, float]]
    """Feature to the shares of its cells (by their words) in the rows since then."""


class Breakdown:
    """One version of a model.

    Parameters
    ----------
    card
        Segments that it names or protects, its features, its task.
    names
        The features whose cells are kept, as `AnswerReader` orders them.
    blocks_between_alarms
        Expected blocks of 100 labelled predictions up to a false alarm, of each of the two tests.

    Disparities are looked at whenever RECENT_ROWS labelled rows have come that no look has seen, so
    looks do not share rows; each spends what the budget allows in that time.

    **Blind to** segments of two columns; see `segments` and `disparity`.

    **Cost**: 3 microseconds a labelled prediction, and measuring each segment of the card.
    """

    def __init__(self, card: ModelCard, names: Sequence[str], blocks_between_alarms: float) -> None:
        tags = [name for name in (*card.segments, *card.protected) if name not in names]
        self.card = card
        self.names = (*names, *dict.fromkeys(tags))
        self._blocks_between_alarms = blocks_between_alarms
        self._book = SegmentBook(self.names)
        self._recent = RecentRows(len(self.names))
        self._looked = 0
        """Rows that looks at disparities have seen."""
        self._attributed: dict[str, float] = {}
        """Feature to the sum of |attribution|; under the empty name how many events sent any."""
        self.retraining = RetrainWatch(card.task, blocks_between_alarms)

    def add(
        self,
        report: CohortReport,
        edges: Edges,
        reference: PerformanceReference | None,
        drifts: Sequence[Drift],
    ) -> tuple[list[CohortReport], list[Measurement]]:
        """Take a cohort; reports by segment, and what is found.

        `drifts` are the alerts of drift that were on at its end.
        """
        cells = self._book.cells(report, self.card, edges)
        self._attribute(report)
        rows, losses = report.rows, report.losses
        known = np.isfinite(losses.model) & np.isfinite(losses.baseline)
        labelled = LabelledRows(
            occurred_us=rows.occurred_us[known],
            truth=rows.truth[known],
            answer=rows.answer[known],
            score=rows.score[known],
            loss=losses.model[known],
            base=losses.baseline[known],
            cells=cells[known],
        )
        estimable = reference is not None and len(reference.calibrators) == 1
        if reference is not None and estimable and report.coverage < LEAST_COVERAGE:
            calibrated = reference.calibrators[0].of(rows.score)
            self.retraining.gain.estimate(rows.score, calibrated, float(reference.outcome[1]))
        else:
            self.retraining.gain.add(self._recent.rows, labelled, losses.most[known])
        self._recent.add(labelled)
        said = [*self._disparities()]
        span = (report.started_us, report.ended_us, report.labelled)
        said.append(self.retraining.close(*span, drifts))
        return [*self._segments(report, cells, edges, reference)], said

    @property
    def pooled(self) -> dict[str, int]:
        """Column to the rows whose value had no name of its own, where there were any."""
        return {name: n for name, n in self._book.pooled.items() if n}

    def behind(self, since: int, edges: Edges) -> Behind | None:
        """What stands behind a rise of the loss over the last `since` labelled rows."""
        rows = self._recent.rows
        if not len(rows) or since <= 0:
            return None
        now = rows.kept(slice(max(0, len(rows) - since), None))
        counts = cell_sums(now)[:, :, 0]
        shares = {
            name: {
                self._book.words(place, cell, edges): float(counts[place, cell] / len(now))
                for cell in np.flatnonzero(counts[place]).tolist()
            }
            for place, name in enumerate(self.names)
        }
        told = tuple(
            f"{self._book.words(one.feature, one.cell, edges)}: loss {one.before:.3f} -> "
            f"{one.now:.3f}, {one.share:.0%} of the rows"
            + (f", {one.part:.0%} of the rise" if np.isfinite(one.part) else "")
            for one in worse_segments(self._recent, since)
        )
        return Behind(int(now.occurred_us[0]), told, shares)

    @property
    def attributions(self) -> dict[str, float]:
        """Feature to its mean |attribution| over all cohorts; empty where none were sent."""
        n = self._attributed.get("", 0.0)
        return {name: total / n for name, total in self._attributed.items() if name}

    def _attribute(self, report: CohortReport) -> None:
        sent = MapEntries(report.stored["attributions"])
        known = [name for name in sent.names if name in self.card.features]
        if not known:
            return
        any_sent = np.zeros(len(report.rows), np.bool_)
        for name in known:
            values = sent.numbers(name)
            any_sent |= np.isfinite(values)
            total = float(np.nansum(np.abs(values)))
            self._attributed[name] = self._attributed.get(name, 0.0) + total
        self._attributed[""] = self._attributed.get("", 0.0) + float(any_sent.sum())

    def _segments(
        self,
        report: CohortReport,
        cells: Bytes,
        edges: Edges,
        reference: PerformanceReference | None,
    ) -> Iterator[CohortReport]:
        """A report for each segment that the card names."""
        found = []
        for name in dict.fromkeys((*self.card.segments, *self.card.protected)):
            place = self.names.index(name)
            for cell, n in zip(*np.unique(cells[:, place], return_counts=True), strict=True):
                found.append((-int(n), place, int(cell)))
        for _, place, cell in sorted(found)[:MOST_SEGMENTS]:
            mask = cells[:, place] == cell
            rows = report.rows.kept(mask)
            labelled = rows.measurable()
            base = report.losses.baseline[mask & report.rows.labelled]
            yield replace(
                report,
                segment=self._book.words(place, cell, edges),
                predictions=len(rows),
                labelled=len(labelled),
                corrections=int(rows.corrections.sum()),
                repeats=int(rows.repeats.sum()),
                baseline_loss=float(base.mean()) if base.size else float("nan"),
                metrics=measured(self.card.task, labelled) if len(labelled) else (),
                estimated={}
                if reference is None
                else reference.expected(rows.answer, rows.score, rows.scores, rows.features),
                reconciled=(),
                measurements=(),
                verdict=None,
                chain=None,
                reliability=reliability(self.card.task, labelled),
                confusion=confusion(self.card.task, labelled),
                rows=rows,
                first_offset=int(rows.offset.min()),
                last_offset=int(rows.offset.max()),
            )

    def _disparities(self) -> Iterator[Measurement]:
        """Of each protected column, once RECENT_ROWS rows have come that were not looked at."""
        protected = self.card.protected
        if not protected or self._recent.total - self._looked < RECENT_ROWS:
            return
        self._looked = self._recent.total
        alpha = min(0.5, RECENT_ROWS / BLOCK_ROWS / self._blocks_between_alarms) / len(protected)
        for name in protected:
            found = disparities(self.card.task, self._recent.rows, self.names.index(name), alpha)
            if found:
                yield self._told(name, found)

    def _told(self, name: str, found: tuple[Disparity, ...]) -> Measurement:
        worst = next((one for one in found if one.found), None)
        first = worst or found[0]
        place = self.names.index(name)
        words = [
            f"{self._book.words(place, one.cell, {})} has {one.rate.replace('_', ' ')} "
            f"{one.own:.2f}, the others {one.others:.2f} (difference {one.low:+.2f} to "
            f"{one.high:+.2f})"
            for one in found
            if one.found
        ]
        return Measurement(
            check="disparity",
            feature=name,
            scale=0,
            verdict=Verdict.OK if worst is None else Verdict.DRIFT,
            statistic=first.difference,
            effect=abs(first.difference),
            threshold=FLOOR,
            p_value=1.0,
            n_ref=0,
            n_cur=len(self._recent.rows),
            n_effective=float(first.rows),
            smallest_visible=max(FLOOR, (first.high - first.low) / 2.0),
            cleared=worst is None,
            immediate=worst is not None,
            reason="; ".join(words[:MOST_TOLD]),
            values={
                f"{one.rate}:{self._book.words(place, one.cell, {})}": one.difference
                for one in found[:MOST_TOLD]
            },
        )

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "names": list(self.names),
            "book": self._book.state(),
            "recent": self._recent.state(),
            "looked": self._looked,
            "attributed": dict(self._attributed),
            "retraining": self.retraining.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`; of other columns, only what does not depend on them."""
        self.retraining.restore(state["retraining"])
        self._attributed = {str(name): float(n) for name, n in state["attributed"].items()}
        if tuple(state["names"]) == self.names:
            self._book.restore(state["book"])
            self._recent.restore(state["recent"])
            self._looked = int(state["looked"])
