"""The page of the drills: every fault, every run, the totals against what is demanded.

In: runs and twins. Out: Markdown. Never: a run left out.
"""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Final

from bench.drills.runs import Run, Twin
from bench.machine import commit_line, machine_line
from monitor.backtest.caught import WITHIN, Firing
from producers.faults import FAULTS

NAMED_SHARE: Final = 0.9


def markdown(runs: Sequence[Run], twins: Sequence[Twin], minutes: float) -> str:
    """The whole page."""
    return "\n".join(_page(runs, twins, minutes)) + "\n"


def _page(runs: Sequence[Run], twins: Sequence[Twin], minutes: float) -> Iterator[str]:
    seeds = len({run.seed for run in runs})
    yield "# Drills"
    yield ""
    yield (
        f"Every fault of `producers/faults/` on the flights of New York, {seeds} seeds each; by "
        f"`python -m bench.drills`, {minutes:.1f} minutes ({machine_line()}; {commit_line()}). "
        "What the words mean: `monitor/backtest/caught.py` and [docs/drills.md]"
        "(../docs/drills.md)."
    )
    yield ""
    yield "## Totals"
    yield ""
    yield "| demanded | found | |"
    yield "|---|---|---|"
    for words, found, holds in _totals(runs, twins):
        yield f"| {words} | {found} | {'yes' if holds else '**no**'} |"
    yield ""
    yield "## Faults"
    yield ""
    yield (
        "`due`: the effect is above the floor and above the smallest one that windows of up to "
        f"{WITHIN:,} events can see (`visible`). Caught, named and cause count due runs; `others` "
        "are the runs that are not due and how many were caught all the same. Delay: median events "
        "from the onset to the first alert, and to the first that names it."
    )
    yield ""
    yield (
        "| fault | month | effect, median (range) | visible | due | caught | named | cause | "
        "delay | named after | others caught |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for fault in FAULTS:
        for month in dict.fromkeys(run.month for run in runs):
            part = [run for run in runs if (run.fault, run.month) == (fault, month)]
            if part:
                yield _row(fault, month, part)
    yield ""
    yield "## Not caught, not named, not due"
    yield ""
    yield "| fault | month | seed | what was done | effect | visible | what came of it |"
    yield "|---|---|---|---|---|---|---|"
    order = {fault: place for place, fault in enumerate(FAULTS)}
    for run in sorted(runs, key=lambda run: (order[run.fault], run.month, run.seed)):
        why = _why(run)
        if why:
            yield (
                f"| {run.fault} | {run.month} | {run.seed} | {run.words} | {run.effect:.2f} | "
                f"{run.visible:.2f} | {why} |"
            )
    yield ""
    yield "## The fault-free twins"
    yield ""
    yield "Alerts that fired after the same onsets without a fault."
    yield ""
    yield "| month | seed | alerts | from checks |"
    yield "|---|---|---|---|"
    for twin in sorted(twins, key=lambda twin: (twin.month, twin.seed)):
        fired = _names(twin.firings)
        yield f"| {twin.month} | {twin.seed} | {fired or '-'} | {_names(twin.from_checks) or '-'} |"


def _names(firings: Sequence[Firing]) -> str:
    return ", ".join(dict.fromkeys(f"{f.alertname} {f.feature}".strip() for f in firings))


def _totals(runs: Sequence[Run], twins: Sequence[Twin]) -> Iterator[tuple[str, str, bool]]:
    due = [run for run in runs if run.due]
    caught = [run for run in due if run.outcome.caught]
    anyhow = [run for run in runs if run.outcome.caught]
    named = [run for run in anyhow if run.outcome.named_by]
    cause = [run for run in anyhow if run.names_cause]
    told = [run for run in cause if run.outcome.cause_by]
    yield _share(f"every due run is caught within {WITHIN:,} events", len(caught), len(due), 1.0)
    yield _share("90 % of the caught runs are named rightly", len(named), len(anyhow), NAMED_SHARE)
    yield _share(
        "unit, swap, stuck, placeholder, time zone: 90 % with the cause named",
        len(told),
        len(cause),
        NAMED_SHARE,
    )
    loud = sum(len(twin.from_checks) for twin in twins)
    words = f"{loud} in {len(twins)} twins"
    yield "the fault-free twins raise nothing from the checks", words, loud == 0


def _share(words: str, part: int, whole: int, least: float) -> tuple[str, str, bool]:
    share = part / whole if whole else 1.0
    return words, f"{part:,} of {whole:,} ({share:.1%})", share >= least


def _row(fault: str, month: str, part: Sequence[Run]) -> str:
    due = [run for run in part if run.due]
    others = [run for run in part if not run.due]
    caught = [run for run in due if run.outcome.caught]
    effects = [run.effect for run in part]
    visible = sorted({round(run.visible, 2) for run in part})
    cells = (
        fault,
        month,
        f"{median(effects):.2f} ({min(effects):.2f} to {max(effects):.2f})",
        f"{visible[0]:.2f}" if len(visible) == 1 else f"{visible[0]:.2f} to {visible[-1]:.2f}",
        str(len(due)),
        str(len(caught)),
        str(sum(run.outcome.named_by is not None for run in due)),
        str(sum(run.outcome.cause_by is not None for run in due)) if part[0].names_cause else "",
        _median(due, lambda run: run.outcome.by.delay if run.outcome.by else None),
        _median(due, lambda run: run.outcome.named_by.delay if run.outcome.named_by else None),
        f"{sum(run.outcome.caught for run in others)} of {len(others)}",
    )
    return "| " + " | ".join(cells) + " |"


def _median(runs: Sequence[Run], delay: Callable[[Run], int | None]) -> str:
    found = [value for run in runs if (value := delay(run)) is not None]
    return f"{median(found):,.0f}" if found else "-"


def _why(run: Run) -> str:
    found = run.outcome
    if found.by is None:
        usual = _names(found.twin)
        also = f"; the twin too raises {usual}" if usual else ""
        if run.due:
            return f"**not caught**{also}"
        return f"not due, not caught{also}"
    told = f"{_names([found.by])} after {found.by.delay:,}"
    if found.named_by is None:
        return f"not named: {told}"
    if run.names_cause and found.cause_by is None:
        return f"cause not named: {told}: {found.named_by.reason}"
    return ""
