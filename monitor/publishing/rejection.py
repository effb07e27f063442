"""Rejected records as records of the rejections topic (the dead-letter topic).

In: `RejectedRecord`. Out: `schemas.Rejection` as JSON, bounded whatever came in. The key is
`topic-partition-offset`, which names the refused record: the same one twice has the same key.
"""

import base64
from collections.abc import Iterable
from typing import cast

from monitor.clock import to_datetime
from monitor.events import RejectedRecord
from monitor.publishing.outgoing import Outgoing
from schemas.rejection import MAX_ORIGINAL_BYTES, Rejection, RejectionDetail, RejectionReason

MAX_REASONS = 50
MAX_MESSAGE_CHARS = 500
MAX_FIELD_CHARS = 200
MAX_MODEL_CHARS = 200


def rejection(rejected: RejectedRecord) -> Rejection:
    """The contract's record of one refused record."""
    return Rejection(
        topic=rejected.topic,
        partition=rejected.partition,
        offset=rejected.offset,
        rejected_at=to_datetime(rejected.appended_us),
        model=None if rejected.model is None else _text(rejected.model, MAX_MODEL_CHARS),
        reasons=tuple(
            RejectionDetail(
                reason=cast(RejectionReason, reason),
                field=_text(field, MAX_FIELD_CHARS),
                message=_text(message, MAX_MESSAGE_CHARS),
            )
            for reason, field, message in rejected.reasons[:MAX_REASONS]
        ),
        original=base64.b64encode(rejected.original[:MAX_ORIGINAL_BYTES]),
        original_size_bytes=rejected.size_bytes,
        truncated=len(rejected.original) > MAX_ORIGINAL_BYTES,
    )


def rejection_records(rejected: Iterable[RejectedRecord], topic: str) -> list[Outgoing]:
    """What to publish to the rejections topic, one record per refused one."""
    return [
        Outgoing(
            topic=topic,
            key=f"{record.topic}-{record.partition}-{record.offset}".encode(),
            value=rejection(record).to_json(),
        )
        for record in rejected
    ]


def _text(text: str, limit: int) -> str:
    """At most `limit` characters that UTF-8 can carry: a lone surrogate shows as its escape."""
    return text[:limit].encode("utf-8", "backslashreplace").decode()[:limit]
