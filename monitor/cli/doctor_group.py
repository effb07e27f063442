"""What `plumbline doctor` says of the group: who works, what waits, how old the state is."""

from typing import TYPE_CHECKING, Final

from monitor.cli.doctor import Check

if TYPE_CHECKING:
    from monitor.config import Settings

LONGEST_WAIT_S: Final = 60.0
"""A record that has waited longer is a problem: a worker commits every second."""


def group_checks(settings: "Settings") -> list[Check]:
    """Live workers, consumer lag and the ages; raises BrokerError, ConfigError."""
    from monitor.clock import SystemClock
    from monitor.intake.group import group_status

    found = group_status(settings, SystemClock())
    group = settings.kafka.group_id
    waiting = ", ".join(f"{count:,} of {topic}" for topic, count in found.waiting.items())
    waited_s = found.waited_s or 0.0
    if not found.workers:
        problem = "records wait for one" if waiting else ""
        fix = "plumbline run" if waiting else ""
        workers = [Check(f"no worker of group {group} runs", problem, fix)]
    else:
        workers = [
            Check(f"worker {worker.slot} on {worker.host} has {worker.partitions} partitions")
            for worker in found.workers
        ]
    checks = [*workers, Check("no record waits")]
    if waiting:
        late = waited_s > LONGEST_WAIT_S and found.workers
        checks[-1] = Check(
            f"records wait: {waiting}; the oldest for {waited_s:,.0f} s",
            f"longer than {LONGEST_WAIT_S:.0f} s" if late else "",
            "look at `problem` in /readyz or in the workers' logs, else add workers"
            if late
            else "",
        )
    if found.state_age_s is not None:
        checks.append(Check(f"the state was last written {found.state_age_s:,.0f} s ago"))
    return checks
