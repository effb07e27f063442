"""What the pages say is true: their JSON against the log that was sent."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from monitor.storage.alert_queries import ALERT_QUERIES
from monitor.storage.page_queries import PAGE_QUERIES
from monitor.storage.performance_queries import PERFORMANCE_QUERIES
from monitor.storage.reader import Reader
from tests.audit.flights import FIRST, MODEL
from tests.dashboard.shown import TOKEN, Shown

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def api(shown: Shown) -> Iterator[httpx.Client]:
    """The JSON of the running pages."""
    with httpx.Client(base_url=f"{shown.url}/api/v1", timeout=60) as client:
        yield client


def asked(api: httpx.Client, path: str, **query: str) -> Any:
    """A twin's answer."""
    answer = api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_numbers_of_a_model_are_those_that_were_sent(api: httpx.Client, shown: Shown) -> None:
    page = asked(api, f"/models/{MODEL}", range="all", version=FIRST, feature="distance")
    closed = page["versions"][-1]["events"]
    sent = shown.flow.log.sent
    own = sent[(sent["model_version"] == FIRST) & (sent["status"] == "ok")].reset_index(drop=True)
    assert closed % 250 == 0
    assert sum(page["traffic"]["data"]["versions"][0]["events"]) == closed
    both = page["distribution"]["data"]
    assert both["events"] == closed
    assert sum(one["current"] for one in both["bins"]) == pytest.approx(1.0, abs=1e-6)
    assert sum(one["reference"] for one in both["bins"]) == pytest.approx(1.0, abs=1e-6)
    reference = np.sort(shown.flow.log.reference["distance"].to_numpy(float))
    stream = np.sort(own["distance"].to_numpy(float)[:closed])
    every = np.unique(np.concatenate([reference, stream]))
    ranks = [np.searchsorted(one, every, side="right") / one.size for one in (reference, stream)]
    assert both["distance"] == pytest.approx(np.abs(ranks[0] - ranks[1]).max(), abs=0.03)
    [row] = [one for one in page["drift"]["data"]["rows"] if one["column"] == "distance"]
    assert row["alarms"] > 0
    missing = {one["column"]: one["worst"] for one in page["quality"]["data"]["map"]["rows"]}
    assert missing["temp"] > 0
    assert missing["carrier"] == 0
    budget = page["budget"]["data"]
    assert budget["handed_out"] == pytest.approx(budget["allowed"], rel=0.15)
    assert page["performance"]["data"]["labelled"] > 1_000


def test_open_alerts_are_the_same_everywhere(api: httpx.Client) -> None:
    listed = asked(api, "/alerts")["alerts"]["data"]
    of_model = asked(api, f"/models/{MODEL}")["alerts"]["data"]
    assert [one["fingerprint"] for one in listed] == [one["fingerprint"] for one in of_model]
    [row] = [
        one for one in asked(api, "/models")["overview"]["data"]["models"] if one["model"] == MODEL
    ]
    assert row["critical"] + row["warnings"] == len(listed)
    one = asked(api, f"/alerts/{listed[0]['fingerprint']}")
    assert one["facts"]["row"] == listed[0]
    assert one["timeline"]["data"][-1]["kind"] == "move"


def test_every_twin_has_no_number_that_json_does_not_know(api: httpx.Client, shown: Shown) -> None:
    event_id = shown.flow.log.sent["event_id"].iloc[0]
    for path in ("/models", f"/models/{MODEL}", "/alerts", f"/predictions/{event_id}"):
        orjson.loads(api.get(path, params={"model": MODEL, "range": "all"}).content)


def test_a_decision_by_the_api_has_its_owner(api: httpx.Client, shown: Shown) -> None:
    listed = asked(api, "/alerts", ended="true")["alerts"]["data"]
    fingerprint = listed[-1]["fingerprint"]
    answer = api.post(
        f"/alerts/{fingerprint}/commands",
        json={"action": "silence", "why": "known"},
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    assert answer.status_code == 400, "nothing is silenced for ever"
    assert "until" in answer.json()["error"]


def test_pages_read_with_the_account_that_can_only_read(shown: Shown) -> None:
    values = {
        "model": MODEL, "version": FIRST, "since": "2013-03-01 00:00:00",
        "until": "2013-04-01 00:00:00", "width_us": 3_600_000_000, "limit": 10, "ended": True,
        "severity": "", "fingerprint": "ab" * 8, "incident": "", "alertname": "FeatureDrift",
        "feature": "distance", "segment": "", "column": "distance", "step": 1, "metric": "auc",
        "profile_hash": "sha256:none",
    }  # fmt: skip
    with Reader(shown.settings.clickhouse) as reader:
        for query in (*PAGE_QUERIES, *ALERT_QUERIES, *PERFORMANCE_QUERIES):
            reader.rows(query, {name: values[name] for name in query.parameters})
