"""A process that ends in any gap of a commit, and the next one: every event once, every alert."""

import multiprocessing
import signal
from multiprocessing.context import ForkServerContext
from typing import Any

import pytest

from devstack import StackInfo
from tests.integration.conftest import MODEL, order_events, order_rows
from tests.integration.crashing import GAPS, run
from tests.integration.logs import Log

pytestmark = pytest.mark.integration

N = 7_000
RESENT = 300
BROKEN = 20
DRIFT = (2_000, 4_000)


@pytest.fixture(scope="module")
def log(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> Log:
    """One model, a spell of drift, a few resends and broken records."""
    log = Log(stack, tmp_path_factory.mktemp("log"), [MODEL])
    frame = order_rows(N, seed=2)
    frame.loc[DRIFT[0] : DRIFT[1], "amount"] += 1.5
    events = order_events(frame)
    log.send([*events, *[(MODEL.encode(), b"{broken", [])] * BROKEN, *events[-RESENT:]])
    return log


@pytest.fixture(scope="module")
def undisturbed(log: Log) -> dict[str, Any]:
    """What a worker that is left alone makes of the log."""
    one = log.new_run()
    one.finish()
    outcome = one.outcome()
    assert outcome["events"] == {"n": N + RESENT, "ids": N, "raw": N + RESENT}
    assert len(outcome["dead letters"]) == BROKEN
    assert len(outcome["alerts"]) >= 3
    one.end()
    return outcome


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """New processes that need not import everything again, and share nothing with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.crashing"])
    return context


@pytest.mark.parametrize("gap", GAPS)
def test_a_crash_in_a_gap_of_a_commit(
    log: Log, undisturbed: dict[str, Any], processes: ForkServerContext, gap: str
) -> None:
    one = log.new_run()
    victim = processes.Process(target=run, args=(one.file, gap, DRIFT[0] + 1_000))
    victim.start()
    victim.join(timeout=180)
    assert victim.exitcode == -signal.SIGKILL, gap
    one.finish()
    # The raw count is among it: not even a repeat that FINAL would collapse.
    assert one.outcome() == undisturbed
    published = one.published_ids()
    assert len(set(published)) == len(published)
    assert set(published) == one.published_rows()
    one.end()
