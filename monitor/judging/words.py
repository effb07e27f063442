"""One plain sentence for a person: what changed, how much, over which events.

In: a finding. Out: the `summary` of its alert, which names the model whoever reads it. Never: a
decision.
"""

from monitor.clock import to_datetime
from monitor.findings import Finding


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
