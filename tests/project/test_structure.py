"""The project's own words are true: the steps, the public lists, the documented settings."""

import ast
import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from monitor.config import Settings
from monitor.findings import KINDS, kind_of
from monitor.pipeline import STEPS
from schemas.rejection import RejectionReason, ValueFault

ROOT = Path(__file__).resolve().parents[2]


def test_the_eight_steps_stand_in_architecture_in_their_order() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert " -> ".join(STEPS) in text
    rows = re.findall(r"^\| (\d) ([a-z ]+) \|", text, re.MULTILINE)
    assert [(int(number), name) for number, name in rows] == list(enumerate(STEPS, 1))


def test_every_package_named_in_architecture_exists_and_the_other_way_round() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`monitor/([a-z]+)/`", text))
    there = {folder.parent.name for folder in (ROOT / "monitor").glob("*/__init__.py")}
    assert named == there


def _keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys |= _keys(kind, f"{prefix}{name}.")
        else:
            keys.add(prefix + name)
    return keys


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    sections = "|".join(Settings.model_fields)
    documented = set(re.findall(rf"`((?:{sections})\.[a-z_.]+)`", text))
    assert documented == _keys(Settings)


def test_public_lists_are_sorted_and_true() -> None:
    for file in (ROOT / "schemas" / "__init__.py", ROOT / "producers" / "__init__.py"):
        tree = ast.parse(file.read_text())
        [names] = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        ]
        imported = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert set(names) == imported
        upper = [name for name in names if name.isupper()]
        camel = [name for name in names if not name.isupper() and name[0].isupper()]
        lower = [name for name in names if name[0].islower()]
        assert names == sorted(upper) + sorted(camel) + sorted(lower)


def test_only_the_clock_reads_wall_time() -> None:
    forbidden = re.compile(r"time\.time\(|time\.time_ns\(|datetime\.now\(|\.utcnow\(|date\.today\(")
    offenders = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "monitor").rglob("*.py")
        if forbidden.search(file.read_text()) and file.name != "clock.py"
    ]
    assert offenders == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_reason_and_every_fault_is_documented() -> None:
    section = (ROOT / "docs" / "events.md").read_text().partition("## What is refused")[2]
    reasons, faults = section.partition("\n## ")[0].split("| fault |")
    for text, known in ((reasons, RejectionReason), (faults, ValueFault)):
        assert tuple(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == get_args(known)


def test_every_kind_of_alert_is_documented() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| (.*) \|$", text, re.MULTILINE)
    documented = {(name, category, severity) for name, category, severity, _ in rows}
    kinds = {*KINDS.values(), kind_of("ks", "score")}
    assert documented == {(kind.alertname, kind.category, kind.severity) for kind in kinds}
    raised_by = set(re.findall(r"`(\w+)`", " ".join(row[3] for row in rows)))
    assert set(KINDS) <= raised_by
