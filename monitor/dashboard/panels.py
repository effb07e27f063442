"""Every panel by its name: its title, and one line that says what it shows and in which unit."""

from typing import Final, NamedTuple


class About(NamedTuple):
    """What stands over a panel."""

    title: str
    words: str


PANELS: Final[dict[str, About]] = {
    "models": About(
        "Models",
        "Every registered model and every model that sends events; those with trouble first.",
    ),
    "moves": About("Last moves", "What alerts did last, in event time."),
    "alerts": About("Alerts", "Alerts by their last move, in event time."),
    "traffic": About(
        "Traffic",
        "Tested events in each bucket of event time, by model version.",
    ),
    "drift": About(
        "Drift by feature",
        "Each cell is the look that came nearest to its threshold: effect as a multiple of what an "
        "alert needs; a cell leads to its distribution.",
    ),
    "distribution": About(
        "Reference and window",
        "Share of values (per cent) in the chosen window beside the reference.",
    ),
    "score": About(
        "Level of the answers",
        "Mean, smallest and largest score (or predicted number) in each bucket of event time.",
    ),
    "versions": About(
        "Versions",
        "Every registered version: its events, why it was retrained, what replaced it.",
    ),
    "performance": About(
        "Performance",
        "By closed cohort: realised (line, 95 % band), estimated without labels (dashed), and the "
        "baseline (dotted).",
    ),
    "calibration": About(
        "Calibration", "How often it came true beside what was promised, over the time range."
    ),
    "comparison": About(
        "Versions side by side",
        "Every metric over all labelled predictions, and the verdict on each replacement.",
    ),
    "segments": About("Segments", "The loss by segment over the time range, with its 95 % band."),
    "quality": About(
        "Missing values",
        "Share of events without a usable value, by column and bucket of event time.",
    ),
    "rejections": About(
        "Refused records", "Records that named this model and could not be taken, by first reason."
    ),
    "budget": About(
        "False-alarm budget",
        "Firings that chance alone may cause in 30 days, and what fired in the last 30 days of "
        "events.",
    ),
    "events": About("Newest predictions", "The last predictions as logged; each can be explained."),
    "evidence": About("Evidence", "What was measured, of which events, and what an alert needs."),
    "effects": About(
        "Effect over time",
        "Effect of the test (solid) beside what it has to exceed (dashed), no unit.",
    ),
    "timeline": About("Timeline", "Every published move and every decision, the newest first."),
    "behind": About(
        "Same incident", "Alerts of the same cause; those behind this one notify nobody."
    ),
    "ranked": About("Affected", "Effect by feature, the largest first."),
    "runbook": About("Runbook", "What this kind of alert means, and what to check first."),
    "features": About(
        "What the model saw",
        "Each feature as logged, its place in the reference, and its share in the answer.",
    ),
    "outcome": About("Outcome", "The label, when it came, and whether the answer was right."),
    "alerts_then": About("Alerts then", "Alerts of the model that were on at the prediction."),
    "earlier": About(
        "Earlier predictions", "For the same entity, the nearest first, with what changed."
    ),
    "lineage": About("Lineage", "The version that answered and those before it."),
}
"""A panel that is not here cannot be shown, and the gallery shows all of them in every state."""
