"""The built wheel works in an empty environment outside the repository."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(600)
def test_the_wheel_installs_and_the_command_works_elsewhere(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    [wheel] = wheels.glob("plumbline-*.whl")
    home = tmp_path / "elsewhere"
    venv.create(home / "venv", with_pip=True)
    python = home / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run(install, check=True, timeout=400)
    command = str(home / "venv" / "bin" / "plumbline")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, *arguments], cwd=home, capture_output=True, text=True, timeout=60, check=False
        )

    assert run("--version").stdout.startswith("plumbline ")
    assert "doctor" in run("--help").stdout
    # The local engine is an extra: without it the command says what to install.
    code = "import monitor.pipeline, monitor.worker, producers, schemas, devstack; print('ok')"
    imported = subprocess.run(
        [str(python), "-c", code], cwd=home, capture_output=True, text=True, check=True
    )
    assert imported.stdout == "ok\n"
    (home / "plumbline.yaml").write_text("kafka:\n  partitions: none\n")
    wrong = run("doctor")
    assert wrong.returncode == 1
    assert "kafka.partitions" in wrong.stderr
    assert "Traceback" not in wrong.stderr
