"""River's `PageHinkley` with its defaults."""

from functools import partial

from river.drift import PageHinkley

from bench.peers.event_by_event import alarms
from bench.peers.job import run

if __name__ == "__main__":
    run(partial(alarms, make=PageHinkley), "river")
