"""`plumbline run --workers`: its slots, its ports, and what it refuses before it starts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from devstack import StackInfo
from monitor.cli import main
from monitor.config import Settings
from monitor.intake.topics import ensure_topics
from monitor.supervisor import slot_names
from tests.intake.brokers import fresh_settings


def test_slots_of_machines_that_are_named_apart_are_apart() -> None:
    default = Settings().worker.slot
    machines = ["host-a", "host-b", "ip-10-0-0-1", "ip-10-0-0-2", default]
    slots = [slot for name in machines for slot in slot_names(name, 3, default)]
    assert len(set(slots)) == len(slots)
    assert slot_names(default, 2, default) == ["worker-0", "worker-1"]


def test_no_workers_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["run", "--workers", "0"])
    assert result.exit_code == 2


@pytest.mark.integration
def test_topics_that_would_split_a_model_are_refused_before_any_worker_starts(
    stack: StackInfo, tmp_path: Path
) -> None:
    settings = fresh_settings(stack.kafka_bootstrap, partitions=3)
    ensure_topics(settings)
    kafka = settings.kafka.model_copy(update={"partitions": 2})
    file = tmp_path / "plumbline.yaml"
    file.write_text(Settings(kafka=kafka).model_dump_json(include={"kafka"}))
    result = CliRunner().invoke(main, ["--config", str(file), "run", "--workers", "2"])
    assert result.exit_code == 1
    assert "a model would be split between workers" in result.stderr
    assert f"topic {kafka.topics.predictions} has 3 partitions, not 2" in result.stderr
    assert "set kafka.partitions to 3" in result.stderr
