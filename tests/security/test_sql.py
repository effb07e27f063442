"""No statement is made of text: SQL stands in the source, values travel as parameters."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("monitor", "producers", "schemas")
SQL = re.compile(
    r"^\s*(SELECT|INSERT INTO|ALTER TABLE|CREATE (TABLE|VIEW|DATABASE)|DROP|OPTIMIZE|TRUNCATE|WITH|"
    r"UPDATE|DELETE|SET|GRANT|UNION ALL|WHERE|FROM)\s",
)
ASKING = {"query", "command", "raw_query", "query_arrow", "query_df", "execute"}
"""Methods that take a statement."""


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield file.relative_to(ROOT), ast.parse(file.read_text(encoding="utf-8"))


def built(tree: ast.AST) -> list[int]:
    """Lines on which text that begins as SQL is joined, formatted or interpolated."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            literal = "".join(  # interpolated parts stand as ?
                str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values
            )
            dynamic = any(isinstance(part, ast.FormattedValue) for part in node.values)
            if dynamic and SQL.match(literal):
                lines.append(node.lineno)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            parts = [node.left, node.right]
            if any(_is_sql(part) for part in parts) and not all(_is_text(part) for part in parts):
                lines.append(node.lineno)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("format", "join", "replace", "format_map")
            and _is_sql(node.func.value)
        ):
            lines.append(node.lineno)
    return lines


def asked(tree: ast.AST) -> list[int]:
    """Lines on which a statement is built in the very call that asks it."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ASKING
        and node.args
        and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
        and not (isinstance(node.args[0], ast.JoinedStr) and not _dynamic(node.args[0]))
    ]


def _dynamic(node: ast.JoinedStr) -> bool:
    return any(isinstance(part, ast.FormattedValue) for part in node.values)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_sql(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and SQL.match(node.value) is not None
    )


def test_no_statement_is_built_from_text() -> None:
    offenders = [
        f"{file}:{line}" for file, tree in _trees() for line in (*built(tree), *asked(tree))
    ]
    assert offenders == [], "write the statement whole, and pass values as {name:Type} parameters"


@pytest.mark.parametrize(
    "source",
    [
        'f"SELECT * FROM {table}"',
        '"SELECT * FROM " + table',
        '"DROP TABLE %s" % table',
        '"ALTER TABLE {} DELETE".format(table)',
        'connection.query(f"{statement} LIMIT 1")',
        "connection.command(statement + table)",
    ],
)
def test_the_look_finds_what_it_is_for(source: str) -> None:
    tree = ast.parse(source)
    assert built(tree) + asked(tree) == [1]


def test_and_lets_a_parameter_be() -> None:
    tree = ast.parse(
        'connection.query("SELECT a FROM t WHERE b = {b:String}", {"b": f"{name}-1"})\n'
        'raise ValueError(f"SELECTED {n}")\n'
    )
    assert built(tree) + asked(tree) == []
