"""`plumbline explain`: why did the model predict this?"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.audit.explanation import Explanation, FeatureFact, Outcome, Place

RARE: Final = 100.0
"""From one in so many on a value is marked."""
_NUMBERS: Final = ("value", "adds", "percentile", "share")


@click.command("explain")
@click.argument("event_id", metavar="EVENT_ID")
@click.option("--model", help="The model, where several have the id.")
@click.option("--json", "as_json", is_flag=True, help="As JSON; docs/audits.md has the fields.")
@click.pass_context
def explain_command(ctx: click.Context, event_id: str, model: str | None, as_json: bool) -> None:
    """Say everything that is stored about one prediction.

    What the model saw, how usual that is, what each feature added, under which card it answered,
    what was known to be wrong then, what came before, and whether it was right.
    """
    import json

    from monitor.audit.explain import explain
    from monitor.storage.reader import Reader

    with Reader(current_settings(ctx).clickhouse) as reader:
        found = explain(reader, event_id, model)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, allow_nan=False, indent=2))
    else:
        from monitor.cli.console import console

        show(found, console())


def show(found: "Explanation", screen: "Console") -> None:
    """Print an explanation: the answer first, what is odd next, the rest below."""
    for line in (*_head(found), *_oddities(found)):
        screen.print(line)
    screen.print()
    screen.print(_features(found))
    screen.print(f"contributions: {found.contributions.note}")
    for title, lines in (
        ("card", _card(found)),
        ("alerts on at that time", _alerts(found)),
        ("before, of the same entity", _earlier(found)),
        ("elsewhere", _elsewhere(found)),
    ):
        if lines:
            screen.print(f"\n{title}", style="bold")
            for line in lines:
                screen.print(f"  {line}")


def _head(found: "Explanation") -> list[str]:
    score = "" if found.score is None else f"  score {found.score:.4g}"
    tags = "".join(f"  {name}={tag}" for name, tag in sorted(found.segments.items()))
    return [
        f"{found.model} {found.model_version} answered {found.prediction}{score}",
        f"{found.event_id}  {_time(found.occurred_at)}  {found.role}, {found.status}{tags}"
        + (f"  entity {found.entity_id}" if found.entity_id else ""),
        f"at {found.topic}[{found.partition}] offset {found.offset}",
        _outcome(found.outcome),
    ]


def _outcome(outcome: "Outcome | None") -> str:
    if outcome is None:
        return "no label yet: nobody knows whether it was right"
    verdict = {True: "RIGHT", False: "WRONG", None: "known"}[outcome.right]
    loss = "" if outcome.loss is None else f", {outcome.loss_name} {outcome.loss:.4g}"
    was = f", corrected from {', '.join(outcome.earlier_labels)}" if outcome.earlier_labels else ""
    late = ", after the label horizon" if outcome.late else ""
    return (
        f"{verdict}: the truth is {outcome.label} ({_time(outcome.observed_at)}{late}{was}{loss})"
    )


def _oddities(found: "Explanation") -> list[str]:
    lines = [f"! {name}: {fault}" for name, fault in found.faults.items()]
    lines += [
        f"! {fact.name} = {_value(fact.value)}: {_rarity(fact.place)} in {fact.place.compared_with}"
        for fact in found.features
        if fact.place and (fact.place.unseen or _is_rare(fact.place))
    ]
    lines += [f"! {note}" for note in found.notes]
    if found.resends:
        lines.append(f"! sent {1 + len(found.resends)} times")
    return lines


def _features(found: "Explanation") -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("feature", "value", "adds", "percentile", "share", "rarity", "usual", "fault"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    for fact in sorted(found.features, key=lambda fact: -abs(fact.contribution or 0.0)):
        table.add_row(*_row(fact))
    return table


def _row(fact: "FeatureFact") -> list[str]:
    place = fact.place
    adds = "" if fact.contribution is None else f"{fact.contribution:+.4f}"
    fault = fact.fault if place else fact.fault or fact.why_no_place
    if place is None:
        return [fact.name, _value(fact.value), adds, "", "", "", "", fault]
    percentile = "" if place.percentile is None else f"{place.percentile:.1f}"
    usual = ""
    if place.reference_low is not None:
        low, middle, high = place.reference_low, place.reference_median, place.reference_high
        usual = f"{low:g} .. {middle:g} .. {high:g}"
    share = f"{100 * place.share:.1f} %"
    return [fact.name, _value(fact.value), adds, percentile, share, _rarity(place), usual, fault]


def _rarity(place: "Place") -> str:
    if place.one_in is None:
        return f"unseen among {place.of:,}" if place.unseen else f"rarer than 1 in {place.of:,}"
    return f"1 in {place.one_in:,.0f}" if place.one_in >= 2 else "usual"


def _is_rare(place: "Place") -> bool:
    return place.one_in is None or place.one_in >= RARE


def _card(found: "Explanation") -> list[str]:
    card = found.card
    if card is None:
        return []
    lines = [
        f"{card.card_hash}  registered {_time(card.registered_at)}",
        f"owner {card.owner_team or 'nobody'}  {card.owner_contact}  {card.runbook}".rstrip(),
        f"profile {card.profile_hash or 'none'}",
        f"data set {card.dataset_fingerprint or 'unknown'}",
    ]
    if card.reference_started_at and card.reference_ended_at:
        span = f"{_time(card.reference_started_at)} to {_time(card.reference_ended_at)}"
        lines.append(f"reference {card.reference_rows:,} rows, {span}")
    return lines + [
        f"version {one.model_version} from {one.previous_version}: "
        f"{one.retrain_reason or 'no reason given'}"
        for one in found.lineage
        if one.previous_version
    ]


def _alerts(found: "Explanation") -> list[str]:
    return [
        f"{one.state:<10}  {one.severity:<8}  {one.alertname} {one.feature} {one.segment}".rstrip()
        + f"  since {_time(one.starts_at)}: {one.reason}  ({one.fingerprint})"
        for one in found.alerts
    ]


def _earlier(found: "Explanation") -> list[str]:
    lines = []
    for one in found.earlier:
        score = "" if one.score is None else f" ({one.score:.4g})"
        truth = f", truth {one.label}" if one.label is not None else ""
        changed = ", ".join(
            f"{name} {_value(then)} -> {_value(now)}" for name, (then, now) in one.changed.items()
        )
        lines.append(f"{_time(one.occurred_at)}  {one.prediction}{score}{truth}  {one.event_id}")
        lines.append(f"    changed since: {changed or 'nothing'}")
    return lines


def _elsewhere(found: "Explanation") -> list[str]:
    return [
        f"{one.model} {one.model_version} ({one.role}) answered {one.prediction}: same {one.same}, "
        f"{one.event_id}"
        for one in found.namesakes
    ] + [
        f"resend at {one.topic}[{one.partition}] offset {one.offset}, {_time(one.appended_at)}"
        for one in found.resends
    ]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
