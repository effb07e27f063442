"""The figures of `bench.models` as an outcome."""

from bench.machine import versions_line
from bench.models import measure as figures_of
from bench.models import table
from bench.suite.outcome import Claim, Outcome


def measure(*, quick: bool = False) -> Outcome:
    """All figures; each is the median of its rounds already."""
    figures = figures_of(100, 1) if quick else figures_of()
    claims = tuple(
        Claim(one.name, one.wanted, f"{one.value:.3g} {one.unit}", one.met if one.wanted else None)
        for one in figures
    )
    return Outcome(claims, table(figures), versions_line("numpy", "pyarrow"))
