"""How long an explanation takes in a big database: `make bench-explain`.

In: a local ClickHouse of its own, filled by `bench.filling`. Out: a table; exit code 1 past the
target. Never: Kafka traffic: what is timed is reading.

    python -m bench.explain [--rows N] [--asked N] [--keep DIRECTORY]

A bare `SELECT 1` is timed beside it, because the machine and the engine decide what a round trip
costs; so is what the index on event ids adds to an insert.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from bench.filling import MODEL, event_id_of, fill
from bench.machine import commit_line, machine_line, versions_line
from devstack import StackInfo, stack
from monitor.audit import explain
from monitor.config import ClickHouseSettings
from monitor.storage import ClickHouseStore, Connection
from monitor.storage.reader import Reader

WANTED_MS: Final = 100.0
"""For the median."""
STRIDE: Final = 797_003
"""Between two predictions that are asked for: all over the year."""
INSERTED: Final = 500_000
ROUNDS: Final = 3


def settings_of(info: StackInfo) -> ClickHouseSettings:
    """Both accounts, and the database that the reader's may read."""
    return ClickHouseSettings(
        host=info.clickhouse_host,
        port=info.clickhouse_port,
        username=info.writer_user,
        password=SecretStr(info.writer_password),
        reader_username=info.reader_user,
        reader_password=SecretStr(info.reader_password),
    )


def timed_ms(ask: Callable[[int], object], times: int) -> list[float]:
    """Milliseconds of each call, after one that is not counted."""
    ask(times)
    spent = []
    for number in range(times):
        began = time.perf_counter()
        ask(number)
        spent.append(1_000 * (time.perf_counter() - began))
    return sorted(spent)


def index_cost(connection: Connection) -> tuple[float, float]:
    """Seconds of an insert without and with the index on event ids: the best of the rounds."""
    for name in ("bare", "indexed"):
        connection.command(f"DROP TABLE IF EXISTS {name}")
        connection.command(f"CREATE TABLE {name} AS predictions")
    connection.command("ALTER TABLE bare DROP INDEX by_event_id")
    best = dict.fromkeys(("bare", "indexed"), float("inf"))
    for _ in range(ROUNDS):
        for name in best:
            began = time.perf_counter()
            connection.command(
                f"INSERT INTO {name} SELECT * FROM predictions WHERE offset < {INSERTED} "
                "SETTINGS max_threads = 1, max_insert_threads = 1"
            )
            best[name] = min(best[name], time.perf_counter() - began)
    for name in best:
        connection.command(f"DROP TABLE {name}")
    return best["bare"], best["indexed"]


def size_of(connection: Connection) -> tuple[int, int, int]:
    """Rows and bytes of the predictions, bytes of their indexes."""
    [row] = connection.query(
        "SELECT sum(rows) AS n, sum(bytes_on_disk) AS size, "
        "sum(secondary_indices_compressed_bytes) AS indexes FROM system.parts "
        "WHERE active AND database = currentDatabase() AND table = 'predictions'"
    )
    return int(row["n"]), int(row["size"]), int(row["indexes"])


def measure(settings: ClickHouseSettings, rows: int, asked: int) -> float:
    """Fill unless it is filled, ask, print; gives the median of explaining."""
    with ClickHouseStore(settings) as store:
        store.migrate()
        n, _, _ = size_of(store.connection)
        began = time.perf_counter()
        if n < rows:
            fill(store, rows)
        n, size, indexes = size_of(store.connection)
        print(f"{n:,} predictions of 10 features in {time.perf_counter() - began:.0f} s: ", end="")
        print(f"{size / n:.0f} bytes each, {indexes / n:.1f} of them indexes")
        ids = [event_id_of(store, (k * STRIDE + 5) % rows) for k in range(asked + 1)]
        with Reader(settings) as reader, closing(Connection(settings, reader=True)) as connection:
            bare = timed_ms(lambda _: connection.query("SELECT 1 AS one"), asked)
            named = timed_ms(lambda number: explain(reader, ids[number], MODEL), asked)
            found = timed_ms(lambda number: explain(reader, ids[number]), asked)
        print(f"{'milliseconds':<30}{'median':>10}{'fastest':>10}{'p90':>10}{'slowest':>10}")
        for name, spent in (
            ("SELECT 1", bare),
            ("explain EVENT_ID --model M", named),
            ("explain EVENT_ID", found),
        ):
            p90 = spent[int(0.9 * (len(spent) - 1))]
            median = statistics.median(spent)
            print(f"{name:<30}{median:>10.1f}{spent[0]:>10.1f}{p90:>10.1f}{spent[-1]:>10.1f}")
        without, with_index = index_cost(store.connection)
        print(
            f"insert of {INSERTED:,} rows: {without:.2f} s without the index on event ids, "
            f"{with_index:.2f} s with it ({100 * (with_index / without - 1):+.0f} %)"
        )
    return statistics.median(found)


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--asked", type=int, default=40)
    parser.add_argument(
        "--keep", type=Path, help="Directory of a stack to fill once and use again."
    )
    options = parser.parse_args()
    print(f"{commit_line()}; {machine_line()}; {versions_line('chdb', 'clickhouse-connect')}")
    with tempfile.TemporaryDirectory() as folder:
        directory = options.keep or Path(folder)
        try:
            median = measure(settings_of(stack.up(directory)), options.rows, options.asked)
        finally:
            stack.down(directory)
    print(f"target {WANTED_MS:.0f} ms: {'met' if median < WANTED_MS else 'NOT MET'}")
    sys.exit(int(median >= WANTED_MS))


if __name__ == "__main__":
    main()
