"""Stored alerts are verified; and every kind of change behind one is caught and named."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

import pytest

from monitor.decisions import card_hash
from monitor.verifying.standing import Verdict
from monitor.verifying.verify import Verified, verify
from tests.verifying.conftest import Stored
from tests.verifying.stream import MODEL

pytestmark = pytest.mark.integration

MOVED = "alertname = 'FeatureDrift' AND feature = 'income' AND state = 'firing'"


def _verdicts(found: Iterable[Verified]) -> set[Verdict]:
    return {one.verdict for one in found}


def _fired(stream: Stored) -> tuple[str, int]:
    """The drift of income: its fingerprint, and an offset inside of its evidence."""
    [row] = stream.store.connection.query(
        "SELECT fingerprint, max(last_offset) AS last FROM alerts WHERE "
        f"{MOVED} GROUP BY fingerprint"
    )
    return row["fingerprint"], int(row["last"]) - 5


def test_every_alert_is_verified_to_the_last_digit(stream: Stored) -> None:
    found = verify(stream.sources, model=MODEL)
    assert _verdicts(found) == {Verdict.VERIFIED}, found
    checks = stream.store.connection.query("SELECT DISTINCT check, scale FROM alerts")
    assert {row["check"] for row in checks} >= {
        "cusum",
        "future",
        "missing_rate",
        "unseen_categories",
    }
    assert {row["scale"] for row in checks} >= {0, 1_000}, "a sequential alarm is among them"


def test_one_alert_is_verified_by_its_fingerprint_and_by_the_id_of_a_move(stream: Stored) -> None:
    mark, _ = _fired(stream)
    [whole] = verify(stream.sources, id=mark)
    moves = stream.evidence.moves(id=mark)
    assert (whole.verdict, whole.fingerprint, whole.moves) == (Verdict.VERIFIED, mark, len(moves))
    [one] = verify(stream.sources, id=moves[-1]["event_id"])
    assert (one.verdict, one.moves) == (Verdict.VERIFIED, 1)
    assert verify(stream.sources, id="0" * 16) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE numbers = mapUpdate(numbers, map('income', 0.123))", "rows changed"),
        ("DELETE", "rows missing"),
    ],
)
def test_a_row_that_was_touched_is_caught(stream: Stored, change: str, words: str) -> None:
    mark, offset = _fired(stream)
    with stream.damaged("predictions", f"offset = {offset}", change):
        [found] = verify(stream.sources, id=mark)
        assert found.verdict is Verdict.DIFFERS
        assert words in found.words[0]
        whole = verify(stream.sources, model=MODEL)
        assert _verdicts(whole) == {Verdict.DIFFERS, Verdict.VERIFIED}, "others do not rest on it"
    assert _verdicts(verify(stream.sources, model=MODEL)) == {Verdict.VERIFIED}


def test_rows_that_were_erased_or_have_expired_are_told_as_that(stream: Stored) -> None:
    mark, offset = _fired(stream)
    connection = stream.store.connection
    with stream.damaged("predictions", f"offset < {offset}", "DELETE"):
        [found] = verify(replace(stream.sources, predictions_days=30), id=mark)
        assert found.verdict is Verdict.CANNOT
        assert "kept for 30 days" in found.words[0]
        assert verify(stream.sources, id=mark)[0].verdict is Verdict.DIFFERS
    connection.command(
        "INSERT INTO erasures (erased_at, entity_hash, model, found, remaining, account) "
        "VALUES (now(), 'sha256:x', '', map('predictions', 1), map('predictions', 0), 'me')"
    )
    with stream.damaged("predictions", f"offset = {offset}", "DELETE"):
        [found] = verify(stream.sources, id=mark)
        assert found.verdict is Verdict.CANNOT
        assert "erased on request" in found.words[0]


def test_a_changed_reference_is_caught(stream: Stored) -> None:
    name = f"profile_hash = '{stream.card.profile_hash}'"
    change = "UPDATE content = concat(substring(content, 1, 900), 'x', substring(content, 902))"
    with stream.damaged("profiles", name, change):
        found = verify(stream.sources, model=MODEL)
        assert _verdicts(found) == {Verdict.DIFFERS}
        assert all("reference changed" in one.words[0] for one in found)
    with stream.damaged("profiles", name, "DELETE"):
        found = verify(stream.sources, model=MODEL)
        assert _verdicts(found) == {Verdict.CANNOT}
        assert all("reference gone" in one.words[0] for one in found)


def test_a_changed_card_is_caught(stream: Stored) -> None:
    change = """UPDATE card = replaceOne(card, '"confirmations":2', '"confirmations":3')"""
    with stream.damaged("cards", "model = 'loans'", change):
        found = verify(stream.sources, model=MODEL)
    assert _verdicts(found) == {Verdict.DIFFERS}
    assert all("config changed" in one.words[0] for one in found)


def _rename(stream: Stored, old: str, new: str) -> None:
    """Let the boundaries name another card; its hash is in their key."""
    connection = stream.store.connection
    connection.command(
        "INSERT INTO boundaries SELECT * REPLACE ({new:String} AS card_hash) "
        "FROM (SELECT * FROM boundaries WHERE card_hash = {old:String})",
        {"old": old, "new": new},
    )
    connection.command(
        "ALTER TABLE boundaries DELETE WHERE card_hash = {old:String} SETTINGS mutations_sync = 1",
        {"old": old},
    )


def test_a_card_whose_name_was_changed_with_it_is_caught(stream: Stored) -> None:
    """Somebody who knows how cards are named changes card, name and boundaries alike."""
    monitoring = stream.card.monitoring.model_copy(update={"confirmations": 3})
    forged = stream.card.model_copy(update={"monitoring": monitoring}).to_json()
    name = f"sha256:{hashlib.sha256(forged).hexdigest()}"
    stream.store.save_card(stream.card.model_copy(update={"monitoring": monitoring}), appended_us=1)
    own = card_hash(stream.card)
    _rename(stream, own, name)
    try:
        found = verify(stream.sources, model=MODEL)
    finally:
        _rename(stream, name, own)
    assert _verdicts(found) == {Verdict.DIFFERS}, found
    assert all("config changed: the alert names" in one.words[0] for one in found)


def test_what_rests_on_labels_is_verified_by_closing_its_cohorts_again(stream: Stored) -> None:
    found = verify(stream.sources, model="orders")
    names = {one.name.split()[0] for one in found}
    assert names & {"WorseThanBaseline", "Miscalibration"}, names
    assert _verdicts(found) == {Verdict.VERIFIED}, found
    [move] = stream.store.connection.query(
        "SELECT fingerprint, first_offset FROM alerts WHERE model = 'orders' "
        "AND category = 'performance' AND state = 'firing' ORDER BY last_offset LIMIT 1"
    )
    label = f"request_id = 'r{move['first_offset'] + 5}'"
    with stream.damaged("labels", label, "UPDATE label = if(label = 'true', 'false', 'true')"):
        [hurt] = verify(stream.sources, id=move["fingerprint"])
    assert hurt.verdict is Verdict.DIFFERS
    assert hurt.words[0].startswith("predictions or labels were changed or are missing: ")
