"""The outcome as text: the table on the screen and bench/CHAOS.md."""

from bench.chaos.plan import Plan
from bench.chaos.proof import Proof
from bench.machine import commit_line, machine_line, versions_line

PACKAGES = ("kafka-python", "clickhouse-connect", "chdb", "numpy", "river")


def table(plan: Plan, proof: Proof) -> str:
    """The moments of the disturbed run, then every check."""
    lines = [_heading(plan, proof), "", f"{'second':>8}{'consumed':>12}  disturbance"]
    lines += [
        f"{moment.at_s:>8.1f}{moment.consumed:>12,}  {moment.what}"
        for moment in proof.shaken.moments
    ]
    lines += ["", f"{'':4}{'expected':>28}{'found':>28}  check"]
    for check in proof.checks:
        mark = "ok" if check.holds else "NO"
        lines.append(f"{mark:<4}{check.expected:>28}{check.found:>28}  {check.claim}")
        lines += [f"      {difference}" for difference in check.differences]
    return "\n".join(lines)


def page(plan: Plan, proof: Proof) -> str:
    """bench/CHAOS.md."""
    moves = ", ".join(f"{count:,} {state}" for state, count in proof.states.most_common())
    lines = [
        "# Nothing lost, nothing twice: the last run",
        "",
        "Written by `make chaos`. Both runs read the very same log; the undisturbed one is a",
        "single worker.",
        "",
        _heading(plan, proof),
        "",
        f"- {machine_line()}",
        f"- {versions_line(*PACKAGES)}",
        f"- {commit_line()}",
        f"- published moves: {moves}",
        "",
        "| | check | expected | found |",
        "|---|---|---|---|",
    ]
    for check in proof.checks:
        mark = "ok" if check.holds else "**NO**"
        lines.append(f"| {mark} | {check.claim} | {check.expected} | {check.found} |")
    lines += ["", "## Disturbances", "", "| second | consumed | what |", "|---:|---:|---|"]
    lines += [
        f"| {moment.at_s:.1f} | {moment.consumed:,} | {moment.what} |"
        for moment in proof.shaken.moments
    ]
    return "\n".join(lines) + "\n"


def _heading(plan: Plan, proof: Proof) -> str:
    return (
        f"{plan.events:,} events, {plan.models} models, {plan.partitions} partitions, "
        f"{plan.workers} workers, seed {plan.seed}: {plan.kills} kills, {plan.rebalances} "
        f"rebalances, {plan.broker_restarts} broker restarts, {plan.outages} ClickHouse outages; "
        f"undisturbed {proof.calm.seconds:.0f} s, disturbed {proof.shaken.seconds:.0f} s, "
        f"{proof.assignments} assignments, slowest stop {proof.longest_stop_s:.1f} s, "
        f"{proof.seconds:.0f} s in all"
    )
