"""`plumbline doctor` and `run` where something is wrong: what, and the fix; no traceback."""

import socket
from pathlib import Path

from click.testing import CliRunner, Result

from monitor.cli import main


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(folder: Path, *arguments: str) -> Result:
    port = _closed_port()
    file = folder / "settings.yaml"
    file.write_text(
        f'kafka: {{bootstrap_servers: "127.0.0.1:{port}"}}\n'
        f"clickhouse: {{host: 127.0.0.1, port: {port}}}\n"
    )
    return CliRunner().invoke(main, ["--config", str(file), *arguments])


def test_what_is_away_is_told_once_with_its_fix(tmp_path: Path) -> None:
    result = _run(tmp_path, "doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "FAIL  Kafka at 127.0.0.1",
        "      fix",
        "FAIL  ClickHouse at 127.0.0.1",
        "      fix",
    ]
    assert "Connection refused" in lines[0]
    assert "kafka.bootstrap_servers" in lines[1]
    assert "plumbline stack up" in lines[3]
    assert "clickhouse.host" in lines[3]
    assert result.stderr == "Error: 2 of 2 checks failed\n"


def test_a_slot_with_a_blank_is_wrong_usage(tmp_path: Path) -> None:
    result = _run(tmp_path, "run", "--slot", "a b")
    assert result.exit_code == 2
    assert "'a b': 1 to 64 letters" in result.stderr
