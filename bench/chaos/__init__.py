"""Workers, broker and ClickHouse killed by seed, and a recount of what came of it.

In: a seed and sizes. Out: a table; exit code 1 where anything was lost, doubled or changed.

    python -m bench.chaos [--events N] [--kills N] ... [--report FILE]
"""
