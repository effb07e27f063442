"""Heartbeats as records of the topic of current alerts.

In: whose partitions, at what time. Out: one record a partition, for the next commit. Never: a
record of its own: a heartbeat proves that commits take effect.
"""

from collections.abc import Iterable

from monitor.clock import to_datetime
from monitor.config import Settings
from monitor.publishing.outgoing import Outgoing
from schemas.heartbeat import HEARTBEAT_KEY, Beat, Heartbeat


def heartbeat_records(
    settings: Settings,
    partitions: Iterable[int],
    *,
    now_us: int,
    lag_events: int,
    firing_alerts: int,
) -> list[Outgoing]:
    """One heartbeat for each of these partitions of the predictions."""
    kafka, worker = settings.kafka, settings.worker
    records = []
    for partition in sorted(partitions):
        beat = Heartbeat(
            id=f"{worker.slot}-{partition}-{now_us}",
            source=f"/plumbline/{kafka.group_id}",
            subject=str(partition),
            time=to_datetime(now_us),
            data=Beat(
                group=kafka.group_id,
                slot=worker.slot,
                partition=partition,
                partitions=kafka.partitions,
                interval_s=float(worker.heartbeat_interval_s),
                lag_events=lag_events,
                firing_alerts=firing_alerts,
            ),
        )
        key = HEARTBEAT_KEY + str(partition).encode()
        records.append(Outgoing(kafka.topics.alerts_state, key, beat.to_json()))
    return records
