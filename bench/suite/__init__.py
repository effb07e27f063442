"""`make bench`: every figure of speed that is asked for, measured side by side, on one page.

`python -m bench.suite` runs the items (`items.py`), each in a process of its own within a time
limit, keeps what each found under `bench/results/` and composes `bench/RESULTS.md` of everything
kept there. `--only engine,latency` runs some; the page keeps the others as they were. `--quick`
tries all with tiny sizes and keeps nothing.
"""
