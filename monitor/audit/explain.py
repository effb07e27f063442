"""Why did the model predict this? Everything that the database knows about one prediction.

In: a `Reader`, an event id, the model where the id alone does not tell. Out: an `Explanation`.
Never: a guess at what is not stored, a table scanned, a value unmasked: what is read is what was
kept.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from monitor.attribution.surrogate import Surrogate
from monitor.audit.cards import lineage, registered_for
from monitor.audit.explanation import (
    AlertFact,
    Contributions,
    EarlierPrediction,
    Explanation,
    FeatureFact,
    Logged,
    Namesake,
    Resend,
)
from monitor.audit.outcomes import outcome_of
from monitor.audit.places import place_of
from monitor.clock import to_us
from monitor.errors import ConfigError, NotFoundError, ProfileError
from monitor.sketches.profile import Profile, Reference
from monitor.storage import audit_queries as ask
from monitor.storage.reader import Reader
from schemas.model import FeatureSpec, ModelCard
from schemas.values import USABLE_FAULTS

EARLIER: Final = 5
"""Earlier predictions of the same entity that are shown."""

_PLACE: Final = ("model", "occurred_at", "topic", "partition", "offset")
_MONTH: Final = timedelta(days=31)
_AT_ONCE: Final = 4
_EVER: Final = datetime(1900, 1, 1, tzinfo=UTC)

Row = Mapping[str, Any]


def explain(reader: Reader, event_id: str, model: str | None = None) -> Explanation:
    """The explanation of a prediction.

    Raises NotFoundError where none of that id is stored (and says whether it was rejected),
    ConfigError where several models have it and none is named.
    """
    places = reader.rows(ask.PLACES_OF_EVENT, {"event_id": event_id})
    place, rest = _chosen(_once(places), event_id, model)
    if place is None:
        raise _not_found(reader, event_id, model)
    [row] = reader.rows(ask.RECORD, {name: place[name] for name in _PLACE})
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # what surrounds it, in one round of waiting
        asked = (
            pool.submit(registered_for, reader, row),
            pool.submit(_before, reader, row),
            pool.submit(_alerts, reader, row),
            pool.submit(_namesakes, reader, row, rest),
        )
        registered, (earlier, labels) = asked[0].result(), asked[1].result()
        alerts, namesakes = asked[2].result(), asked[3].result()
    card, profile = registered.card, registered.profile
    values = {name: _logged(row, name, card) for name in _names(row, card)}
    contributions, parts = _contributions(row, values, profile)
    return Explanation(
        **{
            name: row[name]
            for name in (
                *("event_id", "model", "model_version", "occurred_at", "sent_at", "appended_at"),
                *("topic", "partition", "offset", "registered", "repeated", "role", "status"),
                *("request_id", "entity_id", "trace_id", "latency_ms", "prediction"),
                *("prediction_number", "score", "scores", "segments"),
            )
        },
        features=tuple(
            _feature(name, value, row, card, profile, parts.get(name))
            for name, value in values.items()
        ),
        contributions=contributions,
        card=registered.fact,
        lineage=lineage(registered.registrations, row["model_version"], row["appended_at"]),
        alerts=alerts,
        earlier=tuple(_earlier(one, values, labels) for one in earlier),
        outcome=outcome_of(row, labels.get(row["event_id"], []), card),
        resends=tuple(_resend(one) for one in rest if one["model"] == row["model"]),
        namesakes=namesakes,
        notes=registered.notes,
    )


def _once(places: Sequence[Row]) -> list[Row]:
    """Each record once, in the order of arrival: until a merge a repeat is seen twice."""
    found = {(one["topic"], one["partition"], one["offset"]): one for one in places}
    return sorted(found.values(), key=lambda one: (one["appended_at"], one["offset"]))


def _chosen(
    places: Sequence[Row], event_id: str, model: str | None
) -> tuple[Row | None, list[Row]]:
    """The record that was predicted first, and the others."""
    models = sorted({one["model"] for one in places})
    if model is None and len(models) > 1:
        raise ConfigError(
            f"event id {event_id!r} is of {len(models)} models: {', '.join(models)}; "
            "name one with --model"
        )
    own = [one for one in places if model in (None, one["model"])]
    first = min(own, key=lambda one: one["repeated"], default=None)
    return first, [one for one in places if one is not first]


def _before(reader: Reader, row: Row) -> tuple[list[Row], dict[str, list[Row]]]:
    """The entity's nearest earlier predictions, and the labels of all of them and of the row.

    Nearby ones are looked for first: most entities that come at all come often.
    """
    at, found = row["occurred_at"], list[Row]()
    asked = {"model": row["model"], "entity_id": row["entity_id"], "limit": EARLIER}
    for since in (at - _MONTH, _EVER) if row["entity_id"] else ():
        rows = reader.rows(ask.EARLIER_OF_ENTITY, asked | {"since": since, "until": at})
        found = list({one["event_id"]: one for one in rows}.values())
        if len(rows) == EARLIER:
            break
    return found, _labels(reader, row, [one["event_id"] for one in found])


def _not_found(reader: Reader, event_id: str, model: str | None) -> NotFoundError:
    of_model = f" of model {model!r}" if model else ""
    rejected = reader.rows(ask.REJECTED_OF_EVENT, {"event_id": event_id})
    if rejected:
        first = rejected[0]
        place = f"{first['topic']}[{first['partition']}] offset {first['offset']}"
        why = "; ".join(first["messages"]) or ", ".join(first["reasons"])
        return NotFoundError(f"event {event_id!r}{of_model} was rejected: {place}: {why}")
    return NotFoundError(
        f"no prediction{of_model} with event id {event_id!r} is stored: check the id and the "
        "model, or it is older than retention.predictions_days, or erased"
    )


def _labels(reader: Reader, row: Row, earlier_ids: list[str]) -> dict[str, list[Row]]:
    """Labels by event id, the newest first; one that names the request is the row's too."""
    found = reader.rows(
        ask.LABELS_FOR,
        {
            "model": row["model"],
            "event_ids": [row["event_id"], *earlier_ids],
            "request_id": row["request_id"],
        },
    )
    by_event: dict[str, list[Row]] = {}
    for label in found:
        by_event.setdefault(label["event_id"] or row["event_id"], []).append(label)
    return by_event


