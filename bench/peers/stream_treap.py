"""River's incremental KS on a treap, the last 1,000 events against 1,000 of the reference."""

from collections import deque

from river.stats import KolmogorovSmirnov

from bench.peers.asked import WINDOW, Distances, Rows, Work, serve


def prepare(reference: Rows) -> Work:
    """A tree a feature; it takes its samples in pairs, so a pair leaves and a pair comes."""
    known, first = reference[:WINDOW].tolist(), reference[-WINDOW:].tolist()
    trees = [KolmogorovSmirnov() for _ in reference.T]
    pairs = deque(zip(known, first, strict=True))
    for before, now in pairs:
        for tree, x, y in zip(trees, before, now, strict=True):
            tree.update(x, y)

    def work(rows: Rows) -> Distances:
        for row in rows.tolist():
            kept, oldest = pairs.popleft()
            for tree, x, old, new in zip(trees, kept, oldest, row, strict=True):
                tree.revert(x, old)
                tree.update(x, new)
                tree.get()
            pairs.append((kept, row))
        return []

    return work


if __name__ == "__main__":
    serve(prepare, "river")
