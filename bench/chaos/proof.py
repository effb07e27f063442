"""The proof: one log, an undisturbed run, a disturbed run, the recount.

In: a plan, an empty folder. Out: `Proof`. Never: a process that outlives it.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.chaos import log_file
from bench.chaos.disturbing import Run, Story
from bench.chaos.fleet import Ended
from bench.chaos.plan import Plan, schedule
from bench.chaos.recount import SHOWN, Check, recount, states
from bench.chaos.site import Site, load, new_site, register
from devstack import stack

FEWEST_MOVES = 10
"""Fewer alerts would prove nothing."""
LONGEST_STOP_S = 10.0
"""A worker that is asked to end has drained by then."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was found."""

    checks: tuple[Check, ...]
    calm: Story
    shaken: Story
    ended: tuple[Ended, ...]
    assignments: int
    longest_stop_s: float
    states: Counter[str]
    seconds: float

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)


def prove(plan: Plan, folder: Path, *, say: Callable[[str], None]) -> Proof:
    """Run everything on a stack of its own; the folder holds the logs after."""
    began = time.monotonic()
    file, stack_folder = folder / "input", folder / "stack"
    log_file.write(plan, file)
    say(f"wrote {plan.events:,} events; starting Kafka and ClickHouse in {folder}")
    info = stack.up(stack_folder)
    try:
        calm, shaken = (new_site(info, plan, folder / name, name) for name in ("calm", "shaken"))
        say(f"registered {register(plan, [calm, shaken])} versions; loading the log")
        load(calm, file, plan.events)
        say("the undisturbed run")
        alone = _run(calm, stack_folder, plan, disturbed=False)
        say(f"took {alone.story.seconds:.0f} s; the disturbed run")
        among = _run(shaken, stack_folder, plan, disturbed=True)
        say(f"took {among.story.seconds:.0f} s; the recount")
        checks = [
            *_course(alone, "the undisturbed run"),
            *_course(among, "the disturbed run"),
            *recount(file, calm, shaken),
        ]
        found = states(calm)
        few = min(found["firing"], found["resolved"])
        checks.append(
            Check(
                "enough alerts fired and resolved to compare",
                "yes",
                "yes" if few >= FEWEST_MOVES else f"only {dict(found)}",
            )
        )
    finally:
        stack.down(stack_folder)
    return Proof(
        checks=tuple(checks),
        calm=alone.story,
        shaken=among.story,
        ended=(*alone.fleet.ended, *among.fleet.ended),
        assignments=among.fleet.assignments,
        longest_stop_s=max(alone.fleet.longest_stop_s, among.fleet.longest_stop_s),
        states=found,
        seconds=time.monotonic() - began,
    )


def _run(site: Site, stack_folder: Path, plan: Plan, *, disturbed: bool) -> Run:
    run = Run(site, stack_folder, plan, plan.workers if disturbed else 1)
    run.run(schedule(plan) if disturbed else [])
    return run


def _course(run: Run, which: str) -> list[Check]:
    """Whether a run went as planned."""
    fleet, story = run.fleet, run.story
    return [
        Check(f"{which} consumed everything", "yes", "yes" if story.finished else "no"),
        Check(f"disturbances left out of {which}", "0", str(story.left_out)),
        Check(
            f"workers that ended by themselves in {which}",
            "0",
            str(len(fleet.ended)),
            tuple(
                f"{one.slot} with exit code {one.code}: {one.log}" for one in fleet.ended[:SHOWN]
            ),
        ),
        Check(
            f"SIGTERM ends every worker of {which} within {LONGEST_STOP_S:.0f} s",
            "yes",
            "yes" if fleet.longest_stop_s < LONGEST_STOP_S else f"{fleet.longest_stop_s:.1f} s",
        ),
    ]