def _names(row: Row, card: ModelCard | None) -> list[str]:
    """The card's features in its order, then what else was logged."""
    logged = [*row["numbers"], *row["strings"], *row["faults"]]
    return list(dict.fromkeys([*(card.features if card else ()), *logged]))


def _logged(row: Row, name: str, card: ModelCard | None) -> Logged:
    if name in row["strings"]:
        return str(row["strings"][name])
    if name not in row["numbers"]:
        return None
    value = float(row["numbers"][name])
    spec = card.features.get(name) if card else None
    if spec and spec.type == "boolean" and value in (0.0, 1.0):
        return bool(value)
    if spec and spec.type == "category" and value.is_integer():
        return int(value)
    return value


def _feature(
    name: str,
    value: Logged,
    row: Row,
    card: ModelCard | None,
    profile: Profile | None,
    part: float | None,
) -> FeatureFact:
    spec = card.features.get(name) if card else None
    fault = row["faults"].get(name, "")
    columns = profile.columns if profile else ()
    reference = next((column for column in columns if column.name == name), None)
    why = _why_no_place(value, fault, spec, profile, reference)
    place = None
    if not why and reference is not None and value is not None:
        place = place_of(reference, value, to_us(row["occurred_at"]))
    return FeatureFact(
        name=name,
        value=value,
        logged=value is not None,
        fault=fault,
        type=spec.type if spec else "",
        sensitivity=spec.sensitivity if spec else "",
        known_at=row["feature_times"].get(name),
        place=place,
        why_no_place="" if place else why or "the reference has no value of it",
        contribution=part,
    )


