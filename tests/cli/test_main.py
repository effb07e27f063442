"""The command group: quick, lazy, and clear when something is wrong."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from monitor.cli import COMMANDS, SECTIONS, Entry, main
from monitor.cli.reference import DOCUMENT, reference, write
from monitor.errors import ConfigError

ROOT = Path(__file__).parents[2]
HEAVY = ("clickhouse_connect", "kafka", "numpy", "pandas", "pyarrow", "pydantic", "rich", "scipy")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two more commands: one raises an error of the project, one misses a package."""
    module = ModuleType("failing")

    @click.command("refused")
    def refused_command() -> None:
        raise ConfigError("setting x = 7: too large; set it to 5")

    @click.command("chdb-less")
    def chdb_less_command() -> None:
        raise ModuleNotFoundError("No module named 'chdb'", name="chdb")

    module.__dict__.update(refused_command=refused_command, chdb_less_command=chdb_less_command)
    monkeypatch.setitem(sys.modules, "failing", module)
    monkeypatch.setitem(COMMANDS, "refused", Entry("Start", "failing", "Fails."))
    monkeypatch.setitem(COMMANDS, "chdb-less", Entry("Start", "failing", "Fails too."))
    monkeypatch.setitem(COMMANDS, "absent", Entry("Start", "no_such_package", "Not there."))


def test_help_lists_every_command_under_its_section() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert re.search(rf"^{entry.section}:", result.output, re.MULTILINE)
        assert re.search(rf"^  {name} +{re.escape(entry.summary)}$", result.output, re.MULTILINE)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from monitor.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        f"sys.exit(', '.join(m for m in {HEAVY!r} if m in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == "", f"imported by --help: {done.stderr}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_section_and_help(name: str) -> None:
    assert COMMANDS[name].section in SECTIONS
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: main {name}" in result.output


@pytest.mark.usefixtures("failing")
def test_an_error_of_the_project_is_one_message_and_exit_code_1() -> None:
    result = CliRunner().invoke(main, ["refused"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: setting x = 7: too large; set it to 5\n"


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(
    ("name", "fix"),
    [("chdb-less", "pip install 'plumbline[devstack]'"), ("absent", "pip install no_such_package")],
)
def test_a_missing_package_stops_only_its_own_command(name: str, fix: str) -> None:
    result = CliRunner().invoke(main, [name])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: this command needs the package ")
    assert result.stderr.rstrip().endswith(fix)
    assert CliRunner().invoke(main, ["--help"]).exit_code == 0


def test_wrong_usage_is_exit_code_2() -> None:
    assert CliRunner().invoke(main, ["no-such-command"]).exit_code == 2
    assert CliRunner().invoke(main, ["profile"]).exit_code == 2


def test_a_named_settings_file_must_exist(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.yaml")
    result = CliRunner().invoke(main, ["--config", missing, "doctor"])
    assert result.exit_code == 1
    assert f"settings file {missing} does not exist" in result.stderr


def test_a_misspelt_section_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_KAFKKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "variable PLUMBLINE_KAFKKA__BOOTSTRAP_SERVERS names no setting" in result.stderr


def test_the_reference_of_commands_is_current() -> None:
    written = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    assert written == reference(), "run `python -m monitor.cli.reference`"


def test_a_stale_reference_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert CliRunner().invoke(write, ["--check"]).exit_code == 1
    assert CliRunner().invoke(write, []).exit_code == 0
    assert CliRunner().invoke(write, ["--check"]).exit_code == 0
