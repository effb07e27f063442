"""The alert's life as a state machine: any interleaving of what can happen to a judge.

Findings of several looks and sizes (so that severities come and go), gaps, data that stops and
comes again, silence, acknowledgement, closing, accepting, restarts, versions that are replaced and
windows that start anew. After every step: no illegal move, no lost firing, nothing resolved by
silence of data, no id twice, who is suppressed is said, and a restored judge is the judge.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monitor.alerts import AlertMove, AlertState
from monitor.checks.stopped import stopped
from monitor.errors import ContractError
from monitor.findings import Finding, Span, Verdict, finding_of
from monitor.judging.judge import Judge
from monitor.judging.policy import Policy
from schemas import fingerprint
from schemas.command import Command
from tests.judging.samples import MEASURED

LEGAL = {
    (None, "pending"),
    ("pending", "firing"),
    ("pending", "resolved"),
    ("firing", "recovering"),
    ("firing", "resolved"),
    ("firing", "superseded"),
    ("recovering", "firing"),
    ("recovering", "resolved"),
    ("recovering", "superseded"),
    ("firing", "stale"),
    ("recovering", "stale"),
    ("stale", "firing"),
    ("stale", "recovering"),
    ("stale", "resolved"),
    ("stale", "superseded"),
}
ENDED = (AlertState.RESOLVED, AlertState.SUPERSEDED)
SCALES = (1_000, 4_000)
FEATURES = ("a", "score")
SEVERITIES = ("critical", "warning")
VERSIONS = ("1", "2")
US = 1_000_000
POLICY = Policy(confirmations=2, resolving_scale=SCALES[0], features=10)

Identity = tuple[str, str, str]
"""(model version, feature, severity)."""


class AlertMachine(RuleBasedStateMachine):
    """One model with two versions and two features, and what must hold of their alerts."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = Judge()
        self.now = 0
        self.commands = 0
        self.ids: set[str] = set()
        self.states: dict[Identity, AlertState] = {}
        self.marks: dict[Identity, str] = {}
        self.streaks: dict[tuple[Identity, int], int] = {}
        """Looks in a row that saw drift since the life began, as a person would count them."""
        self.accepted_until: dict[Identity, int] = {}
        self.silent = False

    @rule(
        version=st.sampled_from(VERSIONS),
        feature=st.sampled_from(FEATURES),
        scale=st.sampled_from(SCALES),
        verdict=st.sampled_from(list(Verdict)),
        cleared=st.booleans(),
        immediate=st.booleans(),
        large=st.booleans(),
    )
    def look(
        self,
        version: str,
        feature: str,
        scale: int,
        verdict: Verdict,
        cleared: bool,
        immediate: bool,
        large: bool,
    ) -> None:
        self.now += 1
        if self.silent:  # the first event ends the silence, before anything is tested
            self._data_comes(silent=False)
        drift = verdict is Verdict.DRIFT
        immediate = immediate and drift
        one = self._finding(
            version, feature, 0 if immediate else scale, verdict, immediate, 0.9 if large else 0.3
        )
        if cleared and verdict is Verdict.OK:
            one = self._cleared(one)
        critical = (version, feature, "critical")
        known = critical in self.states or self.streaks.get((critical, scale), 0) > 0
        moves = self.judge.judge([one], POLICY)
        self._follow(moves)
        heavy = drift and large and feature == "score"  # of one feature in ten nothing is critical
        for severity, seen in (("critical", heavy), ("warning", drift)):
            who = (version, feature, severity)
            own = [move for move in moves if _who(move) == who and not move.told_again]
            if verdict is Verdict.CANNOT_TELL or self.now < self.accepted_until.get(who, 0):
                assert own == []
                continue
            if severity == "critical" and not (heavy or known):
                continue
            streak = self.streaks.get((who, scale), 0)
            self.streaks[who, scale] = (
                (streak + (not immediate)) if seen else (streak if drift and immediate else 0)
            )
            if seen and (immediate or self.streaks[who, scale] >= POLICY.confirmations):
                assert self.states.get(who) in (AlertState.FIRING, AlertState.RECOVERING), "lost"
            if any(move.state in ENDED for move in own):
                self._forget(who)

    @rule(gap=st.integers(1, 30))
    def nothing_comes(self, gap: int) -> None:
        """Time passes without data: nobody calls the judge, and nothing may have moved."""
        self.now += gap

    @rule()
    def data_stops(self) -> None:
        """What is on is stale, and nothing ends."""
        self.now += 1
        before = dict(self.states)
        self._data_comes(silent=True)
        on = {who for who, state in before.items() if state is not AlertState.PENDING}
        assert {who for who, state in self.states.items() if state is AlertState.STALE} == on
        assert self.states.keys() == before.keys()

    def _data_comes(self, *, silent: bool) -> None:
        self.silent = silent
        measured = stopped(30.0, 15.0) if silent else stopped(0.0, 15.0)
        one = finding_of(("m", "1"), self._span(), measured, clock=True)
        moves = self.judge.gap(one, {"1": POLICY, "2": POLICY})
        assert all(move.finding.clock and move.state not in ENDED for move in moves)
        self._follow(moves)

    @precondition(lambda self: self.marks)
    @rule(data=st.data(), action=st.sampled_from(["acknowledge", "silence", "accept", "close"]))
    def command(self, data: st.DataObject, action: str) -> None:
        who = data.draw(st.sampled_from(sorted(self.marks)))
        until_s = data.draw(st.integers(-3, 40))
        self.now += 1
        self.commands += 1
        before = dict(self.states)
        order = Command.model_validate(
            {
                "command_id": str(self.commands),
                "model": "m",
                "action": action,
                "fingerprint": self.marks[who],
                "who": "ann",
                "why": "we know",
                "issued_at": "2026-01-01T00:00:00Z",
                "until": f"1970-01-01T00:{max(0, self.now + until_s) // 60 % 60:02}"
                f":{max(0, self.now + until_s) % 60:02}Z",
            }
        )
        try:
            moves, effect = self.judge.obey(order, self.now * US, {"1": POLICY, "2": POLICY})
        except ContractError:
            assert who not in before or (until_s <= 0 and action in ("silence", "accept"))
            return
        assert who in before
        assert "ann: we know" in effect
        self._follow(moves)
        if action in ("acknowledge", "silence"):
            assert self.states == before
        else:
            for severity in SEVERITIES[SEVERITIES.index(who[2]) :]:
                lesser = (who[0], who[1], severity)
                assert lesser not in self.states
                if lesser in before:
                    self._forget(lesser)
                    if action == "accept":
                        self.accepted_until[lesser] = self.now + until_s

    @rule(version=st.sampled_from(VERSIONS), whole=st.booleans())
    def windows_end(self, version: str, whole: bool) -> None:
        """Another version takes over (whole), or the windows start anew."""
        self.now += 1
        ended = self.judge.supersede(("m", version), "anew", self._span(), POLICY, whole=whole)
        self._follow(ended)
        assert all(who[0] != version for who in self.states)
        for who in [(version, one, severity) for one in FEATURES for severity in SEVERITIES]:
            self._forget(who)
            if whole:
                self.accepted_until.pop(who, None)

    @rule()
    def restart(self) -> None:
        saved = self.judge.state("m")
        self.judge = Judge()
        self.judge.restore(saved)
        assert self.judge.state("m") == saved

    @invariant()
    def what_fires_is_counted(self) -> None:
        on = [state for state in self.states.values() if state is not AlertState.PENDING]
        assert self.judge.firing() == len(on)

    @invariant()
    def nothing_is_kept_of_what_is_over(self) -> None:
        assert len(self.judge.state("m")["lives"]) <= len(VERSIONS) * len(FEATURES) * 2

    def _follow(self, moves: list[AlertMove]) -> None:
        """Every move goes on from where the alert stood, with a reason and an id of its own."""
        for move in moves:
            who = _who(move)
            before = self.states.get(who)
            assert move.previous == before
            assert move.told_again or (before, move.state.value) in LEGAL
            assert move.reason
            assert move.event_id not in self.ids
            self.ids.add(move.event_id)
            assert move.fingerprint == fingerprint(dict(move.labels))
            told = move.annotations
            assert ("suppressed" in told) == ("inhibited_by" in told)
            assert told.get("inhibited_by") != move.fingerprint
            self.marks[who] = move.fingerprint
            if move.state in ENDED:
                self.states.pop(who, None)
            else:
                self.states[who] = move.state

    def _forget(self, who: Identity) -> None:
        for scale in SCALES:
            self.streaks.pop((who, scale), None)

    def _span(self) -> Span:
        at = self.now
        return Span("t", 0, at, at, at, at, at * US, at * US)

    def _finding(
        self,
        version: str,
        feature: str,
        scale: int,
        verdict: Verdict,
        immediate: bool,
        effect: float,
    ) -> Finding:
        measurement = MEASURED._replace(
            check="cusum" if immediate else "ks",
            feature=feature,
            scale=scale,
            verdict=verdict,
            immediate=immediate,
            effect=effect,
        )
        return Finding("m", version, "drift", "FeatureDrift", "", self._span(), measurement)

    def _cleared(self, one: Finding) -> Finding:
        return one._replace(measurement=one.measurement._replace(cleared=True))


def _who(move: AlertMove) -> Identity:
    labels = move.labels
    return labels["model_version"], labels["feature"], labels["severity"]


AlertMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAlertMachine = AlertMachine.TestCase
