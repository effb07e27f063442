"""Saved windows that wait for the next event of their version: until then nothing is built of them.

In: what a state holds of one version, as it was read. Out: the same again for the next state, or a
monitor that goes on where it was saved. Never: a profile, a sum over anything that was saved; a
worker that takes over a thousand models must not build them all before it takes the first event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from monitor.errors import StateError
from monitor.findings import Span
from monitor.packing import unpack
from monitor.rebasing import accepted_of_saved
from monitor.version_monitor import VersionMonitor
from monitor.windows.panes import Pane

MALFORMED: Final = (
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    AttributeError,
    StateError,
    ValidationError,
)
"""What reading a value raises that is not of the form that was written."""


@dataclass(frozen=True, slots=True)
class Asleep:
    """The saved windows of one version."""

    state: Mapping[str, Any]
    """Its entry in the head of its model."""
    panes: Mapping[int, bytes]
    """Its closed panes by their slot in the ring, packed."""
    closed: int
    """Panes closed so far."""

    def resume(self, monitor: VersionMonitor) -> None:
        """Let a fresh monitor go on here; raises one of MALFORMED where it cannot."""
        stream, saved = monitor.stream, self.state
        kept = range(max(0, self.closed - stream.ring), self.closed)
        stream.restore(
            int(saved["events"]), [self._pane(i, stream.ring) for i in kept], saved["open"]
        )
        accepted = [accepted_of_saved(one) for one in saved.get("accepted", ())]
        monitor.rebased.restore(accepted, saved["battery"], stream)
        monitor.checks.restore(saved["checks"])
        monitor.resends = int(saved["resends"])
        monitor.faults.extend((int(n), str(f), str(r), value) for n, f, r, value in saved["faults"])
        monitor.attributions.restore(saved.get("attributions", ()))

    def _pane(self, index: int, ring: int) -> Pane:
        raw = self.panes.get(index % ring)
        saved = None if raw is None else unpack(raw)
        if saved is None or saved["index"] != index:
            raise StateError(f"pane {index} is missing")
        return Pane(
            index=int(saved["index"]),
            span=Span(**saved["span"]),
            codes=saved["codes"],
            offsets=saved["offsets"],
            occurred_us=saved["occurred_us"],
        )
