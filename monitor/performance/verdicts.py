"""Verdicts on versions as measurements that feed alerts.

In: what a comparison or a chain of them says. Out: a measurement. Never: a verdict of its own.
"""

import numpy as np

from monitor.findings import Measurement, Verdict
from monitor.performance.blocks import BLOCK_ROWS
from monitor.performance.chain import ChainRise
from monitor.performance.compare import VersionVerdict


def regressed_measurement(verdict: VersionVerdict) -> Measurement:
    """A new version that is worse than the one it replaces, beyond doubt within the budget."""
    difference = verdict.difference
    words = (
        f"rollback recommended: version {verdict.new} loses {difference:.4f} more a prediction "
        f"than {verdict.old}, over {verdict.labelled:,} labelled predictions "
        f"({verdict.pairing or 'matched'}; standard error {verdict.standard_error:.4f})"
    )
    return _worse(
        "regressed",
        statistic=verdict.evidence,
        effect=difference,
        p_value=float(min(1.0, np.exp(-verdict.evidence))),
        n=verdict.labelled,
        visible=verdict.smallest_visible,
        reason=words,
        values={
            "difference": difference,
            "standard_error": verdict.standard_error,
            "smallest_difference": verdict.smallest_visible,
        },
    )


def chain_measurement(rise: ChainRise) -> Measurement:
    """Versions that each lost a little, together too much."""
    words = (
        f"over {rise.links} replacements, from version {rise.first} to {rise.last}, the loss has "
        f"risen by {rise.difference:.4f} a prediction (standard error {rise.standard_error:.4f})"
    )
    return _worse(
        "chain",
        statistic=rise.difference / rise.standard_error,
        effect=rise.difference,
        p_value=rise.p_value,
        n=rise.links * BLOCK_ROWS,
        visible=rise.difference,
        reason=words,
        values={"difference": rise.difference, "standard_error": rise.standard_error},
    )


def _worse(
    check: str,
    *,
    statistic: float,
    effect: float,
    p_value: float,
    n: int,
    visible: float,
    reason: str,
    values: dict[str, float],
) -> Measurement:
    return Measurement(
        check=check,
        feature="prediction",
        scale=0,
        verdict=Verdict.DRIFT,
        statistic=float(statistic),
        effect=float(effect),
        threshold=0.0,
        p_value=p_value,
        n_ref=n,
        n_cur=n,
        n_effective=float(n),
        smallest_visible=float(visible),
        cleared=False,
        immediate=True,
        reason=reason,
        values=values,
    )