def _why_no_place(
    value: Logged,
    fault: str,
    spec: FeatureSpec | None,
    profile: Profile | None,
    reference: Reference | None,
) -> str:
    if spec is not None and spec.sensitivity == "drop":
        return "nothing of it is kept (sensitivity: drop)"
    if fault and fault not in USABLE_FAULTS:
        return f"no usable value ({fault})"
    if value is None:
        return "no value was logged"
    if profile is None:
        return "no profile"
    return "" if reference is not None else "not in the profile"


def _contributions(
    row: Row, values: Mapping[str, Logged], profile: Profile | None
) -> tuple[Contributions, dict[str, float]]:
    """Where they come from, and each feature's."""
    sent = dict(row["attributions"])
    if sent:
        others = {name: part for name, part in sent.items() if name not in values}
        note = "as the serving team sent them"
        return Contributions("sent", note, None, others), sent
    try:
        surrogate = Surrogate.of(profile) if profile else None
    except ProfileError as error:  # of another release: all else can still be said
        return Contributions("none", f"no attributions sent; {error}", None, {}), {}
    if surrogate is None:
        why = "no attributions sent, no surrogate in this profile"
        return Contributions("none", why, None, {}), {}
    usable = {
        name: None if row["faults"].get(name, "") not in ("", *USABLE_FAULTS) else value
        for name, value in values.items()
    }
    answer = str(row["prediction"])
    parts = surrogate.contributions(usable, answer=answer)
    score = surrogate.score(usable, answer=answer)
    note = f"no attributions sent: of a surrogate fitted on the reference that {surrogate.trust}"
    return Contributions("surrogate", note, score, {}), parts


def _alerts(reader: Reader, row: Row) -> tuple[AlertFact, ...]:
    found = reader.rows(
        ask.ALERTS_ON_AT,
        {"model": row["model"], "model_version": row["model_version"], "at": row["occurred_at"]},
    )
    tags = {"", *row["segments"].values()}
    tags |= {f"{name}={tag}" for name, tag in row["segments"].items()}
    return tuple(
        AlertFact(**{name: one[name] for name in AlertFact.__dataclass_fields__})
        for one in found
        if one["segment"] in tags
    )


def _earlier(
    one: Row, now: Mapping[str, Logged], labels: Mapping[str, list[Row]]
) -> EarlierPrediction:
    then = {**one["numbers"], **one["strings"]}
    came = labels.get(one["event_id"], [])
    return EarlierPrediction(
        event_id=one["event_id"],
        model_version=one["model_version"],
        occurred_at=one["occurred_at"],
        prediction=one["prediction"],
        score=one["score"],
        changed={
            name: (then.get(name), value) for name, value in now.items() if then.get(name) != value
        },
        label=came[0]["label"] if came else None,
    )


def _resend(one: Row) -> Resend:
    return Resend(
        topic=one["topic"],
        partition=one["partition"],
        offset=one["offset"],
        appended_at=one["appended_at"],
        model_version=one["model_version"],
        counted=not one["repeated"],
    )


def _namesakes(reader: Reader, row: Row, rest: Sequence[Row]) -> tuple[Namesake, ...]:
    asked = {"model": row["model"], "request_id": row["request_id"], "at": row["occurred_at"]}
    answers = reader.rows(ask.ANSWERS_TO_REQUEST, asked) if row["request_id"] else []
    return (
        *(_namesake(one, "event_id") for one in rest if one["model"] != row["model"]),
        *(_namesake(one, "request_id") for one in answers if one["event_id"] != row["event_id"]),
    )


def _namesake(one: Row, same: Literal["event_id", "request_id"]) -> Namesake:
    names = ("model", "model_version", "event_id", "occurred_at", "role", "prediction", "score")
    return Namesake(**{name: one[name] for name in names}, same=same)
