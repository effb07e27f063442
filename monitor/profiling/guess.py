"""A first model card from a data file: every guess is marked, so that a person can correct it.

In: a `Dataset` read without a card. Out: the YAML text of a card that loads as it stands.
Never: an owner made up; a range so narrow that next month's ordinary values fall out of it.
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from monitor.errors import ConfigError
from monitor.profiling.columns import EXACT_INTEGER, Column
from monitor.profiling.dataset import EVENT_COLUMNS, LABEL, SCORE_PREFIX, Dataset
from monitor.profiling.hidden import SuspectedNull, suspected_nulls
from schemas.contract import MAX_NAME_CHARS
from schemas.prediction import MAX_FEATURES

MAX_LISTED_CATEGORIES: Final = 30
ROWS_PER_CATEGORY: Final = 20
"""A list of categories is believed to be whole when each was seen this often on average."""
MAX_CLASSES: Final = 50
NEAR_ZERO_SHARE: Final = 0.1
"""Nothing below 0 is expected where the smallest value is this close to it, against the spread."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/ +-]*[A-Za-z0-9]|[A-Za-z0-9]")


def guess_card(dataset: Dataset) -> str:
    """The YAML of a card for the data set's model."""
    features = _feature_columns(dataset)
    task, why = _task(dataset)
    lines = [
        f"# Model card written from {Path(dataset.source).name} ({dataset.n_rows:,} rows).",
        "# A line with `guess` was read off the data: look at it, correct it, delete the comment.",
        f"model: {_scalar(_model_name(dataset))}  # guess: {_model_reason(dataset)}",
        f"model_version: {_scalar(_version(dataset))}  # guess: {_version_reason(dataset)}",
        "# owner:  # who answers for the model: alerts carry it",
        "#   team: ",
        "#   contact: ",
        f"task: {task}  # guess: {why}",
        *_classes(dataset, task),
        "features:",
    ]
    for name in features:
        lines += _feature_lines(dataset.columns[name])
    others = [name for name in dataset.columns if name not in features]
    if others:
        lines.append(f"# guess: no features: {', '.join(_scalar(name) for name in others)}")
    return "\n".join(lines) + "\n"


def _feature_columns(dataset: Dataset) -> list[str]:
    scores = set(dataset.score_columns().values()) if _has_class_scores(dataset) else set()
    names = [name for name in dataset.columns if name not in EVENT_COLUMNS and name not in scores]
    names = [name for name in names if dataset.columns[name].kind != "time"]
    if not names:
        raise ConfigError(
            f"{dataset.source}: no column is left for a feature (columns: "
            f"{', '.join(dataset.columns)}): a model card needs at least one"
        )
    too_long = [name for name in names if len(name) > MAX_NAME_CHARS]
    if too_long or len(names) > MAX_FEATURES:
        raise ConfigError(
            f"{dataset.source}: {len(names)} feature columns, {len(too_long)} with names beyond "
            f"{MAX_NAME_CHARS} characters: a card takes {MAX_FEATURES} features with shorter names"
        )
    return names


def _feature_lines(column: Column) -> list[str]:
    counts = column.counts()
    hidden = suspected_nulls(counts)
    for suspect in hidden:
        counts.pop(suspect.value)
    kind, why = _feature_type(column, counts)
    lines = [f"  {_scalar(column.name)}:", f"    type: {kind}  # guess: {why}"]
    if kind == "number":
        lines += _range_lines(counts)
    elif kind == "category":
        lines += _category_lines(counts)
    if column.null_count() or hidden:
        lines.append(f"    nullable: true  # guess: {_null_reason(column, hidden)}")
    if hidden:
        values = ", ".join(_scalar(suspect.value) for suspect in hidden)
        reasons = "; ".join(f"{suspect.count:,} times, {suspect.reason}" for suspect in hidden)
        lines.append(f"    hidden_nulls: [{values}]  # guess: {reasons}")
    return lines


def _null_reason(column: Column, hidden: tuple[SuspectedNull, ...]) -> str:
    nulls = column.null_count()
    if not nulls:
        return "it has hidden nulls"
    return f"{nulls:,} nulls ({nulls / len(column):.1%}){' and hidden ones' if hidden else ''}"


def _feature_type(column: Column, counts: dict[Any, int]) -> tuple[str, str]:
    """Type of a feature by what is left of its values without the suspected nulls."""
    if column.kind == "boolean":
        return "boolean", "only true and false"
    if column.kind == "number":
        return "number", "only numbers"
    if column.kind == "empty" or not counts:
        return "number", "no value seen"
    if all(isinstance(value, int | float) for value in counts):
        return "number", "numbers beside words for null"
    return "category", "text"


