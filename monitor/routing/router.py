"""The router: keeps an Alertmanager told of every alert that is on.

In: the compacted topic `plumbline.alerts.state`. Out: posts to Alertmanager, at once when something
changes and again every `routing.resend_interval_s`, as it expects; silences both ways. Never: a
group, an offset, a state of its own: after a restart it reads the topic and tells everything again,
which Alertmanager takes for the same alerts, since their labels are the same.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from monitor.clock import Clock, to_datetime
from monitor.config import Settings
from monitor.errors import BrokerError, ConfigError, RoutingError
from monitor.intake.follower import TopicFollower
from monitor.routing.alertmanager import Alertmanager
from monitor.routing.open_alerts import OpenAlerts
from monitor.routing.silences import to_alertmanager, to_plumbline
from schemas.command import Command

POLL_MS = 500

log = logging.getLogger(__name__)


class Router:
    """One router. Two at once do no harm: Alertmanager takes equal labels for one alert.

    `send` puts a command on its topic. Raises BrokerError or ConfigError where the topic of the
    alerts cannot be followed at the start.
    """

    def __init__(self, settings: Settings, clock: Clock, send: Callable[[Command], object]) -> None:
        routing = settings.routing
        self._clock = clock
        self._resend = timedelta(seconds=routing.resend_interval_s)
        self._alertmanager = Alertmanager(routing.alertmanager_url)
        self._open = OpenAlerts()
        self._send = send
        self._sent: set[str] = set()
        """Ids of the commands sent for silences that are still there."""
        self._posted_s = float("-inf")
        self.problem = ""
        """What keeps the router from its work now; empty while all is well."""
        self._follower = TopicFollower(settings.kafka, settings.kafka.topics.alerts_state)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Route until `stopping()`; an Alertmanager or a broker that is away is waited for."""
        for record in self._follower.read_all():
            self._open.take(record)
        log.info("%d alerts are on; telling %s", len(self._open.alerts), self._alertmanager.url)
        changed = True
        while not stopping():
            due = self._clock.monotonic_s() - self._posted_s >= self._resend.total_seconds()
            if changed or due or self._open.news:
                self._tell()
            records = self._follower.poll(POLL_MS)
            for record in records:
                self._open.take(record)
            changed = bool(records)

    def close(self) -> None:
        """Let go of every connection."""
        self._follower.close()
        self._alertmanager.close()

    def _tell(self) -> None:
        now = to_datetime(self._clock.now_us())
        try:
            self._alertmanager.post_alerts(self._open.to_post(now, self._resend))
            self._open.posted()
            self._posted_s = self._clock.monotonic_s()
            self._exchange_silences()
        except (RoutingError, BrokerError, ConfigError) as error:
            if self.problem != str(error):
                log.warning("%s", error)
            self.problem = str(error)
        else:
            if self.problem:
                log.info("routing again")
            self.problem = ""

    def _exchange_silences(self) -> None:
        now = to_datetime(self._clock.now_us())
        silences = self._alertmanager.silences()
        for new in to_alertmanager(self._open.alerts, silences, now):
            self._alertmanager.silence(
                new.matchers, now, new.ends_at, created_by=new.created_by, comment=new.comment
            )
            log.info("silenced in Alertmanager until %s: %s", new.ends_at, new.comment)
        commands = to_plumbline(self._open.alerts, silences, now)
        for command in commands:
            if command.command_id not in self._sent:
                self._send(command)
                log.info("silenced in Plumbline until %s by %s", command.until, command.who)
        self._sent = {command.command_id for command in commands}
