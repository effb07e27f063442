"""The heartbeat: that somebody works on a partition, as a CloudEvent.

On the topic `plumbline.alerts.state` under the key `heartbeat/<partition>`, one for each partition
of the predictions, written in the same transaction as everything else: where it is fresh, events
were taken, stored and committed. No alert: subscribers of `plumbline.alerts` never see it.
"""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from schemas.contract import SCHEMA_VERSION, Contract, Identifier, SchemaVersion

HEARTBEAT_TYPE: Final = "io.plumbline.heartbeat.v1"
HEARTBEAT_KEY: Final = b"heartbeat/"
"""With what the key of a heartbeat begins; the partition's number follows."""


class Beat(Contract):
    """What the worker of a partition says of itself."""

    group: Identifier
    slot: Identifier
    partition: Annotated[int, Field(ge=0)]
    partitions: Annotated[int, Field(ge=1)]
    """Partitions of the predictions, each of which has a heartbeat."""
    interval_s: Annotated[float, Field(gt=0)]
    """When the next one is due."""
    lag_events: Annotated[int, Field(ge=0)]
    """Events that the worker has still to read, over all of its partitions."""
    firing_alerts: Annotated[int, Field(ge=0)]


class Heartbeat(Contract):
    """One beat; Kafka key = HEARTBEAT_KEY and the partition."""

    specversion: Literal["1.0"] = "1.0"
    id: Identifier
    source: str
    """`/plumbline/<group>`."""
    type: Literal["io.plumbline.heartbeat.v1"] = HEARTBEAT_TYPE
    subject: str
    """The partition's number."""
    time: AwareDatetime
    """Wall time of the beat."""
    datacontenttype: Literal["application/json"] = "application/json"
    schemaversion: SchemaVersion = SCHEMA_VERSION
    clock: Literal[True] = True
    """Raised by the clock: outside of the replay guarantee."""
    data: Beat
