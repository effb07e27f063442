"""The generated alertmanager.yml, read by Alertmanager's own tools."""

import subprocess
from pathlib import Path

import yaml

from monitor.routing.config import DEAD_MANS_SWITCH, UNOWNED, alertmanager_config, to_yaml
from schemas import FeatureSpec, ModelCard, Owner
from tests.routing.alerts import binary


def _card(model: str, owner: Owner | None) -> ModelCard:
    features = {"x": FeatureSpec(type="number")}
    return ModelCard(model=model, model_version="1", task="binary", features=features, owner=owner)


CARDS = [
    _card("flights", Owner(team="ops", contact="ops@example.com", escalation="duty@example.com")),
    _card("churn", Owner(team="growth", contact="https://hooks.example.com/x?y=1")),
    _card("fraud", Owner(team="risk", contact="#risk-alerts", escalation="+1 555 0100")),
    _card("orphan", None),
    _card("fleet", Owner(team="ops", contact="ops@example.com")),
]


def _text() -> str:
    config = alertmanager_config(
        CARDS,
        smarthost="localhost:25",
        sender="plumbline@example.com",
        escalation="head@example.com",
        dead_mans_switch="https://switch.example.com/x",
    )
    return to_yaml(config)


def test_amtool_accepts_the_file_and_routes_each_model_to_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(_text())
    amtool = binary("amtool")
    (tmp_path / "slack_api_url").write_text("https://hooks.slack.example.com/x")
    checked = subprocess.run(
        [amtool, "check-config", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr

    def routed(*labels: str) -> str:
        command = [amtool, "config", "routes", "test", f"--config.file={file}", *labels]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert routed("model=flights", "category=drift") == "ops: ops@example.com"
    assert routed("model=flights", "category=escalation") == "ops, escalation: duty@example.com"
    assert routed("model=churn") == "growth: https://hooks.example.com/x?y=1"
    assert routed("model=fraud") == "risk: #risk-alerts"
    assert routed("model=flights", "severity=critical") == "ops: ops@example.com"
    assert routed("model=orphan") == UNOWNED
    assert routed("alertname=HeartbeatMissing", "category=monitor") == UNOWNED
    assert routed("alertname=Heartbeat", "category=heartbeat") == DEAD_MANS_SWITCH


def test_each_contact_gets_the_receiver_of_its_kind_and_a_new_owner_replaces_the_old() -> None:
    config = yaml.safe_load(_text())
    kinds = {one["name"].split(":")[0]: sorted(one) for one in config["receivers"]}
    assert kinds["ops"] == ["email_configs", "name"]
    assert kinds["growth"] == ["name", "webhook_configs"]
    assert kinds["risk"] == ["name", "slack_configs"]
    assert kinds["risk, escalation"] == ["name"]
    later = _card("flights", Owner(team="ops2", contact="ops2@example.com"))
    config = alertmanager_config([*CARDS, later], smarthost="h:25", sender="s@example.com")
    [route] = [r for r in config["route"]["routes"] if r["matchers"] == ['model="flights"']]
    assert route["receiver"] == "ops2: ops2@example.com"


def test_whom_nobody_owns_reaches_the_escalation_contact_and_critical_is_told_more_often() -> None:
    config = yaml.safe_load(_text())
    receivers = {one["name"]: one for one in config["receivers"]}
    assert receivers[UNOWNED]["email_configs"][0]["to"] == "head@example.com"
    assert receivers[DEAD_MANS_SWITCH]["webhook_configs"][0]["url"].startswith("https://switch")
    [route] = [r for r in config["route"]["routes"] if r["matchers"] == ['model="churn"']]
    every = {one["matchers"][0]: one["repeat_interval"] for one in route["routes"]}
    assert every == {'severity="critical"': "4h", 'severity="warning"': "3d"}
