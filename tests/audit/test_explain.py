"""Explanations of stored flights, by the reader's account."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from monitor.audit import Explanation, explain
from monitor.audit import explanation as records
from monitor.cli import main
from monitor.errors import NotFoundError
from monitor.storage.reader import Reader
from tests.audit.conftest import Audited
from tests.audit.flights import DRIFT, FIRST, GHOST, MODEL, NUMBERS, SECOND, SWITCH
from tests.audit.test_questions import ROW, outcomes

DOCUMENT = Path(__file__).parents[2] / "docs" / "audits.md"


def explained(audited: Audited, reader: Reader, row: int) -> Explanation:
    return explain(reader, str(audited.log.sent["event_id"][row]))


@pytest.mark.integration
def test_the_input_is_what_was_logged(audited: Audited, reader: Reader) -> None:
    found = explained(audited, reader, ROW)
    row = audited.log.sent.loc[ROW]
    values = {fact.name: fact.value for fact in found.features}
    kept = [name for name in NUMBERS if name != "dow"]
    assert {name: values[name] for name in kept} == {name: row[name] for name in kept}
    assert values["carrier"] == row["carrier"]
    assert found.faults == {"temp": "hidden_null"}
    assert (found.offset, found.entity_id) == (row["offset"], row["entity_id"])
    assert found.score == row["score"]
    dropped = next(fact for fact in found.features if fact.name == "dow")
    assert (dropped.value, dropped.sensitivity, dropped.place) == (None, "drop", None)


@pytest.mark.integration
def test_places_are_those_of_the_reference(audited: Audited, reader: Reader) -> None:
    found = explained(audited, reader, DRIFT + 5)
    reference = audited.log.reference
    distance = next(fact for fact in found.features if fact.name == "distance")
    assert distance.place is not None
    assert distance.place.percentile is not None
    values = reference["distance"].to_numpy(float)
    below, up_to = (values < distance.value).mean(), (values <= distance.value).mean()
    # The profile keeps a sample of 10,000: a share is off by at most 5 sigma = 2.5 %.
    assert distance.place.percentile == pytest.approx(50 * (below + up_to), abs=2.5)
    carrier = next(fact for fact in found.features if fact.name == "carrier")
    assert carrier.place is not None
    assert carrier.place.share == pytest.approx((reference["carrier"] == carrier.value).mean())


@pytest.mark.integration
def test_outcomes_are_those_of_pandas(audited: Audited, reader: Reader) -> None:
    truth = outcomes(audited.log)
    corrected = audited.log.truths.groupby("of")["label"].size()
    twice = truth.index[truth["event_id"].map(corrected) == 2][0]
    unlabelled = truth.index[truth["label"].isna()][0]
    by_request = truth.index[truth["label"].notna() & (truth["request_id"] != "")][-1]
    for row in (ROW + 1, int(twice), int(by_request)):
        outcome, expected = explained(audited, reader, row).outcome, truth.loc[row]
        assert outcome is not None
        assert outcome.label == str(expected["label"]).lower()
        assert outcome.right == expected["right"]
        assert outcome.loss == pytest.approx(expected["loss"])
        assert outcome.observed_at == expected["observed_at"]
        assert outcome.by == ("request_id" if expected["request_id"] else "event_id")
        assert len(outcome.earlier_labels) == int(row == twice)
    assert explained(audited, reader, int(unlabelled)).outcome is None


@pytest.mark.integration
def test_contributions_are_sent_or_a_surrogates(audited: Audited, reader: Reader) -> None:
    sent = explained(audited, reader, 1_000)
    assert sent.contributions.source == "sent"
    assert sent.contributions.others == {"bias": 0.1}
    parts = {fact.name: fact.contribution for fact in sent.features}
    assert (parts["distance"], parts["temp"], parts["humid"]) == (0.2, -0.05, None)
    imitated = explained(audited, reader, 1_001)
    assert imitated.contributions.source == "surrogate"
    assert "R2" in imitated.contributions.note
    assert imitated.contributions.imitated_score == pytest.approx(imitated.score, abs=0.3)


@pytest.mark.integration
def test_the_card_is_the_one_that_acted(audited: Audited, reader: Reader) -> None:
    first, second = (explained(audited, reader, row) for row in (ROW, SWITCH + 3))
    assert first.card is not None
    assert second.card is not None
    assert second.card.acts_from is not None
    assert (first.card.owner_team, first.card.runbook) == ("flight-operations", "https://r/1")
    assert second.card.owner_team == "flight-science"
    assert second.card.acts_from <= second.offset
    assert second.card.dataset_fingerprint == audited.cards[1].dataset_fingerprint
    assert second.card.reference_rows == len(audited.log.reference)
    line = [(one.model_version, one.retrain_reason) for one in second.lineage]
    assert line == [(SECOND, "February came"), (FIRST, "")]
    assert first.notes == second.notes == ()


@pytest.mark.integration
def test_a_version_without_a_card_is_said_to_have_none(audited: Audited, reader: Reader) -> None:
    ghost = explained(audited, reader, 9)
    assert (ghost.model_version, ghost.registered, ghost.card) == (GHOST, False, None)
    assert ghost.contributions.note == "no attributions sent, no surrogate in this profile"
    [note] = ghost.notes
    assert note.startswith("no card acted on it: ")


@pytest.mark.integration
def test_alerts_are_those_on_at_the_time(audited: Audited, reader: Reader) -> None:
    before = explained(audited, reader, 100)
    assert not [one for one in before.alerts if one.feature == "distance"]
    within = explained(audited, reader, DRIFT + 1_500)
    [drift] = [one for one in within.alerts if one.alertname == "FeatureDrift"]
    assert (drift.feature, drift.state) == ("distance", "firing")
    assert drift.effect > drift.threshold
    assert drift.fired_at <= within.occurred_at


@pytest.mark.integration
def test_what_came_before_and_elsewhere(audited: Audited, reader: Reader) -> None:
    sent = audited.log.sent
    counts = sent["entity_id"].value_counts()
    rows = sent[(sent["entity_id"] == counts.index[0]) & (sent["model_version"] != GHOST)]
    found = explained(audited, reader, int(rows.index[-1]))
    own = sent[sent["entity_id"] == counts.index[0]]
    earlier = own[own["occurred_at"] < found.occurred_at].sort_values("occurred_at")
    assert [one.event_id for one in found.earlier] == list(earlier["event_id"])[::-1][:5]
    nearest = found.earlier[0]
    assert all(then != now for then, now in nearest.changed.values())
    resent = explained(audited, reader, 77)
    [again] = resent.resends
    assert (again.offset, again.counted) == (resent.offset + 1, False)


@pytest.mark.integration
def test_unknown_and_rejected_ids_are_told_apart(audited: Audited, reader: Reader) -> None:
    with pytest.raises(NotFoundError, match="no prediction with event id 'nonesuch' is stored"):
        explain(reader, "nonesuch")
    rejected = f"refused-{audited.log.sent['event_id'][405]}"
    with pytest.raises(NotFoundError, match=r"was rejected: .* offset \d+: prediction is missing"):
        explain(reader, rejected)
    with pytest.raises(NotFoundError, match="of model 'other'"):
        explain(reader, str(audited.log.sent["event_id"][0]), "other")


@pytest.mark.integration
def test_the_command_prints_text_and_json(audited: Audited, tmp_path: Path) -> None:
    settings = write_settings(audited, tmp_path)
    event_id = str(audited.log.sent["event_id"][ROW])
    text = CliRunner().invoke(main, ["--config", str(settings), "explain", event_id])
    assert text.exit_code == 0, text.output
    assert f"{MODEL} {FIRST} answered false" in text.output
    assert "! temp: hidden_null" in text.output
    asked = ["--config", str(settings), "explain", event_id, "--model", MODEL, "--json"]
    answer = CliRunner().invoke(main, asked)
    document = json.loads(answer.output)
    with Reader(audited.settings) as reader:
        assert document == explain(reader, event_id).as_json()
    unknown = CliRunner().invoke(main, ["--config", str(settings), "explain", "nonesuch"])
    assert unknown.exit_code == 1
    assert "Error: no prediction with event id 'nonesuch'" in unknown.output


def test_every_field_of_the_json_is_documented() -> None:
    rows = re.findall(r"^\| (`.*`) \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    fields = [(names, text) for names, text in rows if "audit_" not in names]
    top = {name for names, _ in fields for name in re.findall(r"`(\w+)`", names)}
    assert top == {field.name for field in dataclasses.fields(Explanation)}
    nested = {
        "features": records.FeatureFact,
        "features[].place": records.Place,
        "contributions": records.Contributions,
        "card": records.CardFact,
        "lineage": records.Ancestor,
        "alerts": records.AlertFact,
        "earlier": records.EarlierPrediction,
        "outcome": records.Outcome,
        "resends": records.Resend,
        "namesakes": records.Namesake,
    }
    for name, kind in nested.items():
        [text] = [text for names, text in fields if names == f"`{name}`"]
        assert re.findall(r"`(\w+)`", text.partition("; `null`")[0]) == [
            field.name for field in dataclasses.fields(kind)
        ], name


def write_settings(audited: Audited, folder: Path) -> Path:
    """A settings file of somebody who may only read."""
    reader = audited.settings
    document: dict[str, Any] = {
        "host": reader.host,
        "port": reader.port,
        "database": reader.database,
        "username": reader.reader_username,
        "password": reader.reader_password.get_secret_value(),
    }
    file = folder / "plumbline.yaml"
    file.write_text(yaml.safe_dump({"clickhouse": document}), encoding="utf-8")
    return file
