"""What a backtest says in words, the same on a terminal and on a page.

In: a `BacktestResult`. Out: sentences. Never: markup.
"""

from collections.abc import Iterator

from monitor.backtest.labels import LabelCoverage
from monitor.backtest.result import BacktestResult
from monitor.profiling.tables import CANNOT_TELL

SHOWN_FAULTS = 10


def read_words(result: BacktestResult) -> Iterator[tuple[str, bool]]:
    """What was read, each sentence with whether it is a warning."""
    card = result.card
    yield (
        (
            f"{result.source}: {result.events:,} rows, {result.tested:,} tested as "
            f"{card.model} {card.model_version}"
        ),
        False,
    )
    if result.time is None:
        yield "there is no column occurred_at: alerts are told by their rows", True
    else:
        yield f"from {result.time.started} to {result.time.ended}", False
        if result.time.first_backward_row is not None:
            yield (
                (
                    f"event time goes backwards {result.time.backward_steps:,} times, first at row "
                    f"{result.time.first_backward_row - 1:,}, by at most "
                    f"{result.time.largest_step_back_seconds:,.0f} s: the rows were taken in the "
                    "order of the file; sort it by occurred_at if that is not how they came"
                ),
                True,
            )
    for version, n in result.other_versions.items():
        yield f"{n:,} rows are of version {version}, which is not the card's: not tested", True
    for reason, n in result.refused.items():
        yield f"{n:,} rows are no predictions ({reason}): not tested", True
    if result.repeated:
        yield f"{result.repeated:,} rows repeat a recent event id: not tested", True
    faults = sorted(result.faults.items(), key=lambda item: (-item[1], item[0]))
    for (feature, reason), n in faults[:SHOWN_FAULTS]:
        yield f"{n:,} values of {feature} are faulty: {reason}", False
    if result.labels is not None:
        yield label_words(result.labels), False


def label_words(labels: LabelCoverage) -> str:
    """How many events got a label, and when."""
    words = [f"{labels.source}: {labels.labels:,} labels, for {labels.coverage:.1%} of the events"]
    if labels.delay_hours:
        half, most, nearly_all = labels.delay_hours
        words.append(f"half within {half:.1f} h, 90 % {most:.1f} h, 99 % {nearly_all:.1f} h")
    if labels.unknown:
        words.append(f"{labels.unknown:,} of events that are not here")
    if labels.repeated:
        words.append(f"{labels.repeated:,} of events that had one already")
    if labels.early:
        words.append(f"{labels.early:,} observed before their event")
    return "; ".join(words)


def budget_words(result: BacktestResult) -> str:
    """The budget for false alarms, and what it means for as many events."""
    budget = result.card.monitoring.false_alarms_per_30_days
    return (
        f"budget: {budget:g} false alarms in 30 days over all tests, which allows "
        f"{result.expected_false_alarms:.2g} in these {result.tested:,} events; shifts below "
        f"{result.card.monitoring.effect_floor:g} are left alone"
    )


def blind_words(result: BacktestResult) -> list[str]:
    """What cannot tell, and why."""
    windows = [note.words for note in result.battery.explain()]
    blind = [words for words in windows if words.startswith(CANNOT_TELL)]
    blind += [note.words for note in result.battery.explain_events() if not note.on]
    return list(dict.fromkeys(blind))
