"""Two versions of a model: is the new one better, worse, or can nobody tell yet?

In: closed cohorts in which either answered, with the loss of every row. Out: a verdict with the
evidence. Never: a verdict taken back, or one that more looking would have produced by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from monitor.events import Bool, Float64, Int64
from monitor.performance.blocks import BLOCK_ROWS, Blocks
from monitor.performance.rows import CohortRows
from monitor.performance.sequential_t import evidence_above, most_evidence, smallest_visible

ERROR_BUDGET: Final = 0.005
"""Chance that two versions that do not differ are ever called different."""
LABELLED_EVENTS: Final = 5_000
"""Labelled predictions of the new version after which the comparison ends."""
_TOGETHER: Final = 0.5
_SHARED: Final = 0.1
_ROUNDING: Final = 1e-9


class Outcome(StrEnum):
    """What a comparison says."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    NO_DIFFERENCE_YET = "no_difference_yet"


class Pairing(StrEnum):
    """What is compared with what."""

    PAIRED = "paired"
    """Requests that both versions answered."""
    SPLIT = "split"
    """Requests of the same time, shared between the versions."""
    MATCHED = "matched"
    """The new version's cohorts with the old one's last ones, each against its baseline."""


@dataclass(frozen=True, slots=True)
class VersionVerdict:
    """What is known of a new version against the one it replaces."""

    old: str
    new: str
    outcome: Outcome
    pairing: Pairing | None
    """None before the new version's first labelled prediction."""
    difference: float
    """Mean loss of the new version minus the old one's, in the unit of the loss."""
    standard_error: float
    blocks: int
    labelled: int
    """Labelled predictions of the new version in those blocks."""
    evidence: float
    """Nats for the outcome; for `no_difference_yet` the larger of both sides."""
    smallest_visible: float
    """Smallest difference that as much data would have shown."""
    final: bool
    """No further data will change it."""

    @property
    def rollback_recommended(self) -> bool:
        """Whether the old version is the better one, beyond doubt within the budget."""
        return self.outcome is Outcome.REGRESSED


