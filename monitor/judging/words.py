"""One plain sentence for a person: what changed, how much, over which events.

In: a finding, or a command. Out: the `summary` of its alert, which names the model whoever reads
it; the reason of the move. Never: a decision.
"""

from datetime import UTC

from monitor.clock import to_datetime
from monitor.findings import Finding
from schemas.command import Command

_DONE = {
    "acknowledge": "acknowledged",
    "silence": "silenced",
    "accept": "accepted as normal",
    "close": "closed",
}


def spoken(command: Command) -> str:
    """Who decided what, until when, and why.

    >>> spoken(Command(command_id="1", model="m", action="close", fingerprint="0" * 16, who="ann",
    ...     why="fixed upstream", issued_at="2026-01-01T00:00:00Z"))
    'closed by ann: fixed upstream'
    """
    until = ""
    if command.until is not None and command.action in ("silence", "accept"):
        until = f" until {command.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{_DONE[command.action]}{until} by {command.who}: {command.why}"


def sentence(finding: Finding) -> str:
    """What the finding says, for someone who has never seen the code."""
    m = finding.measurement
    who = f"{finding.model} {finding.model_version}"
    if m.reason and m.check != "joint_shift":
        return m.reason if m.reason.startswith(who) else f"{who}: {m.reason}"
    since = to_datetime(finding.span.started_us).strftime("%Y-%m-%d %H:%M")
    until = to_datetime(finding.span.ended_us).strftime("%Y-%m-%d %H:%M")
    window = f"the last {m.n_cur} events" if m.scale else f"the {m.n_cur} events since the change"
    between = f"{window} ({since} to {until} UTC)"
    if finding.alertname == "MissingValues":
        rate, usual = m.statistic, m.statistic - m.effect
        return (
            f"{who}: {m.feature} is missing in {rate:.1%} of {between}, "
            f"in the reference in {usual:.1%}."
        )
    if finding.alertname == "UnseenCategories":
        share = f"{m.statistic:.1%} of {m.feature}"
        return f"{who}: {share} in {between} are values that the reference never had."
    verb = "differs" if m.verdict == "drift" else "no longer differs enough"
    most = f"; {m.reason}" if m.reason else ""
    return (
        f"{who}: {m.feature or 'the joint distribution'} in {between} {verb} from the reference: "
        f"{m.check} {m.effect:.3f}, threshold {m.smallest_visible:.3f}{most}."
    )
