"""bench/RESULTS.md, composed of what is kept of each item.

In: a folder with a JSON file for each item. Out: the page. Never: an item left out: one that was
not measured, or that failed, says so.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.suite.items import ITEMS, Item
from bench.suite.outcome import MET, Claim, Outcome


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an item: what it found, or why it found nothing."""

    outcome: Outcome | None
    failure: str
    machine: str
    commit: str
    seconds: float


def keep(folder: Path, item: Item, kept: Kept) -> None:
    """Keep what an item found in place of what it found before."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(kept), indent=1, ensure_ascii=False)
    (folder / f"{item.name}.json").write_text(text + "\n", encoding="utf-8")


def kept_in(folder: Path) -> dict[str, Kept]:
    """What is kept of every item, by name."""
    files = {item.name: folder / f"{item.name}.json" for item in ITEMS}
    return {
        name: _kept(json.loads(file.read_text(encoding="utf-8")))
        for name, file in files.items()
        if file.exists()
    }


def outcome_of(fields: Mapping[str, Any]) -> Outcome:
    """An outcome from its JSON."""
    claims = tuple(Claim(**claim) for claim in fields["claims"])
    return Outcome(claims, fields["tables"], fields["versions"])


def markdown(kept: Mapping[str, Kept]) -> str:
    """The whole page."""
    lines = [
        "# Fast: what was measured",
        "",
        "Written by `make bench` from `bench/results/`; do not edit. Every ratio stands between",
        "two figures of one run, taken in turn. Figures are medians, with the smallest and the",
        "largest of the rounds in brackets.",
        "",
        "| item | figure | asked | measured | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for number, item in enumerate(ITEMS, 1):
        lines += _rows(f"{number}. {item.title}", kept.get(item.name))
    for number, item in enumerate(ITEMS, 1):
        lines += ["", f"## {number}. {item.title}", "", *_section(item, kept.get(item.name))]
    return "\n".join([*lines, ""])


def _rows(title: str, kept: Kept | None) -> list[str]:
    if kept is None:
        return [f"| {title} | | | not measured | |"]
    if kept.outcome is None:
        return [f"| {title} | | | **failed** | |"]
    rows = []
    for claim in kept.outcome.claims:
        rows.append(f"| {title} | {_cells(claim)} |")
        title = ""
    return rows


def _cells(claim: Claim) -> str:
    cells = (claim.what, claim.asked, claim.measured, MET[claim.met])
    return " | ".join(cell.replace("|", "\\|") for cell in cells)


def _section(item: Item, kept: Kept | None) -> list[str]:
    alone = f"Alone: `{item.command}`"
    if kept is None:
        return [f"Not measured yet. {alone}."]
    made = [f"{alone} ({kept.seconds:.0f} s).", "", f"- {kept.machine}", f"- {kept.commit}"]
    if kept.outcome is None:
        return [*made, "", "It failed:", "", "```text", kept.failure.strip(), "```"]
    made.insert(3, f"- {kept.outcome.versions}")
    return [*made, "", "```text", kept.outcome.tables, "```"]


def _kept(fields: Mapping[str, Any]) -> Kept:
    found = fields["outcome"]
    outcome = None if found is None else outcome_of(found)
    others = (fields["failure"], fields["machine"], fields["commit"], fields["seconds"])
    return Kept(outcome, *others)
