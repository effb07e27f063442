"""The root cause of what labels say: which features moved in the labelled rows, and where.

In: the shares of cells in the rows since the loss rose, segments, the surrogate. Out: a
`RootCause`, in the same words as that of a window. Never: a row.
"""

from collections.abc import Mapping

from monitor.attribution.root_cause import LEAST_SHARE, MOST, Cause, RootCause
from monitor.attribution.surrogate import Surrogate
from monitor.performance.breakdown import Behind


def cause_of_labels(
    behind: Behind,
    surrogate: Surrogate | None,
    version: str,
    attributions: Mapping[str, float] | None = None,
) -> RootCause:
    """Features by drift (total variation of their cells) times importance; without any, segments.

    **Blind to** features that the labelled rows do not hold (beyond the first 32).
    """
    moved = {} if surrogate is None else _moved(behind, surrogate)
    if attributions and any(name in attributions for name in moved):
        importance = {name: attributions.get(name, 0.0) for name in moved}
        trust = "drift x the attributions that the model sent"
    else:
        importance = {} if surrogate is None else surrogate.importance
        trust = (
            ""
            if surrogate is None
            else (f"drift x importance in a surrogate that {surrogate.trust}")
        )
    weights = {name: drift * importance[name] for name, (drift, _) in moved.items()}
    total = sum(weights.values())
    ranked = sorted(weights, key=lambda name: (-weights[name], name))[:MOST]
    return RootCause(
        causes=tuple(
            Cause(
                feature=name,
                drift=moved[name][0],
                importance=importance[name],
                share=weights[name] / total,
                words=f"{name} {weights[name] / total:.0%} (drift {moved[name][0]:.2f}, "
                f"{moved[name][1]})",
            )
            for name in ranked
            if total > 0 and weights[name] >= LEAST_SHARE * total
        ),
        by="surrogate" if surrogate is not None else "drift",
        trust=trust,
        version=version,
        first_pane=None,
        since_us=behind.since_us,
        segments=behind.segments,
    )


def _moved(behind: Behind, surrogate: Surrogate) -> dict[str, tuple[float, str]]:
    """Feature to its drift, and the cell that moved most, in words."""
    found = {}
    for one, part in surrogate.cells.parts():
        if one.name not in behind.shares:
            continue
        usual = dict(zip(map(one.words, range(one.size)), surrogate.shares[part], strict=True))
        now = dict.fromkeys(usual, 0.0)
        for words, share in behind.shares[one.name].items():
            now[words if words in usual else f"{one.name} other"] += share
        gone = {words: now[words] - float(share) for words, share in usual.items()}
        most = max(gone, key=lambda words: abs(gone[words]))
        drift = sum(map(abs, gone.values())) / 2
        found[one.name] = (drift, f"{most} {usual[most]:.0%} -> {now[most]:.0%}")
    return found
