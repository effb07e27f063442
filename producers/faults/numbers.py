"""Faults of numbers: units, offsets, exchanged columns, stuck and noisy sensors, time zones.

In: traffic, draws. Out: what is done to which feature. Never: a category or an output touched.
"""

from typing import Any, Final

import numpy as np

from producers.errors import FaultError
from producers.faults.fault import Drawn, Draws, Fault, Sent, always, each, number_of
from producers.faults.traffic import Traffic

KM_PER_MILE: Final = 1.609344
CENTS: Final = 100.0
_WARM: Final = ("temp", "dew", "fahrenheit", "degree")
_DAYS: Final = {1439.0: 60.0, 1440.0: 60.0, 23.0: 1.0, 24.0: 1.0, 86399.0: 3600.0, 86400.0: 3600.0}
"""Largest value of a time of day to how much an hour is."""
_HOURS: Final = (-8, -5, -4, -3, -2, 2, 3, 4, 5, 8)


def _linear(name: str, factor: float, offset: float) -> Any:
    def change(sent: Sent) -> Sent:
        value = number_of(sent, name)
        return sent if value is None else sent.with_features({name: value * factor + offset})

    return always(change)


def _times(factor: float, words: str, cause: tuple[str, ...]) -> Any:
    def draw(traffic: Traffic, draws: Draws) -> Drawn:
        name = str(draws.choice(traffic.continuous(lambda values: float(values.min()) >= 0)))
        return Drawn(f"{name} {words}", (name,), _linear(name, factor, 0.0), (cause,))

    return draw


def _celsius(traffic: Traffic, draws: Draws) -> Drawn:
    found = [
        name
        for name in traffic.continuous(lambda values: values.min() > -60 and values.max() < 150)
        if any(
            word in f"{name} {traffic.card.features[name].description}".lower() for word in _WARM
        )
    ]
    if not found:
        raise FaultError(
            f"no feature of {traffic.card.model} looks like a temperature in Fahrenheit by its "
            "name, description and range"
        )
    name = str(draws.choice(found))
    change = _linear(name, 5 / 9, -32 * 5 / 9)
    return Drawn(f"{name} in Celsius instead of Fahrenheit", (name,), change, (("celsius",),))


def _offset(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.continuous()))
    sigmas = float(draws.uniform(1.0, 3.0)) * float(draws.choice([-1, 1]))
    offset = round(sigmas * float(traffic.numbers(name).std()), 2)
    return Drawn(f"{name} {offset:+g} ({sigmas:+.1f} sigma)", (name,), _linear(name, 1.0, offset))


def _mean_shift(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.continuous()))
    sigmas = float(draws.uniform(0.5, 2.0)) * float(draws.choice([-1, 1]))
    sigma = float(traffic.numbers(name).std())

    def change(sent: Sent, draws: Draws) -> Sent:
        value = number_of(sent, name)
        if value is None:
            return sent
        return sent.with_features({name: value + sigma * (sigmas + 0.2 * draws.normal())})

    return Drawn(f"the mean of {name} moves by {sigmas:+.1f} sigma", (name,), each(change))


def _noise(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.continuous()))
    sigmas = float(draws.uniform(1.0, 3.0))
    sigma = float(traffic.numbers(name).std())

    def change(sent: Sent, draws: Draws) -> Sent:
        value = number_of(sent, name)
        if value is None:
            return sent
        return sent.with_features({name: value + sigma * sigmas * draws.normal()})

    return Drawn(f"{name} gets noise of {sigmas:.1f} sigma", (name,), each(change))


def _swap(traffic: Traffic, draws: Draws) -> Drawn:
    found = traffic.continuous()
    if len(found) < 2:
        raise FaultError(f"{traffic.card.model} has no two number features to be swapped")
    first, second = (str(name) for name in draws.choice(found, size=2, replace=False))

    def change(sent: Sent) -> Sent:
        features = sent.features
        return sent.with_features({first: features.get(second), second: features.get(first)})

    words = f"{first} and {second} are exchanged"
    return Drawn(words, (first, second), always(change), ((first,), (second,)))


def _stuck(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.continuous()))
    value = traffic.last(name)
    change = always(lambda sent: sent.with_features({name: value}))
    return Drawn(f"{name} is stuck at {value:g}", (name,), change, _STUCK)


_STUCK: Final = (("stuck", "same value", "one value", "constant", "frozen"),)


def _stuck_category(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.grouped()))
    value = traffic.last(name)
    change = always(lambda sent: sent.with_features({name: value}))
    return Drawn(f"{name} is stuck at {value!r}", (name,), change, _STUCK)


