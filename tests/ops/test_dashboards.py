"""Grafana's dashboards: their metrics exist, their SQL runs, every panel says what it shows.

Grafana itself is not asked: its macros and variables are replaced here, by what its ClickHouse data
source replaces them with.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.clock import ManualClock
from monitor.health import Health
from monitor.storage import ClickHouseStore
from monitor.telemetry import Telemetry
from tests.storage.conftest import clickhouse, settings

__all__ = ["clickhouse", "settings"]

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "ops" / "grafana" / "dashboards").glob("*.json"))
CLICKHOUSE = "grafana-clickhouse-datasource"


def _dashboard(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def _targets(source: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{file.stem}: {panel['title']}", target)
        for file in FILES
        for panel in _dashboard(file)["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == source
    ]


def _metrics() -> set[str]:
    clock = ManualClock()
    telemetry = Telemetry(clock)
    Health("worker-0", clock, telemetry.registry, turn_limit_s=300)
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in telemetry.registry.collect()
    }


def test_every_panel_says_what_it_shows_and_stands_in_a_place_of_its_own() -> None:
    assert len(FILES) == 5
    uids = [_dashboard(file)["uid"] for file in FILES]
    assert len(set(uids)) == len(uids)
    for file in FILES:
        taken: set[tuple[int, int]] = set()
        for panel in _dashboard(file)["panels"]:
            what = f"{file.stem}: {panel['title']}"
            assert panel["title"], what
            assert panel["description"].endswith((".", "(1).")), what
            assert panel["fieldConfig"]["defaults"]["unit"], what
            assert panel["targets"], what
            place = panel["gridPos"]
            own = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not own & taken, what
            assert max(x for x, _ in own) < 24, what
            taken |= own


def test_every_metric_that_is_asked_for_exists_and_every_one_is_shown() -> None:
    asked = {
        name
        for _, target in _targets("prometheus")
        for name in re.findall(r"plumbline_\w+", target["expr"])
    }
    assert asked == _metrics()


def test_sources_are_those_that_are_provisioned() -> None:
    folder = ROOT / "ops" / "grafana" / "provisioning"
    provided = yaml.safe_load((folder / "datasources" / "plumbline.yml").read_text())
    known = {(source["type"], source["uid"]) for source in provided["datasources"]}
    used = {
        (where["type"], where["uid"])
        for file in FILES
        for panel in _dashboard(file)["panels"]
        for where in (panel["datasource"], *(target["datasource"] for target in panel["targets"]))
    }
    assert used == known


def replaced(sql: str) -> str:
    """What the data source makes of a query, for one day in hours."""
    since, until = "toDateTime('2013-03-01 00:00:00')", "toDateTime('2013-03-02 00:00:00')"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"(\1 >= {since} AND \1 <= {until})", sql)
    sql = re.sub(
        r"\$__timeInterval\((\w+)\)",
        r"toStartOfInterval(toDateTime(\1), INTERVAL 3600 second)",
        sql,
    )
    sql = sql.replace("$__interval_s", "3600")
    sql = re.sub(r"\$\{(model|version):singlequote\}", r"'it\\'s a \1'", sql)
    assert "$" not in sql, sql
    return sql


@pytest.mark.integration
def test_every_question_to_clickhouse_runs(clickhouse: ClickHouseStore) -> None:
    asked = [(what, target["rawSql"]) for what, target in _targets(CLICKHOUSE)]
    asked += [
        (f"{file.stem}: {variable['name']}", variable["query"])
        for file in FILES
        for variable in _dashboard(file)["templating"]["list"]
    ]
    assert len(asked) > 25
    for what, sql in asked:
        try:
            rows = clickhouse.connection.query(replaced(sql))
        except Exception as error:
            raise AssertionError(f"{what}: {error}") from error
        assert not any(any(row.values()) for row in rows), what
