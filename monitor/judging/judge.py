"""Step 5: findings become alert moves.

In: findings in order of events. Out: alert moves, each with its reason, labels and id.
Never: the network, the clock, or a memory that grows with the stream: only alerts that are open
or on the way are kept.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.alerts import AlertMove, AlertState
from monitor.clock import to_datetime, to_us
from monitor.decisions import config_hash
from monitor.errors import ContractError
from monitor.findings import Finding, Measurement, Span, Verdict, kind_of
from monitor.judging.incidents import Incidents
from monitor.judging.life import AlertLife, Mark, Step
from monitor.judging.words import sentence, spoken
from schemas import ModelCard, alert_event_id, fingerprint
from schemas.command import Command

MAX_ANNOTATION_CHARS = 2_000
"""Of what a card says of its owner; an alert must stay far below the broker's limit."""

_OF_WINDOWS = frozenset({"drift", "quality"})
"""Categories of alerts that windows raise and clear."""

AlertKey = tuple[str, str, str, str, str]
"""(alertname, model, model version, feature, segment)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the card of a model version asks of the judge."""

    confirmations: int = 2
    resolving_scale: int = 0
    owner: Mapping[str, str] | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)
    """By what each alert names the reference and the settings that it was found with."""

    @classmethod
    def of(cls, card: ModelCard, smallest_scale: int) -> "Policy":
        """The policy of a card; `smallest_scale` is the smallest window that can tell."""
        owner = None
        if card.owner is not None:
            fields = {
                "owner": card.owner.team,
                "contact": card.owner.contact,
                "escalation": card.owner.escalation,
                "runbook_url": card.owner.runbook,
            }
            owner = {name: value[:MAX_ANNOTATION_CHARS] for name, value in fields.items() if value}
        evidence = {"config_hash": config_hash(card)}
        if card.profile_hash is not None:
            evidence["profile_hash"] = card.profile_hash
        return cls(card.monitoring.confirmations, smallest_scale, owner, evidence)