def _time_zone(traffic: Traffic, draws: Draws) -> Drawn:
    found = {
        name: (float(spec.max) + (0.0 if spec.max in (24, 1440, 86400) else 1.0), _DAYS[spec.max])
        for name, spec in traffic.card.features.items()
        if spec.type == "number" and spec.min == 0 and spec.max in _DAYS
    }
    if not found:
        raise FaultError(
            f"no feature of {traffic.card.model} is a time of day by its card: min 0 and max 23, "
            "1439 or 86399"
        )
    name = str(draws.choice(list(found)))
    day, hour = found[name]
    hours = int(draws.choice(_HOURS))

    def change(sent: Sent) -> Sent:
        value = number_of(sent, name)
        return sent if value is None else sent.with_features({name: (value + hours * hour) % day})

    words = f"{name} is {hours:+d} hours off, as in another time zone"
    numbers = (f"{abs(hours)} h", f"-{abs(hours)} h", f"{24 - abs(hours)} h")
    return Drawn(words, (name,), always(change), (numbers,))


def _shuffle(traffic: Traffic, draws: Draws) -> Drawn:
    """The feature of another event among the last 200: each value comes once, at another place."""
    found = traffic.continuous()
    pairs = {name: _strongest(traffic, name, found) for name in found}
    name = max(pairs, key=lambda each: pairs[each])
    depth = int(draws.integers(100, 400))

    def begin() -> Any:
        kept: list[Any] = []

        def step(sent: Sent, on: bool, draws: Draws) -> tuple[Sent, ...]:
            kept.append(sent.features.get(name))
            if len(kept) <= depth:
                return (sent,)
            value = kept.pop(int(draws.integers(len(kept))))
            return (sent.with_features({name: value}) if on else sent,)

        return step

    words = f"{name} comes from another of the last {depth} events"
    return Drawn(words, ("", name), begin)


def _strongest(traffic: Traffic, name: str, others: list[str]) -> float:
    """The strongest correlation of a feature with another one."""
    columns = {
        each: np.array([_or_nan(event["features"].get(each)) for event in traffic.events])
        for each in others
    }
    best = 0.0
    for other in others:
        both = np.isfinite(columns[name]) & np.isfinite(columns[other])
        if other != name and both.sum() > 2:
            best = max(
                best, abs(float(np.corrcoef(columns[name][both], columns[other][both])[0, 1]))
            )
    return best


def _or_nan(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else np.nan


FAULTS: Final = (
    Fault(
        "unit_miles_to_km",
        "a number is multiplied by 1.609: kilometres instead of miles",
        ("UnitChange",),
        "values",
        _times(KM_PER_MILE, "in kilometres instead of miles", ("kilomet", "km", "1.609", "1.61")),
        names_cause=True,
    ),
    Fault(
        "unit_fahrenheit_to_celsius",
        "a temperature comes in Celsius instead of Fahrenheit",
        ("UnitChange",),
        "values",
        _celsius,
        names_cause=True,
    ),
    Fault(
        "unit_cents",
        "a number is multiplied by 100: cents instead of euros",
        ("UnitChange",),
        "values",
        _times(CENTS, "times 100, as cents instead of euros", ("cent", "100")),
        names_cause=True,
    ),
    Fault(
        "offset_shift",
        "a constant is added to a number",
        ("FeatureDrift",),
        "values",
        _offset,
        accepted=("UnitChange",),
    ),
    Fault("mean_shift", "the mean of a number moves", ("FeatureDrift",), "values", _mean_shift),
    Fault("noise", "a number gets noisy", ("FeatureDrift",), "values", _noise),
    Fault(
        "swapped_columns",
        "two numbers are exchanged",
        ("SwappedColumns",),
        "values",
        _swap,
        names_cause=True,
    ),
    Fault(
        "stuck_feature",
        "a number keeps its last value",
        ("StuckFeature",),
        "values",
        _stuck,
        names_cause=True,
    ),
    Fault(
        "stuck_category",
        "a category keeps its last value",
        ("StuckFeature",),
        "values",
        _stuck_category,
        names_cause=True,
    ),
    Fault(
        "time_zone",
        "a time of day is whole hours off",
        ("TimeZoneShift",),
        "values",
        _time_zone,
        names_cause=True,
    ),
    Fault(
        "joint_shuffle",
        "a column is shuffled against the others; its own distribution stays",
        ("CorrelationBreak",),
        "values",
        _shuffle,
        accepted=("JointDrift",),
    ),
)
