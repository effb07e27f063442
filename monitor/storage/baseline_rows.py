"""Rows of the table `baselines`: distributions that people accepted as normal, and back.

In: turns of accepted distributions, or rows as read. Out: an Arrow table; `Accepted` again.
Never: a judgement of what is accepted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.clock import to_us
from monitor.decisions import Accepted, AcceptedTurn
from monitor.storage.arrays import moments, texts, words


def baseline_rows(turns: Sequence[AcceptedTurn]) -> Any:
    """Rows of the baselines table."""
    every = [turn.accepted for turn in turns]
    whole = pa.int64()
    return pa.table(
        {
            "model": words([one.model for one in every]),
            "model_version": words([one.model_version for one in every]),
            "column": words([one.column for one in every]),
            "turn": words([turn.turn.value for turn in turns]),
            "fingerprint": texts([one.fingerprint for one in every]),
            "command_id": texts([one.command_id for one in every]),
            "who": texts([one.who for one in every]),
            "why": texts([one.why for one in every]),
            "until": moments([one.until_us for one in every]),
            "offset": pa.array([turn.offset for turn in turns], whole),
            "at": moments([turn.at_us for turn in turns]),
            "reason": texts([turn.reason for turn in turns]),
            "acts_from": pa.array([one.offset for one in every], whole),
            "accepted_at": moments([one.at_us for one in every]),
            "first_event": pa.array([one.first_event for one in every], whole),
            "first_offset": pa.array([one.first_offset for one in every], whole),
            "last_offset": pa.array([one.last_offset for one in every], whole),
            "n_rows": pa.array([one.n_rows for one in every], pa.uint64()),
            "slots": pa.array([one.slots.tolist() for one in every], pa.list_(pa.uint16())),
            "counts": pa.array([one.counts.tolist() for one in every], pa.list_(pa.uint32())),
            "profile_hash": texts([one.profile_hash for one in every]),
            "topic": words([one.topic for one in every]),
            "partition": pa.array([one.partition for one in every], pa.int32()),
        }
    )


def accepted_of_row(row: Mapping[str, Any]) -> Accepted:
    """What a row of the table holds."""
    return Accepted(
        model=row["model"],
        model_version=row["model_version"],
        column=row["column"],
        fingerprint=row["fingerprint"],
        command_id=row["command_id"],
        who=row["who"],
        why=row["why"],
        until_us=to_us(row["until"]),
        topic=row["topic"],
        partition=int(row["partition"]),
        offset=int(row["acts_from"]),
        at_us=to_us(row["accepted_at"]),
        first_event=int(row["first_event"]),
        first_offset=int(row["first_offset"]),
        last_offset=int(row["last_offset"]),
        n_rows=int(row["n_rows"]),
        slots=np.array(row["slots"], dtype=np.uint16),
        counts=np.array(row["counts"], dtype=np.int64),
        profile_hash=row["profile_hash"],
    )