def _range_lines(counts: dict[Any, int]) -> list[str]:
    values = [v for v in counts if isinstance(v, int | float) and math.isfinite(v)]
    if len(values) < 2:
        return []
    low, high = min(values), max(values)
    spread = high - low
    floor, ceiling = _round_down(low - spread), _round_up(high + spread)
    whole = all(float(value).is_integer() for value in values)
    if low >= 0 and (whole or low <= spread * NEAR_ZERO_SHARE):
        floor = max(floor, 0.0)
    if not math.isfinite(floor) or not math.isfinite(ceiling):
        return []
    seen = f"seen {low:g} to {high:g}, widened by the same again"
    return [f"    min: {_scalar(floor)}  # guess: {seen}", f"    max: {_scalar(ceiling)}  # guess"]


def _category_lines(counts: dict[Any, int]) -> list[str]:
    names = sorted(str(value) for value in counts)
    rows = sum(counts.values())
    if len(names) > MAX_LISTED_CATEGORIES or rows < ROWS_PER_CATEGORY * len(names):
        return [f"    # guess: any category ({len(names):,} seen in {rows:,} rows)"]
    if any(not name or len(name) > MAX_NAME_CHARS for name in names):
        return [f"    # guess: any category ({len(names):,} seen, some empty or very long)"]
    listed = ", ".join(_scalar(name) for name in names)
    return [f"    categories: [{listed}]  # guess: all that were seen"]


def _task(dataset: Dataset) -> tuple[str, str]:
    """binary, multiclass or regression, from the outputs, else from the label."""
    columns = dataset.columns
    if _has_class_scores(dataset):
        classes = len(dataset.score_columns())
        return ("multiclass" if classes > 2 else "binary"), f"scores of {classes} classes"
    for name in ("prediction", LABEL):
        column = columns.get(name)
        if column is None or column.kind == "empty":
            continue
        distinct = column.counts()
        if column.kind == "boolean" or len(distinct) <= 2:
            return "binary", f"{name} has {len(distinct)} values"
        if column.kind == "text":
            return "multiclass", f"{name} is text with {len(distinct)} values"
        if "score" in columns:
            return "binary", "there is one score"
        whole = all(isinstance(value, int) for value in distinct)
        if whole and len(distinct) <= MAX_LISTED_CATEGORIES:
            return "multiclass", f"{name} has {len(distinct)} whole values"
        return "regression", f"{name} is a number"
    return "binary", "there is one score" if "score" in columns else "no output to tell it from"


def _has_class_scores(dataset: Dataset) -> bool:
    """`score_<class>` columns are scores where there are two or more, all of them numbers."""
    columns = [dataset.columns[name] for name in dataset.score_columns().values()]
    return len(columns) >= 2 and all(column.kind == "number" for column in columns)


def _classes(dataset: Dataset, task: str) -> Iterator[str]:
    if task != "multiclass":
        return
    if _has_class_scores(dataset):
        names = list(dataset.score_columns())
        reason = f"the columns {SCORE_PREFIX}<class>"
    elif "prediction" in dataset.columns:
        names = sorted(str(value) for value in dataset.columns["prediction"].counts())
        reason = "the predictions seen"
    else:
        return
    if len(names) <= MAX_CLASSES and all(0 < len(name) <= MAX_NAME_CHARS for name in names):
        listed = ", ".join(_scalar(name) for name in names)
        yield f"classes: [{listed}]  # guess: {reason}"


def _model_name(dataset: Dataset) -> str:
    named = _only_value(dataset, "model")
    if named is not None:
        return named
    stem = Path(dataset.source).name.split(".", 1)[0]
    return re.sub(r"[^A-Za-z0-9._:-]+", "-", stem).strip("-._:") or "model"


def _model_reason(dataset: Dataset) -> str:
    return "column model" if _only_value(dataset, "model") else "the file's name"


def _version(dataset: Dataset) -> str:
    return _only_value(dataset, "model_version") or "1"


def _version_reason(dataset: Dataset) -> str:
    found = _only_value(dataset, "model_version")
    return "column model_version" if found else "the file does not say one"


def _only_value(dataset: Dataset, name: str) -> str | None:
    """The most frequent value of an identifier column, if there is one."""
    column = dataset.columns.get(name)
    if column is None or not (counts := column.counts()):
        return None
    return str(max(counts.items(), key=lambda item: (item[1], str(item[0])))[0])


def _scalar(value: object) -> str:
    """One YAML scalar in one line, quoted where it would be read as something else.

    >>> print(*(_scalar(value) for value in ("AA", "NO", "2013-01", "a: b", "", -999.0)))
    AA "NO" 2013-01 "a: b" "" -999
    """
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_INTEGER:
        return str(int(value))
    if not isinstance(value, str):
        return str(yaml.safe_dump(value)).split("\n", 1)[0]
    if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _round_down(value: float) -> float:
    return -_round_up(-value)


def _round_up(value: float) -> float:
    """The next number of two significant digits.

    >>> _round_up(123.4), _round_up(-123.4), _round_up(0.0)
    (130.0, -120.0, 0.0)
    """
    if value == 0 or not math.isfinite(value):
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{math.ceil(value / step) * step:.12g}")
