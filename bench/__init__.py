"""Benchmarks: each prints a table; none is part of the timed tests."""
