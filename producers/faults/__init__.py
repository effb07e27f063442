"""Faults for drills: what breaks without an error, made on purpose, by seed.

In: prediction events one by one in order. Out: the same stream with a fault in it from its onset
on. Never: an event changed in place, a broker, a file.

To add a fault: one function and one `Fault` in the file of its family; `FAULTS` finds it.
"""

from typing import Final

from producers.errors import FaultError
from producers.faults import categories, flow, gaps, numbers, outputs
from producers.faults.fault import Fault

FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for family in (numbers, gaps, categories, outputs, flow)
    for fault in family.FAULTS
}
"""Every fault by its name."""


def fault_named(name: str) -> Fault:
    """A fault; FaultError lists them where there is none of this name.

    >>> fault_named("stuck_feature").expected
    ('StuckFeature',)
    """
    found = FAULTS.get(name)
    if found is None:
        raise FaultError(f"there is no fault {name!r}: one of {', '.join(FAULTS)}")
    return found
