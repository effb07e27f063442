"""Faults that put nothing, or a stand-in for nothing, where a value should be; and broken schemas.

In: traffic, draws. Out: what is done to which feature. Never: an output touched.
"""

from typing import Any, Final

from producers.errors import FaultError
from producers.faults.fault import Drawn, Draws, Fault, Sent, always, some
from producers.faults.traffic import Traffic

_NUMBERS: Final = (-999, -1, 9999, -9999)
_TEXTS: Final = ("?", "-", "none", "")
_SHARES: Final = (0.25, 0.9)


def _share(draws: Draws) -> float:
    return round(float(draws.uniform(*_SHARES)), 2)


def _default(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.continuous()))
    values = traffic.numbers(name)
    usual = (0.0, round(float(values.mean()), 2))
    spec = traffic.card.features[name]
    fits = [
        value
        for value in usual
        if float((values == value).mean()) < 0.05 and value not in spec.hidden_nulls
    ]
    value = float(draws.choice(fits or [usual[1]]))
    share = _share(draws)
    change = some(share, lambda sent: sent.with_features({name: value}))
    return Drawn(f"{name} is {value:g} in {share:.0%} of the events", (name,), change, _told(value))


def _hidden(traffic: Traffic, draws: Draws) -> Drawn:
    found = [*traffic.continuous(), *_groups(traffic)]
    name = str(draws.choice(found))
    spec = traffic.card.features[name]
    if spec.type == "category":
        taken = {*spec.hidden_nulls, *traffic.categories(name)}
        free: list[Any] = [text for text in _TEXTS if text not in taken]
    else:
        known = traffic.numbers(name)
        free = [n for n in _NUMBERS if n not in spec.hidden_nulls and not (known == n).any()]
    if not free:
        raise FaultError(f"the card of {traffic.card.model} knows every placeholder of {name}")
    value = free[int(draws.integers(len(free)))]
    share = _share(draws)
    change = some(share, lambda sent: sent.with_features({name: value}))
    return Drawn(f"{name} is {value!r} in {share:.0%} of the events", (name,), change, _told(value))


def _told(value: float | str) -> tuple[tuple[str, ...], ...]:
    """The placeholder itself has to be named."""
    return ((f"{value:g}" if isinstance(value, int | float) else repr(value),),)


def _groups(traffic: Traffic) -> list[str]:
    try:
        return traffic.grouped()
    except FaultError:
        return []


def _nulls(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(list(traffic.card.features)))
    share = _share(draws)
    change = some(share, lambda sent: sent.with_features({name: None}))
    return Drawn(f"{name} is null in {share:.0%} of the events", (name,), change)


def _gone(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(list(traffic.card.features)))
    change = always(lambda sent: _renamed(sent, name, None))
    return Drawn(f"{name} is no longer sent", (name,), change)


def _rename(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(list(traffic.card.features)))
    new = str(draws.choice([f"{name}_v2", name.upper(), f"feature_{name}"]))
    change = always(lambda sent: _renamed(sent, name, new))
    return Drawn(f"{name} is sent as {new}", (name, new), change)


def _renamed(sent: Sent, name: str, new: str | None) -> Sent:
    features = {key: value for key, value in sent.features.items() if key != name}
    if new is not None and name in sent.features:
        features[new] = sent.features[name]
    return sent.with_fields(features=features)


def _retyped(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.continuous()))

    def change(sent: Sent) -> Sent:
        value = sent.features.get(name)
        return sent if value is None else sent.with_features({name: f"{value}"})

    return Drawn(f"{name} is sent as text", (name,), always(change))


FAULTS: Final = (
    Fault(
        "default_value",
        "a default (0 or the mean) stands for a share of the values",
        ("PlaceholderBurst",),
        "mode",
        _default,
        names_cause=True,
    ),
    Fault(
        "hidden_nulls",
        "a share of the values is a placeholder that the card does not list",
        ("PlaceholderBurst",),
        "mode",
        _hidden,
        names_cause=True,
    ),
    Fault("null_burst", "a share of the values is null", ("MissingValues",), "missing", _nulls),
    Fault("column_gone", "a feature is no longer sent", ("SchemaBreak",), "missing", _gone),
    Fault(
        "column_renamed",
        "a feature is sent under another name",
        ("SchemaBreak",),
        "missing",
        _rename,
    ),
    Fault("type_changed", "a number is sent as text", ("SchemaBreak",), "type", _retyped),
)
