"""Sensitivity classes: what is kept of a value, applied before anything else sees it.

In: values as JSON gave them, and the model cards. Out: the values that may be kept, and how many
were masked. Never: a masked value in clear, in a fault, a message or a copy; an exception for any
value.

Values are judged first and masked then, so a range or a list of categories in the card still counts
for a masked feature. What the card itself names (hidden nulls) and what is no value (null, NaN) is
nobody's secret and stays.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import orjson

from monitor.errors import ConfigError
from monitor.events import Float64
from monitor.validation.values import MISSING
from schemas.model import FeatureSpec, ModelCard
from schemas.values import ENTITY_FIELD, HashKey, as_float, category_text, value_fault

REST_CATEGORY: Final = "(rest)"
"""Stands for every category that a `bucket` feature's card does not list."""

_STRENGTH: Final = ("raw", "bucket", "hash", "drop")
_PUBLIC_FAULTS: Final = frozenset({"hidden_null", "non_finite"})
_SCALARS: Final = (str, int, float, bool, type(None))
_KEPT_FIELDS: Final = (
    *("schema_version", "event_id", "request_id", "trace_id", "model", "model_version"),
    *("occurred_at", "observed_at", "role", "status", "latency_ms", "score", "prediction", "label"),
)
_KEPT_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Mask:
    """What is kept of one feature whose sensitivity is `hash` or `bucket`."""

    name: str
    spec: FeatureSpec
    key: HashKey | None

    @property
    def judged(self) -> FeatureSpec:
        """The spec that raw values are judged by: with buckets, no category is unseen."""
        if self.spec.sensitivity == "bucket" and self.spec.categories is not None:
            return self.spec.model_copy(update={"categories": None})
        return self.spec

    def kept(self, value: Any) -> Any:
        """What is kept of one value."""
        if value is None or value is MISSING:
            return value
        fault = value_fault(self.spec, value)
        if fault in _PUBLIC_FAULTS:
            return as_float(value) if isinstance(value, int) else value
        if self.key is not None:
            return self.key.text(self.name, value)
        if self.spec.type == "number":
            return None if fault == "wrong_type" else float(self.edges(as_float(value)))
        if fault is None:
            return category_text(value)
        return REST_CATEGORY

    def all_kept(self, values: Iterable[Any]) -> list[Any]:
        """What is kept of a column: each distinct value is masked once."""
        known: dict[tuple[type, Any], Any] = {}
        kept = []
        for value in values:
            pair = (type(value), value)
            if pair not in known:
                known[pair] = self.kept(value)
            kept.append(known[pair])
        return kept

    def edges(self, numbers: Any) -> Any:
        """The lower edge of the bucket of each number, NaN where there is none.

        >>> spec = FeatureSpec(type="number", sensitivity="bucket", buckets=(0, 18, 65))
        >>> Mask("age", spec, None).edges(np.array([17.0, 18.0, 99.0, -5.0, np.nan])).tolist()
        [0.0, 18.0, 65.0, 0.0, nan]
        """
        edges: Float64 = np.array(self.spec.buckets, dtype=np.float64)
        place = np.maximum(np.searchsorted(edges, numbers, side="right") - 1, 0)
        return np.where(np.isnan(numbers), np.nan, edges[place])


