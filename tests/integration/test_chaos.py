"""The short form of `make chaos`: a few disturbances of each kind, and the whole recount."""

from collections import Counter
from pathlib import Path

import pytest

from bench.chaos import log_file
from bench.chaos import proof as proof_module
from bench.chaos.plan import Kind, Plan, schedule
from bench.chaos.proof import prove
from bench.chaos.recount import Input
from bench.chaos.report import page, table

PLAN = Plan(
    events=40_000,
    models=8,
    kills=4,
    rebalances=1,
    broker_restarts=1,
    outages=1,
    seed=1,
    limit_s=400,
)


@pytest.mark.integration
def test_nothing_is_lost_and_nothing_comes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_module, "LONGEST_STOP_S", 30.0)  # 10 s, and a slow machine's share
    said: list[str] = []
    proof = prove(PLAN, tmp_path, say=said.append)
    assert proof.holds, table(PLAN, proof)
    done = Counter(moment.what.split()[0] for moment in proof.shaken.moments)
    # Four workers, the broker, ClickHouse; another worker where partitions were seen to move.
    assert done["SIGKILL"] >= 6
    assert done["add"] == 1
    assert "| **NO** |" not in page(PLAN, proof)


def test_the_full_plan_holds_what_was_promised() -> None:
    plan = Plan()
    done = schedule(plan)
    kinds = Counter(one.kind for one in done)
    assert kinds[Kind.KILL] == 50
    assert sum(kinds[kind] for kind in (Kind.ADD, Kind.REMOVE, Kind.ZOMBIE)) == 10
    assert kinds[Kind.BROKER_STOP] + kinds[Kind.BROKER_KILL] == 5
    assert sum(kinds[k] for k in (Kind.HOUSE_STOP, Kind.HOUSE_KILL, Kind.HOUSE_FREEZE)) == 5
    assert schedule(plan) == done
    assert [one.at_events for one in done] == sorted(one.at_events for one in done)


def test_the_input_is_the_same_for_a_seed_and_every_record_is_counted(tmp_path: Path) -> None:
    plan = Plan(events=5_000, models=3)
    for name in ("one", "two"):
        log_file.write(plan, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    sent = Input.of(tmp_path / "one")
    assert sum(sent.valid.values()) + sum(sent.invalid.values()) == plan.events
    assert max(sent.invalid.values()) == 1
    assert len(sent.valid) < sum(sent.valid.values())
