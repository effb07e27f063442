"""Are silent failures caught, and called by their name? Every fault on real flights.

    python -m bench.drills [--jobs N] [--faults NAME ...] [--months march july] [--seeds N]

In: the flights of 2013 with simulated latency, status, send and feature times; every fault of
`producers.faults` under several seeds. Out: `bench/DRILLS.md`. Never: an alert that the fault-free
twin raises too counted as a catch, a run left out of the table.
"""
