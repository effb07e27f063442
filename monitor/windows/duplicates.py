"""Resends: which event ids of a model were seen a short while ago.

In: the ids of consecutive events of one model. Out: a mask of those seen before.
Never: a growing memory; it holds 9 bytes an id for about the last N ids.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import xxhash
from numpy.typing import NDArray

from monitor.events import Bool, PredictionColumns

Hashes = NDArray[np.uint64]

BLOCK_IDS = 4096
"""Ids leave the memory a block at a time: between N and N + BLOCK_IDS are remembered."""


class RecentIds:
    """The 64-bit hashes of about the last `capacity` event ids of one model.

    The newest ids are in a set; every BLOCK_IDS of them are merged into one sorted array, in
    which a whole batch is looked up at once. Two different ids are confused with a probability
    of about `capacity` / 2**64 each.

    >>> recent = RecentIds(capacity=100_000)
    >>> recent.mark_repeated(["a", "b", "a"]).tolist()
    [False, False, True]
    >>> recent.mark_repeated(["b", "c"]).tolist()
    [True, False]
    """

    def __init__(self, capacity: int) -> None:
        self._block_limit = -(-capacity // BLOCK_IDS)
        self._known: Hashes = np.empty(0, np.uint64)
        """The ids of all full blocks, rising."""
        self._block_of: NDArray[np.uint8] = np.empty(0, np.uint8)
        """Of each of them: the number of its block, modulo 2**8; at most 245 are remembered."""
        self._restored: list[Hashes] = []
        """Full blocks as they were saved, until the next ids come."""
        self._fresh: dict[int, None] = {}
        self.merged = 0
        """Full blocks so far: the number of the next one."""

    def mark_repeated(self, event_ids: Sequence[str]) -> Bool:
        """Mask of the ids seen before (in this batch or remembered); all are remembered after."""
        n = len(event_ids)
        repeated = np.zeros(n, np.bool_)
        if self._block_limit == 0 or n == 0:
            return repeated
        digest = xxhash.xxh3_64_intdigest
        hashes = np.fromiter(map(digest, map(str.encode, event_ids)), np.uint64, n)
        start = 0
        while start < n:
            stop = min(n, start + BLOCK_IDS - len(self._fresh))
            self._mark(hashes[start:stop], repeated[start:stop])
            start = stop
        return repeated

    def _mark(self, hashes: Hashes, repeated: Bool) -> None:
        fresh = self._fresh
        self._settle()
        if len(self._known):
            order = np.argsort(hashes)  # neighbours are found near each other
            rising = hashes[order]
            place = self._known.searchsorted(rising)
            repeated[order] = self._known.take(place, mode="clip") == rising
        new = dict.fromkeys(hashes.tolist())
        if len(new) == len(hashes) and fresh.keys().isdisjoint(new) and not repeated.any():
            fresh.update(new)
        else:
            for row, value in enumerate(hashes.tolist()):
                if value in fresh:
                    repeated[row] = True
                elif not repeated[row]:
                    fresh[value] = None
        if len(fresh) >= BLOCK_IDS:
            self._merge()

    def _merge(self) -> None:
        """The newest ids become a block, the oldest block is forgotten."""
        block = np.sort(self.fresh())
        number = np.array([self.merged, self.merged - self._block_limit]).astype(np.uint8)
        kept = self._block_of != number[1]
        known, block_of = self._known[kept], self._block_of[kept]
        places = known.searchsorted(block)
        self._known = np.insert(known, places, block)
        self._block_of = np.insert(block_of, places, number[0])
        self._fresh = {}
        self.merged += 1

    def _settle(self) -> None:
        """Index the blocks that were restored: not before ids are looked up in them."""
        if not self._restored:
            return
        known = np.concatenate(self._restored)
        sizes = [len(block) for block in self._restored]
        numbers = np.arange(self.merged - len(sizes), self.merged).astype(np.uint8)
        order = np.argsort(known, kind="stable")
        self._known, self._block_of = known[order], np.repeat(numbers, sizes)[order]
        self._restored = []

    @property
    def ring(self) -> int:
        """How many full blocks are remembered."""
        return max(1, self._block_limit)

    def blocks_since(self, number: int) -> list[tuple[int, Hashes]]:
        """The remembered full blocks from number `number` on, each rising, with its number."""
        if number >= self.merged:
            return []
        self._settle()
        found = []
        for one in range(max(number, self.merged - self.ring), self.merged):
            block = self._known[self._block_of == np.uint8(one % 2**8)]
            if len(block):
                found.append((one, block))
        return found

    def fresh(self) -> Hashes:
        """The ids of the unfinished block, in order of arrival."""
        return np.fromiter(self._fresh, np.uint64, len(self._fresh))

    def restore(self, merged: int, blocks: Sequence[Hashes], fresh: Hashes) -> None:
        """Take up with the full `blocks` up to number `merged` and an unfinished one."""
        self.merged = merged
        self._restored = list(blocks)
        self._known, self._block_of = np.empty(0, np.uint64), np.empty(0, np.uint8)
        self._fresh = dict.fromkeys(fresh.tolist())


def mark_resends(
    groups: Sequence[PredictionColumns], recent: Callable[[str], RecentIds]
) -> list[PredictionColumns]:
    """The groups of a batch with resends marked, in the order of the log of each model.

    The order matters where a batch mixes versions of one model: an id is the first where its
    offset is the smallest, however the batch was grouped.
    """
    by_model: defaultdict[str, list[int]] = defaultdict(list)
    for place, columns in enumerate(groups):
        by_model[columns.model].append(place)
    marked = list(groups)
    for model, places in by_model.items():
        parts = [groups[place] for place in places]
        ids = parts[0].event_ids
        order = None
        if len(parts) > 1:
            ids = list(chain.from_iterable(part.event_ids for part in parts))
            order = np.argsort(np.concatenate([part.offsets for part in parts]), kind="stable")
            ids = [ids[row] for row in order.tolist()]
        repeated = recent(model).mark_repeated(ids)
        if not repeated.any():
            continue
        if order is not None:
            repeated[order] = repeated.copy()
        ends = np.cumsum([len(part) for part in parts])
        for place, part, mask in zip(places, parts, np.split(repeated, ends[:-1]), strict=True):
            marked[place] = replace(part, repeated=mask)
    return marked
