"""One named cause for each feature: which check's word counts where several could explain it.

In: what all checks say at one look, and what they have raised. Out: the same without the words of
a check that a more specific one explains. Never: a measurement of its own.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from monitor.findings import Measurement, Verdict

CAUSES: Final = (
    "schema",
    "stuck",
    "placeholder",
    "swap",
    "time_zone",
    "unit",
    "encoding",
)
"""Checks that name a cause, the one that counts first. The others stand beside them."""

ALWAYS: Final = 2
"""So many of them overrule what was raised before."""


def one_cause(
    measurements: Iterable[Measurement], raised: Mapping[str, Collection[str]]
) -> list[Measurement]:
    """Drop a claim on a feature that another check explains.

    That is the check that has raised it and not cleared it, whoever came first, but for the first
    two of `CAUSES`, which always count; of new claims the one that stands first there. `raised`
    maps checks to features. Where a check that is overruled had raised the feature itself, it
    cannot tell any more: that moves no alert.
    """
    found = list(measurements)
    owners: dict[str, int] = {}
    cleared = {(m.check, m.feature) for m in found if m.verdict is Verdict.OK}
    for place, check in enumerate(CAUSES):
        for feature in raised.get(check, ()):
            if (check, feature) not in cleared:
                owners.setdefault(feature, place)
    claimed = dict(owners)
    for m in found:
        if m.check in CAUSES and m.verdict is Verdict.DRIFT:
            place = CAUSES.index(m.check)
            if m.feature not in claimed or place < ALWAYS:
                owners[m.feature] = min(owners.get(m.feature, place), place)
    kept = []
    for m in found:
        owner = owners.get(m.feature)
        if m.check not in CAUSES or owner in (None, CAUSES.index(m.check)) or m.cleared:
            kept.append(m)
        elif m.feature in raised.get(m.check, ()):
            reason = f"{m.feature}: {CAUSES[owner]} explains it"
            kept.append(m._replace(verdict=Verdict.CANNOT_TELL, cleared=False, reason=reason))
    return kept
