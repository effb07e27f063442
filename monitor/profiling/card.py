"""Model cards as people write them: a YAML file in, a checked `ModelCard` out.

Never: a network call; a key that is passed over in silence (a misspelt key would be a setting
that somebody believes in).
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from monitor.errors import ConfigError
from schemas.model import ModelCard

MAX_CARD_BYTES = 4_000_000


def load_card(path: Path) -> ModelCard:
    """Read a model card; ConfigError names key, value and fix."""
    if not path.is_file():
        raise ConfigError(
            f"model card {path} does not exist: write one with `plumbline init DATA --out {path}`"
        )
    if path.stat().st_size > MAX_CARD_BYTES:
        raise ConfigError(
            f"model card {path} has {path.stat().st_size} bytes: at most {MAX_CARD_BYTES} are read"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"model card {path} cannot be read: {error}") from None
    return parse_card(text, str(path))


def parse_card(text: str, source: str) -> ModelCard:
    """A model card from YAML text; `source` names it in errors."""
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"model card {source} is not YAML: {error}") from None
    if not isinstance(loaded, dict):
        raise ConfigError(
            f"model card {source} holds a {type(loaded).__name__}: it must map keys to values, "
            "beginning with `model:`"
        )
    unknown = [
        f"model card {source}: unknown key {where}{_suggestion(name, known)}"
        for where, name, known in _unknown_keys(ModelCard, loaded, "")
    ]
    if unknown:
        raise ConfigError("\n".join(unknown))
    try:
        return ModelCard.model_validate(loaded)
    except ValidationError as error:
        raise ConfigError(_explain(error, source)) from None


def _unknown_keys(
    model: type[BaseModel], values: Mapping[str, Any], where: str
) -> Iterator[tuple[str, str, list[str]]]:
    """(path, key, known keys) of each key that no field of `model` answers to."""
    fields = model.model_fields
    for key, value in values.items():
        path = f"{where}{key}"
        if key not in fields:
            yield path, str(key), list(fields)
            continue
        inner = _model_in(fields[key].annotation)
        if inner is None:
            continue
        for name, part in _parts(value, is_map=_is_map(fields[key].annotation)):
            yield from _unknown_keys(inner, part, f"{path}{name}.")


def _parts(value: object, *, is_map: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The nested records inside one value: itself, or those of a list or of a map."""
    if isinstance(value, list):
        yield from ((f"[{i}]", item) for i, item in enumerate(value) if isinstance(item, dict))
    elif isinstance(value, dict) and is_map:
        yield from ((f".{k}", item) for k, item in value.items() if isinstance(item, dict))
    elif isinstance(value, dict):
        yield "", value


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _is_map(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is dict


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f": did you mean {close[0]!r}?"
    return f": remove it; keys here are {', '.join(known)}"


def _explain(error: ValidationError, source: str) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "(whole card)"
        value = problem.get("input")
        shown = "" if isinstance(value, dict | list) else f" = {value!r}"
        lines.append(f"model card {source}: {key}{shown}: {problem['msg']}; {_fix(problem, key)}")
    return "\n".join(lines)


def _fix(problem: Any, key: str) -> str:
    if problem["type"] == "missing":
        return f"add `{key.rsplit('.', 1)[-1]}:`"
    if problem["type"] == "string_type":
        return f'put it in quotes: "{problem.get("input")}"'
    return "correct it in the card"
