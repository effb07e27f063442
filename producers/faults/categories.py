"""Faults of categories: cut, written otherwise, new.

In: traffic, draws. Out: what is done to which feature. Never: a number touched.
"""

from collections.abc import Mapping
from typing import Any, Final

from producers.errors import FaultError
from producers.faults.fault import Drawn, Draws, Fault, Sent, always, some
from producers.faults.traffic import Traffic

_NEW: Final = ("ZZ9", "X-1", "new_value")


def _mapped(name: str, mapping: Mapping[str, str]) -> Any:
    def change(sent: Sent) -> Sent:
        value = sent.features.get(name)
        if not isinstance(value, str):
            return sent
        return sent.with_features({name: mapping.get(value, value)})

    return always(change)


def _truncated(traffic: Traffic, draws: Draws) -> Drawn:
    found = [name for name in traffic.grouped() if max(map(len, traffic.categories(name))) > 1]
    if not found:
        raise FaultError(f"no category of {traffic.card.model} is longer than one character")
    name = str(draws.choice(found))
    longest = max(map(len, traffic.categories(name)))
    size = int(draws.integers(1, min(longest, 11)))

    def change(sent: Sent) -> Sent:
        value = sent.features.get(name)
        return sent.with_features({name: value[:size]}) if isinstance(value, str) else sent

    return Drawn(f"{name} is cut after {size} characters", (name,), always(change))


def _reencoded(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.grouped()))
    known = sorted(traffic.categories(name))
    ways = ["index", "permutation"]
    if any(value.lower() != value for value in known):
        ways.append("lower case")
    way = str(draws.choice(ways))
    if way == "index":
        mapping = {value: str(place) for place, value in enumerate(known)}
    elif way == "lower case":
        mapping = {value: value.lower() for value in known}
    else:
        turn = int(draws.integers(1, len(known)))
        mapping = dict(zip(known, known[turn:] + known[:turn], strict=True))
    return Drawn(f"{name} is encoded anew: {way}", (name,), _mapped(name, mapping))


def _new_category(traffic: Traffic, draws: Draws) -> Drawn:
    name = str(draws.choice(traffic.grouped()))
    value = str(draws.choice(_NEW))
    share = round(float(draws.uniform(0.15, 0.8)), 2)
    change = some(share, lambda sent: sent.with_features({name: value}))
    return Drawn(f"{name} is {value!r} in {share:.0%} of the events", (name,), change)


FAULTS: Final = (
    Fault(
        "truncated_categories",
        "a category is cut after some characters",
        ("CategoryEncoding",),
        "values",
        _truncated,
    ),
    Fault(
        "reencoded_categories",
        "a category is encoded anew: lower case, its index, or a permutation",
        ("CategoryEncoding",),
        "values",
        _reencoded,
    ),
    Fault(
        "new_category",
        "a share of the events has a category that nobody has seen",
        ("UnseenCategories",),
        "values",
        _new_category,
    ),
)