class VersionComparison:
    """Compares one new version with the one it replaces.

    Parameters
    ----------
    old, new
        The versions; "" stands for a new one that is not there yet.
    error_budget
        Chance of calling two equal versions different, over all looks and both sides.
    labelled_events
        Labelled predictions of the new version after which the verdict is final.

    The pairing is chosen at the new version's first cohort and kept: paired where half of its
    requests were answered by both; else split where the old version answered at the same time;
    else matched, but not before `matched_from_us`. Differences are taken over blocks of BLOCK_ROWS
    labelled rows of each side; where the requests differ, of the loss above the baseline's, which
    takes out how hard they were.

    **Blind to**, when split, an assignment that depends on the request (see `SplitCheck`); when
    matched, whatever else changed between the two times and is not in the baseline's loss.

    **Cost**: a millisecond a block.
    """

    def __init__(
        self,
        old: str,
        new: str,
        *,
        error_budget: float = ERROR_BUDGET,
        labelled_events: int = LABELLED_EVENTS,
    ) -> None:
        self.old = old
        self.new = new
        self._alpha = error_budget / 2.0
        self._limit = labelled_events // BLOCK_ROWS
        self.matched_from_us = 0
        """Event time before which it waits for the versions to be asked at the same time."""
        self._pairing: Pairing | None = None
        self._sides = {name: Blocks(columns=1) for name in ("old", "new")}
        self._waiting: dict[str, Float64] = {"old": np.zeros(0), "new": np.zeros(0)}
        """Means of blocks that have no counterpart yet."""
        self._differences = np.zeros(0)
        self._outcome = Outcome.NO_DIFFERENCE_YET
        self._evidence = 0.0

    @property
    def blocks(self) -> int:
        """Differences seen so far."""
        return len(self._differences)

    @property
    def final(self) -> bool:
        """Whether the verdict stands."""
        return (
            self._outcome is not Outcome.NO_DIFFERENCE_YET or len(self._differences) >= self._limit
        )

    def add(self, rows: CohortRows, loss: Float64, baseline_loss: Float64) -> None:
        """Take a closed cohort of all versions with the losses of its rows (NaN: no label)."""
        if self.final:
            return
        places = [
            rows.versions.index(v) if v in rows.versions else -1 for v in (self.old, self.new)
        ]
        old, new = (rows.version == place for place in places)
        if self._pairing is None:
            if not new.any():
                self._remember(loss[old] - baseline_loss[old])
                return
            pairing = _pairing(rows, old, new)
            waits = int(rows.occurred_us[new].min()) < self.matched_from_us
            if pairing is Pairing.MATCHED and waits:
                return
            self._pairing = pairing
            if self._pairing is Pairing.SPLIT:
                self._waiting["old"] = np.zeros(0)
                self._sides["old"] = Blocks(columns=1)
        if self._pairing is Pairing.PAIRED:
            mine, theirs = _same_requests(rows, old, new)
            differences = loss[mine] - loss[theirs]
            known = differences[~np.isnan(differences)]
            self._look(self._sides["new"].add(known[:, None])[:, 0])
            return
        loss = loss - baseline_loss
        values = {"old": loss[old], "new": loss[new]}
        if self._pairing is Pairing.MATCHED:
            del values["old"]
        for side, column in values.items():
            known = column[~np.isnan(column)]
            blocks = self._sides[side].add(known[:, None])[:, 0]
            self._waiting[side] = np.concatenate((self._waiting[side], blocks))
        n = min(len(blocks) for blocks in self._waiting.values())
        pairs = self._waiting["new"][:n] - self._waiting["old"][:n]
        self._waiting = {side: blocks[n:] for side, blocks in self._waiting.items()}
        self._look(pairs)

    def verdict(self) -> VersionVerdict:
        """What is known now."""
        n = len(self._differences)
        deviation = float(self._differences.std(ddof=1)) if n > 1 else float("nan")
        decided = self._outcome is not Outcome.NO_DIFFERENCE_YET
        return VersionVerdict(
            old=self.old,
            new=self.new,
            outcome=self._outcome,
            pairing=self._pairing,
            difference=float(self._differences.mean()) if n else float("nan"),
            standard_error=deviation / np.sqrt(n) if n > 1 else float("nan"),
            blocks=n,
            labelled=n * BLOCK_ROWS,
            evidence=self._evidence if decided else self._evidence_now(),
            smallest_visible=smallest_visible(self._differences, self._alpha),
            final=self.final,
        )

    def _evidence_now(self) -> float:
        return max(evidence_above(self._differences), evidence_above(-self._differences))

    def _remember(self, skill: Float64) -> None:
        """Keep the old version's last blocks, in case that nothing better can be compared."""
        blocks = self._sides["old"].add(skill[~np.isnan(skill)][:, None])[:, 0]
        self._waiting["old"] = np.concatenate((self._waiting["old"], blocks))[-self._limit :]

    def _look(self, differences: Float64) -> None:
        """Look after each block, until the verdict stands."""
        needed = -np.log(self._alpha)
        for difference in differences.tolist():
            if self.final:
                return
            seen = difference if abs(difference) > _ROUNDING else 0.0
            self._differences = np.append(self._differences, seen)
            if most_evidence(self._differences) < needed:
                continue
            worse = self._differences.mean() > 0
            side = self._differences if worse else -self._differences
            self._evidence = evidence_above(side)
            if self._evidence >= needed:
                self._outcome = Outcome.REGRESSED if worse else Outcome.IMPROVED

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "matched_from_us": self.matched_from_us,
            "pairing": self._pairing.value if self._pairing else None,
            "sides": {name: blocks.state() for name, blocks in self._sides.items()},
            "waiting": self._waiting,
            "differences": self._differences,
            "outcome": self._outcome.value,
            "evidence": self._evidence,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self.matched_from_us = int(state["matched_from_us"])
        self._pairing = Pairing(state["pairing"]) if state["pairing"] else None
        for name, blocks in self._sides.items():
            blocks.restore(state["sides"][name])
            self._waiting[name] = np.array(state["waiting"][name], np.float64)
        self._differences = np.array(state["differences"], np.float64)
        self._outcome = Outcome(state["outcome"])
        self._evidence = float(state["evidence"])


def _pairing(rows: CohortRows, old: Bool, new: Bool) -> Pairing:
    mine, _ = _same_requests(rows, old, new)
    if len(mine) >= _TOGETHER * new.sum():
        return Pairing.PAIRED
    beside = old & (rows.occurred_us >= rows.occurred_us[new].min())
    return Pairing.SPLIT if beside.sum() >= _SHARED * new.sum() else Pairing.MATCHED


def _same_requests(rows: CohortRows, old: Bool, new: Bool) -> tuple[Int64, Int64]:
    """Rows of the new and of the old version that answered the same requests, in order."""
    theirs = {
        request: row
        for row, request in zip(
            np.flatnonzero(old).tolist(), rows.request[old].tolist(), strict=True
        )
        if request
    }
    pairs = [
        (row, theirs[request])
        for row, request in zip(
            np.flatnonzero(new).tolist(), rows.request[new].tolist(), strict=True
        )
        if request in theirs
    ]
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
