"""Step 6: rows to and from ClickHouse; the only package that knows it."""
