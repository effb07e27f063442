"""Files of rows: whole, typed, the same as the answers of the views."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from monitor.audit.export import EXPORTS, export
from monitor.cli import main
from monitor.errors import ConfigError
from monitor.storage.reader import Reader
from tests.audit.conftest import Audited
from tests.audit.flights import MODEL
from tests.audit.test_explain import write_settings

pytestmark = pytest.mark.integration

EVER = {"since": datetime(1970, 1, 1, tzinfo=UTC), "until": datetime(2200, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("what", sorted(EXPORTS))
def test_parquet_keeps_every_row_and_type(
    audited: Audited, reader: Reader, tmp_path: Path, what: str
) -> None:
    file, told = tmp_path / "rows.parquet", list[int]()
    rows = export(reader, what, file, model=MODEL, **EVER, form="parquet", on_rows=told.append)
    table = pa.parquet.read_table(file)
    expected = reader.frame(EXPORTS[what], {"model": MODEL, **EVER})
    assert rows == told[-1] == table.num_rows == expected.num_rows > 0
    assert table.schema.equals(expected.schema)
    key = (
        "fingerprint"
        if what == "alerts"
        else "offset"
        if "offset" in table.schema.names
        else "event_id"
    )
    order = [(key, "ascending"), *([("starts_at", "ascending")] if what == "alerts" else [])]
    assert table.sort_by(order).equals(expected.sort_by(order))


def test_a_stretch_of_time_is_half_open(audited: Audited, reader: Reader, tmp_path: Path) -> None:
    day = audited.log.sent["occurred_at"]
    since, until = datetime(2013, 3, 2, tzinfo=UTC), datetime(2013, 3, 3, tzinfo=UTC)
    rows = export(
        reader, "outcomes", tmp_path / "day.csv", model=MODEL, since=since, until=until,
        form="csv", on_rows=lambda rows: None,
    )  # fmt: skip
    assert rows == int(((day >= since) & (day < until)).sum())
    with pytest.raises(ConfigError, match="--since must be before --until"):
        export(
            reader, "alerts", tmp_path / "x", model=MODEL, since=until, until=since, form="csv",
            on_rows=lambda rows: None,
        )  # fmt: skip


def test_csv_has_json_for_maps_and_nothing_for_null(
    audited: Audited, reader: Reader, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    rows = export(
        reader, "predictions", file, model=MODEL, **EVER, form="csv", on_rows=lambda rows: None
    )
    with file.open(encoding="utf-8", newline="") as handle:
        read = {row["event_id"]: row for row in csv.DictReader(handle)}
    assert len(read) == rows
    sent = audited.log.sent.loc[0]
    row = read[sent["event_id"]]
    assert json.loads(row["strings"])["carrier"] == sent["carrier"]
    assert json.loads(row["numbers"])["distance"] == sent["distance"]
    assert datetime.fromisoformat(row["occurred_at"]) == sent["occurred_at"].to_pydatetime()
    assert float(row["score"]) == sent["score"]


def test_nothing_to_export_is_a_file_with_columns(reader: Reader, tmp_path: Path) -> None:
    file = tmp_path / "none.parquet"
    none = {"form": "parquet", "on_rows": lambda rows: None}
    assert export(reader, "outcomes", file, model="nobody", **EVER, **none) == 0  # type: ignore[arg-type]  # as keywords
    assert "loss" in pa.parquet.read_table(file).schema.names


def test_a_file_that_cannot_be_written_leaves_nothing(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .*rows\.csv: "):
        export(
            reader, "alerts", tmp_path / "no" / "rows.csv", model=MODEL, **EVER, form="csv",
            on_rows=lambda rows: None,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_how_many(audited: Audited, tmp_path: Path) -> None:
    base = ["--config", str(write_settings(audited, tmp_path)), "export"]
    file = tmp_path / "alerts.parquet"
    done = CliRunner().invoke(main, [*base, "alerts", str(file), "--model", MODEL])
    assert done.exit_code == 0, done.output
    rows = pa.parquet.read_table(file).num_rows
    assert f"{rows:,} alerts of {MODEL} -> {file}" in done.output
    unknown = CliRunner().invoke(main, [*base, "alerts", "alerts.txt", "--model", MODEL])
    assert unknown.exit_code == 2
    assert "give --format" in unknown.output
