"""The memory of vectors: the panes that it knows, however long the stream has run."""

import numpy as np

from monitor.checks.vectors import MEMORY_PANES, VectorMemory, places


def known(memory: VectorMemory, first: int, count: int) -> list[list[int]]:
    """What of each pane was known before it; every pane repeats a vector of 2, 32 and 40 ago."""
    found = []
    for number in range(first, first + count):
        back = np.array([number, number - 2, number - MEMORY_PANES, number - 40])
        hashes = (back * 2_654_435_761 % 2**32).astype(np.uint32)
        found.append(memory.seen(hashes, places(hashes)).tolist())
        memory.add(hashes, places(hashes), number)
    return found


def test_panes_are_known_alike_where_their_numbers_begin_again() -> None:
    young, old = VectorMemory(), VectorMemory()
    old.restore({**old.state(), "number": 2**15 - 70})
    assert known(young, 100, 200) == known(old, 100, 200)


def test_a_restart_forgets_nothing_and_knows_nothing_more() -> None:
    memory, again = VectorMemory(), VectorMemory()
    known(memory, 0, 100)
    again.restore(memory.state())
    assert known(memory, 100, 100) == known(again, 100, 100)
