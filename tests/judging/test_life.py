"""An alert moves only along its life, with a reason, and never because of silence."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts import AlertState
from monitor.findings import Finding, Span, Verdict
from monitor.judging.judge import Judge
from monitor.judging.life import AlertLife
from monitor.judging.policy import Policy
from tests.judging.samples import MEASURED

LEGAL = {
    (None, "pending"),
    ("pending", "firing"),
    ("pending", "resolved"),
    ("firing", "recovering"),
    ("firing", "resolved"),
    ("recovering", "firing"),
    ("recovering", "resolved"),
}


def finding(
    look: int,
    verdict: Verdict,
    *,
    scale: int = 1_000,
    cleared: bool = False,
    immediate: bool = False,
    feature: str = "temp",
) -> Finding:
    measurement = MEASURED._replace(
        check="cusum" if immediate else "ks",
        feature=feature,
        scale=0 if immediate else scale,
        verdict=verdict,
        cleared=cleared,
        immediate=immediate,
    )
    span = Span("t", 0, look * 250, look * 250 + 999, look * 250, look * 250 + 999, look, look + 1)
    return Finding("m", "1", "drift", "FeatureDrift", "", span, measurement)


DRIFT, OK, UNSURE = Verdict.DRIFT, Verdict.OK, Verdict.CANNOT_TELL


def _states(life: AlertLife, findings: list[Finding]) -> list[AlertState]:
    return [step.state for one in findings for step in life.take(one)]


def test_fires_after_the_confirmations_and_resolves_after_as_many_clear_looks() -> None:
    life = AlertLife(confirmations=2, resolving_scale=1_000)
    assert _states(life, [finding(0, DRIFT)]) == ["pending"]
    assert _states(life, [finding(1, DRIFT)]) == ["firing"]
    assert _states(life, [finding(2, OK)]) == []
    assert _states(life, [finding(3, OK, cleared=True)]) == ["recovering"]
    assert _states(life, [finding(4, OK, cleared=True)]) == ["resolved"]
    assert life.over


def test_an_unconfirmed_look_ends_without_firing() -> None:
    life = AlertLife(confirmations=2, resolving_scale=1_000)
    assert _states(life, [finding(0, DRIFT), finding(1, OK)]) == ["pending", "resolved"]


def test_a_sequential_alarm_fires_at_once_and_resolves_by_the_smallest_window() -> None:
    life = AlertLife(confirmations=2, resolving_scale=1_000)
    assert _states(life, [finding(0, DRIFT, immediate=True)]) == ["pending", "firing"]
    clear_large = [finding(i, OK, scale=4_000, cleared=True) for i in range(1, 5)]
    assert _states(life, clear_large) == []
    clear_small = [finding(i, OK, cleared=True) for i in range(5, 7)]
    assert _states(life, clear_small) == ["recovering", "resolved"]


def test_another_scale_that_still_drifts_takes_over() -> None:
    life = AlertLife(confirmations=2, resolving_scale=1_000)
    start = [finding(i, DRIFT, scale=scale) for i in range(2) for scale in (1_000, 4_000)]
    assert _states(life, start) == ["pending", "firing"]
    clear = [finding(i, OK, cleared=True) for i in range(2, 4)]
    assert _states(life, clear) == ["recovering", "firing"]
    assert life.fired_by == ("ks", 4_000)
    large = [finding(i, OK, scale=4_000, cleared=True) for i in range(4, 6)]
    assert _states(life, large) == ["recovering", "resolved"]


def test_what_cannot_tell_moves_nothing() -> None:
    life = AlertLife(confirmations=1, resolving_scale=1_000)
    assert _states(life, [finding(0, DRIFT)]) == ["pending", "firing"]
    assert _states(life, [finding(i, UNSURE, cleared=True) for i in range(1, 50)]) == []
    assert life.state is AlertState.FIRING


@given(
    st.lists(
        st.tuples(
            st.sampled_from([DRIFT, OK, UNSURE]),
            st.sampled_from([1_000, 4_000, 16_000]),
            st.booleans(),
            st.booleans(),
            st.sampled_from(["a", "b"]),
        ),
        max_size=80,
    ),
    st.integers(1, 3),
    st.integers(0, 80),
)
def test_moves_are_legal_unique_and_survive_a_restore(
    looks: list[tuple[Verdict, int, bool, bool, str]], confirmations: int, cut: int
) -> None:
    policy = Policy(confirmations, resolving_scale=1_000)
    judge, restored = Judge(), Judge()
    seen: dict[str, str | None] = {}
    ids: set[str] = set()
    for i, (verdict, scale, cleared, immediate, feature) in enumerate(looks):
        if i == cut:
            restored.restore(judge.state("m"))
        one = finding(
            i,
            verdict,
            scale=scale,
            cleared=cleared and verdict is OK,
            immediate=immediate and verdict is DRIFT,
            feature=feature,
        )
        moves = judge.judge([one], policy)
        if i >= cut:
            assert restored.judge([one], policy) == moves
        for move in moves:
            own = move.labels["feature"]  # an alert beside it may be told again
            previous = seen.get(own)
            assert move.previous == previous
            assert move.told_again or (previous, move.state.value) in LEGAL
            assert move.reason
            assert move.event_id not in ids
            ids.add(move.event_id)
            seen[own] = None if move.state is AlertState.RESOLVED else move.state.value
    firing = sum(state in ("firing", "recovering") for state in seen.values())
    assert judge.firing() == firing
