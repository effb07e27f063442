"""Every alert kind has its runbook, and every runbook its kind."""

import re
from pathlib import Path

import pytest

from monitor.findings import KINDS, kind_of

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
KNOWN = sorted({kind.alertname for kind in (*KINDS.values(), kind_of("ks", "score"))})
PARTS = ["Not a fault, perhaps", "First three checks", "Silence", "Fix"]


def test_every_kind_has_a_page_and_no_page_is_of_a_kind_that_is_gone() -> None:
    assert sorted(page.stem for page in RUNBOOKS.glob("*.md")) == KNOWN


@pytest.mark.parametrize("name", KNOWN)
def test_a_page_says_what_it_means_what_to_check_and_how_to_mend(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == PARTS
    checks = text.partition("## First three checks")[2].partition("##")[0]
    assert re.findall(r"^(\d)\. ", checks, re.MULTILINE) == ["1", "2", "3"]
    assert f"`plumbline alerts silence {name} " in text.replace("\n", " ")
