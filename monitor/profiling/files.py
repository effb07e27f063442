"""A profile and its audit as files: what `profile` writes and `register` reads.

In: a profile with its audit, or a path. Out: `NAME.profile` (the profile's own bytes) and
`NAME.audit.json` beside it. Never: a half-written file under its final name.
"""

import json
import os
from pathlib import Path
from typing import Final

from monitor.errors import ConfigError, ProfileError
from monitor.profiling.audit import Audit
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.validation.columns import column_layout
from schemas.model import ModelCard

PROFILE_SUFFIX: Final = ".profile"
AUDIT_SUFFIX: Final = ".audit.json"


def profile_file(card_file: Path, out: Path | None = None) -> Path:
    """Where the profile of a card lies: next to it, or in the folder or file `out`.

    >>> profile_file(Path("models/flights.yaml")).as_posix()
    'models/flights.profile'
    >>> profile_file(Path("models/flights.yaml"), Path("other.profile")).as_posix()
    'other.profile'
    """
    name = card_file.with_suffix(PROFILE_SUFFIX).name
    if out is None:
        return card_file.with_suffix(PROFILE_SUFFIX)
    return out if out.suffix == PROFILE_SUFFIX else out / name


def audit_file(file: Path) -> Path:
    """Where the audit of a profile lies."""
    return file.with_suffix(AUDIT_SUFFIX)


def save_files(file: Path, profile: Profile, audit: Audit) -> None:
    """Write a profile and its audit."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, profile.to_bytes())
        _write(audit_file(file), (audit.to_json() + "\n").encode())
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error}: name another with --out") from None


def load_files(file: Path) -> tuple[Profile, str]:
    """Read a profile and its audit (JSON); ProfileError names the file and the fix."""
    fix = "build it with `plumbline profile REFERENCE --card CARD`"
    try:
        content = file.read_bytes()
        text = audit_file(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ProfileError(f"{error.filename} cannot be read ({error.strerror}): {fix}") from None
    try:
        profile = Profile.from_bytes(content)
    except ProfileError as error:
        raise ProfileError(f"{file}: {error}: {fix} again") from None
    try:
        audited = json.loads(text)["dataset_fingerprint"]
    except (ValueError, KeyError, TypeError):
        audited = "nothing readable"
    if audited != profile.dataset_fingerprint:
        raise ProfileError(
            f"{audit_file(file)} is about {audited}, not about the profile's data set "
            f"{profile.dataset_fingerprint}: {fix} again"
        )
    return profile, text


def check_fit(profile: Profile, card: ModelCard) -> None:
    """Raise ProfileError where a profile is not of this card."""
    layout = column_layout(card)
    wanted = {
        **dict.fromkeys(layout.numbers, "number"),
        **dict.fromkeys(layout.categories, "category"),
    }
    found = {
        column.name: "number" if isinstance(column, NumberReference) else "category"
        for column in profile.columns
    }
    scales = tuple(int(scale) for scale in profile.calibration.scales)
    problem = ""
    if (profile.model, profile.model_version) != (card.model, card.model_version):
        problem = f"is of {profile.model} {profile.model_version}"
    elif found != wanted:
        differing = sorted(set(found.items()) ^ set(wanted.items()))
        problem = (
            f"differs in the columns {', '.join(dict.fromkeys(name for name, _ in differing))}"
        )
    elif scales != card.monitoring.scales:
        problem = f"is calibrated for windows of {list(scales)}, not {list(card.monitoring.scales)}"
    if problem:
        raise ProfileError(
            f"the profile does not fit the card of {card.model} {card.model_version}: "
            f"it {problem}; build it again with `plumbline profile`"
        )


def _write(file: Path, content: bytes) -> None:
    partial = file.with_name(f"{file.name}.part")
    partial.write_bytes(content)
    os.replace(partial, file)
