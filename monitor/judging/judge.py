"""Step 5: findings become alert moves.

In: findings in order of events. Out: alert moves, each with its reason, labels and id.
Never: the network, the clock, or a memory that grows with the stream: only alerts that are open
or on the way are kept.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from monitor.alerts import AlertMove, AlertState
from monitor.clock import to_us
from monitor.errors import ContractError
from monitor.findings import Finding, Measurement, Span, Verdict, kind_of
from monitor.judging.acceptance import Acceptance, acceptance, meant
from monitor.judging.dressing import dressed, fingerprint_of, nothing_measured, said_by_people
from monitor.judging.evidence import summary
from monitor.judging.flapping import FLAPPING_DAYS, FLAPPING_FIRINGS, Firings
from monitor.judging.identity import AlertKey, identity_of, key_of, labels_of, name_of
from monitor.judging.incidents import Incidents
from monitor.judging.life import AlertLife, Mark, Step
from monitor.judging.links import Links
from monitor.judging.lives import Lives, by_windows, of_labels_alone, restored
from monitor.judging.policy import Policy
from monitor.judging.severity import (
    CLEAR_WEIGHT,
    CRITICAL_WEIGHT,
    base_severity,
    may_be_critical,
    weight,
)
from monitor.judging.words import sentence, spoken
from schemas import fingerprint
from schemas.command import Command
from schemas.model import OUTPUT_NAMES

Behind = Callable[[Finding], Mapping[str, str]]
"""What stands behind a finding, as annotations; nothing where that cannot be said."""


class Judge:
    """Keeps one AlertLife per open alert and turns findings into moves.

    What may be worse than its kind says has a life for each severity: while the effect is critical
    two alerts are on, of which the critical one inhibits the other.
    """

    def __init__(self, links: Links | None = None) -> None:
        self.lives = Lives()
        self._incidents = Incidents()
        self._firings = Firings()
        self._links = links or Links()

    def judge(
        self, findings: Iterable[Finding], policy: Policy, behind: Behind | None = None
    ) -> list[AlertMove]:
        """The moves that `findings` of one model version cause, in order.

        `behind` says what stands behind a finding; it is asked where an alert fires.
        """
        moves: list[AlertMove] = []
        alive = {key[:5] for key in self.lives}
        for finding in findings:
            if finding.measurement.verdict is not Verdict.DRIFT:
                if identity_of(finding) not in alive:
                    continue  # quiet, and nothing lives that it could end
            else:
                alive.add(identity_of(finding))
            severity = base_severity(finding)
            if may_be_critical(finding):
                seen = self._as_critical(finding, policy)
                moves += self._looked(finding, "critical", policy, seen, behind)
            moves += self._looked(finding, severity, policy, finding.measurement, behind)
        return moves

    def _looked(
        self,
        finding: Finding,
        severity: str,
        policy: Policy,
        seen: Measurement | None,
        behind: Behind | None,
    ) -> list[AlertMove]:
        """The moves of the alert of one severity; `seen` is what it sees, None: nothing."""
        if seen is None:
            return []
        key = key_of(finding, severity)
        life = self.lives.get(key)
        if life is None:
            if seen.verdict is not Verdict.DRIFT:
                return []
            life = AlertLife(policy.confirmations, policy.resolving_scale, severity=severity)
        moves = []
        for step in life.take(finding, seen):
            fires = step.state is AlertState.FIRING and step.previous is not AlertState.FIRING
            if fires and behind is not None:
                life.cause = behind(finding)
            elif step.state is AlertState.PENDING:
                life.cause = {}
            moves += self._told(step, finding, life, policy)
        if life.over:
            self.lives.pop(key, None)
        else:
            self.lives[key] = life
        return moves

    def _as_critical(self, finding: Finding, policy: Policy) -> Measurement | None:
        """A finding as a critical alert sees it: drift only where its weight is critical."""
        measurement = finding.measurement
        known = self.lives.get(key_of(finding, "critical"))
        if measurement.verdict is not Verdict.DRIFT:
            return measurement if known else None
        heavy = self._weight(finding, policy)
        if heavy >= CRITICAL_WEIGHT:
            return measurement
        if known is None:
            return None
        # A window that holds events from before the trouble does not say that it is lighter now.
        since = finding.span.started_us > known.starts_us
        return measurement._replace(verdict=Verdict.OK, cleared=since and heavy < CLEAR_WEIGHT)

    def _weight(self, finding: Finding, policy: Policy) -> float:
        version, own = (finding.model, finding.model_version), finding.measurement.feature
        troubled = {key[3] for key, _ in self.lives.on(version) if key[3]} | {own}
        return weight(finding, len(troubled - set(OUTPUT_NAMES)), policy.features)

    def windowed(self) -> set[tuple[str, str]]:
        """The (model, version)s with an open alert that only their windows could clear."""
        return {key[1:3] for key, life in self.lives.items() if by_windows(key, life)}

    def supersede(
        self,
        version: tuple[str, str],
        reason: str,
        span: Span,
        policy: Policy,
        *,
        whole: bool = False,
        of_labels: bool = False,
    ) -> list[AlertMove]:
        """End the alerts that the windows of a version raised, or with `whole` all of them.

        `span` is the event at which they end. Those that closed cohorts raised end apart, with
        `of_labels`: how far one partition was read before the other must not matter.
        """
        moves = []
        for key, life in [*self.lives.items()]:
            if key[1:3] != version or of_labels_alone(key) is not of_labels:
                continue
            if not (whole or by_windows(key, life)):
                continue
            if life.open:
                check, scale = life.look
                finding = Finding(
                    model=key[1],
                    model_version=key[2],
                    category=kind_of(check, key[3]).category,
                    alertname=key[0],
                    segment=key[4],
                    span=span,
                    measurement=nothing_measured(check, key[3], scale, reason),
                    clock=life.last is not None and life.last.clock,
                )
                moves += self._told(life.supersede(reason), finding, life, policy)
            if whole or life.over:
                del self.lives[key]
            if whole:
                self._firings.drop(key)
        return moves

    def acceptance(self, command: Command) -> Acceptance | None:
        """Of which columns a command accepts the distribution; None where of none.

        Raises ContractError where no open alert of the model has its fingerprint.
        """
        return acceptance(command, self.lives, self._incidents)

    def obey(
        self,
        command: Command,
        at_us: int,
        policies: Mapping[str, Policy],
        rebased: Collection[AlertKey] = (),
    ) -> tuple[list[AlertMove], str]:
        """What a command does to the alert that it names: moves, and the effect in words.

        `at_us` is the model's event time, `policies` by version. The alerts of `rebased` end, and
        may come again at once: they compare with what was accepted. Raises ContractError where no
        open alert of the model has this fingerprint, or `until` is over.
        """
        named = meant(command, self.lives, self._incidents)
        known = {key for key, _, _ in named}
        for key, life in self.lives.items():
            if key in rebased and key not in known and life.last is not None:
                named.append((key, life, life.last))
        last = max((one.span.ended_us for _, _, one in named), default=0)
        at_us = max(at_us, last)
        until_us = None if command.until is None else to_us(command.until)
        if command.action in ("silence", "accept") and until_us is not None and until_us <= at_us:
            raise ContractError(
                f"until {command.until} is over: the newest events of {command.model} are later "
                "(event time); give a later time"
            )
        mark = Mark(command.who, command.why, command.command_id, at_us, until_us)
        moves: list[AlertMove] = []
        effect = ""
        for key, life, finding in named:
            policy = policies.get(finding.model_version, Policy())
            if command.action == "accept" and key not in rebased:
                life.accepted = mark
            done, told = self._obeyed(command, key, life, finding, policy, mark)
            moves += done
            effect = effect or told
        return moves, effect

    def _obeyed(
        self,
        command: Command,
        key: AlertKey,
        life: AlertLife,
        last: Finding,
        policy: Policy,
        mark: Mark,
    ) -> tuple[list[AlertMove], str]:
        """What a command does to one alert, and the effect in words."""
        said = spoken(command)
        if command.action == "acknowledge":
            life.acknowledged = mark
        elif command.action == "silence":
            life.silenced = mark
        else:
            moves = self._told(life.close(said), last, life, policy)
            if life.over:
                del self.lives[key]
            return [replace(move, moved_us=mark.at_us) for move in moves], f"resolved: {said}"
        assert life.shown is not None
        shown = life.shown
        again = self._again(life, last, policy, said, f"{command.action}|{command.command_id}")
        return [replace(again, moved_us=mark.at_us)], f"{shown.value}: {said}"

    def gap(self, stopped: Finding, policies: Mapping[str, Policy]) -> list[AlertMove]:
        """A model fell silent, or sends again: its alerts that are on are stale, or as they were.

        No alert ends because of it. `policies` by version.
        """
        silent = stopped.measurement.verdict is Verdict.DRIFT
        moves: list[AlertMove] = []
        for key, life in self.lives.items():
            last = life.last
            if key[1] != stopped.model or not life.on or last is None or last.clock:
                continue
            if life.stale is silent:
                continue
            name = name_of(key)
            if silent:
                step = life.go_stale(f"no data: whether {name} is over cannot be told")
            else:
                step = life.wake(f"data again: {name} is {life.state} as before")
            policy = policies.get(key[2], Policy())
            check, scale = life.look
            finding = last._replace(
                span=stopped.span,
                clock=True,
                measurement=nothing_measured(check, key[3], scale, step.reason),
            )
            moves.append(self._dress(step, finding, life, policy, said=last, mark="|clock"))
        return moves

    def firing(self) -> int:
        """How many alerts fire now (recovering ones included)."""
        return self.lives.firing()

    def forget(self) -> None:
        """Drop every alert, for a new beginning."""
        self.lives.clear()
        self._incidents.forget()
        self._firings.forget()

    def state(self, model: str) -> dict[str, Any]:
        """The open alerts and incidents of one model as plain values, for the state topic."""
        firings = [[list(key), at] for key, at in self._firings.items() if key[1] == model]
        return {
            "lives": self.lives.state(model),
            "incidents": self._incidents.state(model),
            "firings": firings,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up the open alerts of one model where `state` left off."""
        found = restored(saved["lives"])
        self._incidents.restore(saved["incidents"])
        for (name, model, version, feature, segment, severity), at in saved.get("firings", ()):
            key = (str(name), str(model), str(version), str(feature), str(segment), str(severity))
            self._firings.restore(key, [int(one) for one in at])
        self.lives |= found

    def _told(
        self, step: Step, finding: Finding, life: AlertLife, policy: Policy
    ) -> list[AlertMove]:
        """A move, and what it changes for the alerts beside it."""
        if step.state is AlertState.FIRING and step.previous is not AlertState.FIRING:
            key = key_of(finding, life.severity)
            times = self._firings.fired(key, finding.span.ended_us)
            if times >= FLAPPING_FIRINGS:
                said = f"; flapping: fired {times} times in {FLAPPING_DAYS} days"
                step = replace(step, reason=step.reason + said)
        if step.state is step.previous:  # it goes on
            end = finding.span.last_offset + 1
            return [self._again(life, finding, policy, step.reason, f"repeat|{end}")]
        move = self._dress(step, finding, life, policy)
        place = self._incidents.place(move)
        if place is None:
            return [move]
        told = [
            replace(move, annotations={**move.annotations, **place.annotations(move.fingerprint)})
        ]
        for member in place.turned:
            told += self._turned(member.fingerprint, move, policy)
        return told

    def _turned(self, mark: str, by: AlertMove, policy: Policy) -> list[AlertMove]:
        """Tell an alert again that another move has suppressed, or of which people hear now."""
        for life in self.lives.values():
            last = life.last
            if last is None or not life.on or fingerprint_of(life) != mark:
                continue
            place = self._incidents.of(mark)
            if place is None:
                return []
            name = f"{by.labels['alertname']} {by.labels.get('feature', '')}".rstrip()
            words = place.annotations(mark).get("suppressed", "")
            reason = f"suppressed: {words}" if words else f"no longer suppressed: {name} has ended"
            again = self._again(life, last, policy, reason, f"{by.event_id}|turned")
            return [replace(again, moved_us=max(by.moved_us, again.moved_us))]
        return []

    def _again(
        self, life: AlertLife, last: Finding, policy: Policy, reason: str, why: str
    ) -> AlertMove:
        """The same state once more, with an id of its own."""
        assert life.shown is not None
        shown = life.shown
        return self._dress(Step(shown, shown, reason), last, life, policy, mark=f"|{why}")

    def _dress(
        self,
        step: Step,
        finding: Finding,
        life: AlertLife,
        policy: Policy,
        *,
        said: Finding | None = None,
        mark: str = "",
    ) -> AlertMove:
        """A step with labels, words and id; `said` is what it tells of, if not `finding`."""
        own = fingerprint(labels_of(finding, life.severity))
        place = self._incidents.of(own)
        annotations = {
            "summary": self._summary(step, said or finding, life),
            **self._links.annotations(finding),
            **(policy.owner or {}),
            "check": finding.measurement.check,
            **policy.evidence,
            **life.cause,
            **({} if finding.clock else self._weighed(finding, policy)),
            **said_by_people(life),
            **({} if place is None else place.annotations(own)),
        }
        return dressed(step, finding, life, annotations, self._links.page(own), mark)

    def _summary(self, step: Step, finding: Finding, life: AlertLife) -> str:
        if step.state is not AlertState.FIRING or finding.measurement.verdict is not Verdict.DRIFT:
            return sentence(finding)
        own = key_of(finding, life.severity)[:5]
        version = (finding.model, finding.model_version)
        on = () if finding.clock else self.lives.on(version, of_labels=of_labels_alone(own))
        others = [key for key, _ in on if key[:5] != own]
        return summary(finding, life.starts_us, [*dict.fromkeys(map(name_of, others))])

    def _weighed(self, finding: Finding, policy: Policy) -> dict[str, str]:
        if finding.measurement.verdict is not Verdict.DRIFT or not may_be_critical(finding):
            return {}
        heavy = self._weight(finding, policy)
        return {"weight": f"{heavy:.2f} (effect x reach; critical from {CRITICAL_WEIGHT})"}