class Judge:
    """Keeps one AlertLife per open alert and turns findings into moves."""

    def __init__(self) -> None:
        self._lives: dict[AlertKey, AlertLife] = {}
        self._incidents = Incidents()

    def judge(self, findings: Iterable[Finding], policy: Policy) -> list[AlertMove]:
        """The moves that `findings` of one model version cause, in order."""
        moves: list[AlertMove] = []
        for finding in findings:
            key = _key(finding)
            life = self._lives.get(key)
            if life is None:
                life = AlertLife(policy.confirmations, policy.resolving_scale)
            moves += [self._dress(step, finding, life, policy) for step in life.take(finding)]
            if life.over:
                self._lives.pop(key, None)
            else:
                self._lives[key] = life
        return moves

    def windowed(self) -> set[tuple[str, str]]:
        """The (model, version)s with an open alert that only their windows could clear."""
        return {key[1:3] for key, life in self._lives.items() if _by_windows(key, life)}

    def supersede(
        self,
        version: tuple[str, str],
        reason: str,
        span: Span,
        policy: Policy,
        *,
        whole: bool = False,
    ) -> list[AlertMove]:
        """End the alerts that the windows of a version raised, or with `whole` all of them.

        `span` is the event at which they end.
        """
        moves = []
        for key, life in [*self._lives.items()]:
            if key[1:3] != version or not (whole or _by_windows(key, life)):
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
                    measurement=_nothing_measured(check, key[3], scale, reason),
                )
                moves.append(self._dress(life.supersede(reason), finding, life, policy))
            if whole or life.over:
                del self._lives[key]
        return moves

    def obey(
        self, command: Command, at_us: int, policies: Mapping[str, Policy]
    ) -> tuple[list[AlertMove], str]:
        """What a command does to the alert that it names: moves, and the effect in words.

        `at_us` is the model's event time, `policies` by version. Raises ContractError where no
        open alert of the model has this fingerprint, or `until` is over.
        """
        life, last = self._named(command)
        at_us = max(at_us, last.span.ended_us)
        policy = policies.get(last.model_version, Policy())
        until_us = None if command.until is None else to_us(command.until)
        if command.action in ("silence", "accept") and until_us is not None and until_us <= at_us:
            raise ContractError(
                f"until {command.until} is over: the newest events of {command.model} are later "
                "(event time); give a later time"
            )
        mark = Mark(command.who, command.why, command.command_id, at_us, until_us)
        said = spoken(command)
        if command.action == "acknowledge":
            life.acknowledged = mark
        elif command.action == "silence":
            life.silenced = mark
        else:
            if command.action == "accept":
                life.accepted = mark
            move = self._dress(life.close(said), last, life, policy)
            if life.over:
                del self._lives[_key(last)]
            return [replace(move, moved_us=at_us)], f"resolved: {said}"
        assert life.state is not None
        again = self._dress(Step(life.state, life.state, said), last, life, policy)
        told = f"{life.state.value}|{command.action}|{command.command_id}"
        mark_of = again.fingerprint
        event_id = alert_event_id(mark_of, life.starts_us, told, last.span.last_offset + 1)
        return [replace(again, event_id=event_id, moved_us=at_us)], f"{life.state.value}: {said}"

    def _named(self, command: Command) -> tuple[AlertLife, Finding]:
        for key, life in self._lives.items():
            last = life.last
            if key[1] != command.model or not life.open or last is None:
                continue
            if fingerprint(_labels(last)) == command.fingerprint:
                return life, last
        raise ContractError(
            f"no open alert of {command.model} has fingerprint {command.fingerprint}: it may have "
            "ended; see `plumbline alerts list`"
        )

    def firing(self) -> int:
        """How many alerts fire now (recovering ones included)."""
        open_states = (AlertState.FIRING, AlertState.RECOVERING)
        return sum(life.state in open_states for life in self._lives.values())

    def forget(self) -> None:
        """Drop every alert, for a new beginning."""
        self._lives.clear()
        self._incidents.forget()

    def state(self, model: str) -> dict[str, Any]:
        """The open alerts and incidents of one model as plain values, for the state topic."""
        lives = [
            [list(key), life.confirmations, life.resolving_scale, life.to_state()]
            for key, life in self._lives.items()
            if key[1] == model
        ]
        return {"lives": lives, "incidents": self._incidents.state(model)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up the open alerts of one model where `state` left off."""
        lives = {}
        for (name, model, version, feature, segment), confirmations, scale, fields in saved[
            "lives"
        ]:
            key = (str(name), str(model), str(version), str(feature), str(segment))
            lives[key] = AlertLife.from_state(fields, int(confirmations), int(scale))
        self._incidents.restore(saved["incidents"])
        self._lives |= lives

    def _dress(self, step: Step, finding: Finding, life: AlertLife, policy: Policy) -> AlertMove:
        labels = _labels(finding)
        mark = fingerprint(labels)
        end = finding.span.last_offset + 1
        move = AlertMove(
            event_id=alert_event_id(mark, life.starts_us, step.state.value, end),
            fingerprint=mark,
            labels=labels,
            annotations={
                "summary": sentence(finding),
                **(policy.owner or {}),
                "check": finding.measurement.check,
                **policy.evidence,
                **_said_by_people(life),
            },
            state=step.state,
            previous=step.previous,
            reason=step.reason,
            starts_us=life.starts_us,
            moved_us=finding.span.ended_us,
            finding=finding,
        )
        place = self._incidents.place(move)
        if place is None:
            return move
        return replace(move, annotations={**move.annotations, **place.annotations(mark)})


def _key(finding: Finding) -> AlertKey:
    feature = finding.measurement.feature
    return finding.alertname, finding.model, finding.model_version, feature, finding.segment


def _labels(finding: Finding) -> dict[str, str]:
    measurement = finding.measurement
    labels = {
        "alertname": finding.alertname,
        "severity": kind_of(measurement.check, measurement.feature).severity,
        "category": finding.category,
        "model": finding.model,
        "model_version": finding.model_version,
        "feature": measurement.feature,
        "segment": finding.segment,
    }
    return {name: value for name, value in labels.items() if value}


def _said_by_people(life: AlertLife) -> dict[str, str]:
    """Annotations by which whoever forwards alerts can leave one out, or say who is at it."""
    said: dict[str, str] = {}
    for name, mark in life.marks().items():
        said |= {
            f"{name}_by": mark.who,
            f"{name}_why": mark.why,
            f"{name}_id": mark.command_id,
        }
        if mark.until_us is not None:
            said[f"{name}_until"] = to_datetime(mark.until_us).isoformat()
    return said


def _by_windows(key: AlertKey, life: AlertLife) -> bool:
    return life.open and kind_of(life.look[0], key[3]).category in _OF_WINDOWS


def _nothing_measured(check: str, feature: str, scale: int, reason: str) -> Measurement:
    return Measurement(
        check=check,
        feature=feature,
        scale=scale,
        verdict=Verdict.CANNOT_TELL,
        statistic=math.nan,
        effect=math.nan,
        threshold=math.nan,
        p_value=math.nan,
        n_ref=0,
        n_cur=0,
        n_effective=0.0,
        smallest_visible=math.nan,
        cleared=False,
        reason=reason,
    )