@dataclass(frozen=True, slots=True)
class CardMasks:
    """What is kept of the events of some versions of a model."""

    masks: dict[str, Mask]
    dropped: frozenset[str]
    known: frozenset[str]
    """Features that a card names. Of any other nothing is kept where the model is sensitive."""
    entity: str = "raw"
    key: HashKey | None = None

    @classmethod
    def of(cls, cards: Sequence[ModelCard], key: HashKey | None) -> Self:
        """The strictest class that any of a model's cards gives; the latest card among equals.

        Raises ConfigError where a card hashes and there is no key, or another one.
        """
        strictest: dict[str, FeatureSpec] = {}
        entity = "raw"
        for card in cards:
            check_key(card, key)
            for name, spec in card.features.items():
                before = strictest.get(name, spec)
                if _strength(spec.sensitivity) >= _strength(before.sensitivity):
                    strictest[name] = spec
            entity = max(entity, card.entity_sensitivity, key=_strength)
        return cls(
            masks={
                name: Mask(name, spec, key if spec.sensitivity == "hash" else None)
                for name, spec in strictest.items()
                if spec.sensitivity in ("hash", "bucket")
            },
            dropped=frozenset(n for n, spec in strictest.items() if spec.sensitivity == "drop"),
            known=frozenset(strictest),
            entity=entity,
            key=key,
        )

    @property
    def sensitive(self) -> bool:
        """Whether there is anything to mask."""
        return bool(self.masks or self.dropped) or self.entity != "raw"

    def drop(self, features: Sequence[dict[str, Any]]) -> int:
        """Take out what is not kept at all; gives how many values that were."""
        return sum(
            values.pop(name, MISSING) is not MISSING for name in self.dropped for values in features
        )

    def mask_entity(self, event: dict[str, Any]) -> int:
        """Mask `entity_id`; gives 1 where there was one."""
        entity = event.get(ENTITY_FIELD)
        if entity is None or self.entity == "raw":
            return 0
        if self.entity == "hash" and self.key is not None:
            event[ENTITY_FIELD] = self.key.text(ENTITY_FIELD, entity)
        else:
            del event[ENTITY_FIELD]
        return 1

    def mask_features(self, features: dict[str, Any], redacted: Counter[str]) -> None:
        """Mask the features of an event that no card of its own describes, or of a label."""
        for name, value in list(features.items()):
            mask = self.masks.get(name)
            if name not in self.known or name in self.dropped:
                del features[name]
                redacted["drop" if name in self.known else "unknown"] += 1
            elif mask is not None:
                features[name] = mask.kept(value)
                redacted[mask.spec.sensitivity] += value is not None


WITHHOLDING: Final = CardMasks({}, frozenset(), frozenset(), entity="drop")
"""Keeps no feature and no entity: for sensitive models whose card was not taken."""


def masked_original(body: dict[str, Any], masks: CardMasks) -> bytes:
    """A refused record of a sensitive model: what the contract names, masked; all else left out."""
    payload = body
    if "specversion" in body and isinstance(body.get("data"), dict):
        payload = body["data"]
    kept: dict[str, Any] = {"plumbline": "masked"}
    for name in _KEPT_FIELDS:
        value = payload.get(name)
        if value is not None and isinstance(value, _SCALARS) and len(str(value)) <= _KEPT_CHARS:
            kept[name] = value
    if isinstance(payload.get(ENTITY_FIELD), str):
        kept[ENTITY_FIELD] = payload[ENTITY_FIELD]
        masks.mask_entity(kept)
    for group in ("features", "offline_features"):
        values = payload.get(group)
        if isinstance(values, dict):
            scalars = {n: value for n, value in values.items() if isinstance(value, _SCALARS)}
            masks.mask_features(scalars, Counter())
            kept[group] = scalars
    return orjson.dumps(_storable(kept))


def withheld_original(original: bytes, key: HashKey | None) -> bytes:
    """Stands for a record that cannot be read, and so cannot be masked: its length, its keyed hash.

    Without a key there is no hash: a short record could be guessed from it.

    >>> withheld_original(b"?", None)
    b'{"plumbline":"withheld","size_bytes":1}'
    """
    told: dict[str, Any] = {"plumbline": "withheld", "size_bytes": len(original)}
    if key is not None:
        told["hash"] = key.text("original", original.decode("latin-1"))
    return orjson.dumps(told)


def _storable(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _storable(value)
        if isinstance(value, dict)
        else as_float(value)
        if isinstance(value, int) and not isinstance(value, bool)
        else value
        for name, value in values.items()
    }


def _strength(sensitivity: str) -> int:
    return _STRENGTH.index(sensitivity)


def check_key(card: ModelCard, key: HashKey | None) -> None:
    """Raise ConfigError where the card hashes and the key is absent or another one."""
    if not card.hashes:
        return
    which = f"the card of {card.model} {card.model_version} hashes {', '.join(card.hashes)}"
    if key is None:
        raise ConfigError(
            f"{which}, but there is no key: set sensitivity.hash_key by the variable "
            "PLUMBLINE_SENSITIVITY__HASH_KEY, to the same long random text everywhere"
        )
    if card.hash_key_id not in (None, key.id):
        raise ConfigError(
            f"{which} with the key {card.hash_key_id}, but sensitivity.hash_key is {key.id}: set "
            "the key that the version was registered with, or profile and register it anew"
        )
