"""Step 4, with labels: predictions and their labels -> how good each version is, and whether that
is worse than before, than the version it replaced, than a trivial baseline.

In: arrays. Out: metrics, measurements and verdicts by closed cohort. Never: Kafka, ClickHouse, a
clock; what memory does not hold comes through the port `lookup.LookUp`.
"""
