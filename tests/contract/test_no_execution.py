"""No path from a message to code: the monitor has nothing that could execute one.

Beside the lint rules (S102, S301, S307, S506, S608), which a comment could switch off.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import monitor
import schemas

PACKAGES = [Path(str(package.__file__)).parent for package in (monitor, schemas)]
FORBIDDEN_MODULES = {
    "cloudpickle",
    "code",
    "dill",
    "joblib",
    "marshal",
    "pickle",
    "pty",
    "runpy",
    "shelve",
    "sklearn.externals",
}
FORBIDDEN_CALLS = {
    "__import__",
    "compile",
    "eval",
    "exec",
    "os.popen",
    "os.system",
    "yaml.load",
    "yaml.unsafe_load",
}


def _files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted(package.rglob("*.py"))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_nothing_unpickles_evaluates_or_asks_a_shell(package: Path) -> None:
    files = [file for file in _files() if package in file.parents]
    assert len(files) > 5
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {name for name in _imported(tree) if name.split(".")[0] in FORBIDDEN_MODULES}
        called = set(_called(tree)) & FORBIDDEN_CALLS
        assert not imported, f"{file} imports {imported}"
        assert not called, f"{file} calls {called}"


@pytest.mark.parametrize("text", ["import pickle", "from pickle import loads", "eval('1')"])
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    tree = ast.parse(text)
    assert set(_imported(tree)) & FORBIDDEN_MODULES or set(_called(tree)) & FORBIDDEN_CALLS
