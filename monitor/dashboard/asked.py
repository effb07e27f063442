"""What the address of a page asks for: every choice is in it, so that a link shows the same.

In: the query string. Out: `Asked`, checked. Never: a choice kept anywhere else.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from monitor.dashboard.stretch import RangeName


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _known_to_clickhouse(moment: datetime) -> datetime:
    if not 1970 <= moment.year <= 2261:
        raise ValueError("must lie between 1970 and 2261")
    return moment


Moment = Annotated[datetime, AfterValidator(_aware), AfterValidator(_known_to_clickhouse)]
Name = Annotated[str, Field(max_length=200)]


class Asked(BaseModel):
    """The choices of a page; a time without its offset is UTC.

    >>> Asked.model_validate({"from": "2013-03-01"}).since.isoformat()
    '2013-03-01T00:00:00+00:00'
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    range: RangeName = "30d"
    """Length of the stretch that ends at the newest event."""
    since: Moment | None = Field(None, alias="from")
    """Beginning of the stretch, in event time; instead of `range`."""
    to: Moment | None = None
    """End of the stretch, in event time."""
    tz: Literal["utc", "local"] = "utc"
    """How times are shown: in UTC, or in the reader's own zone."""
    version: Name = ""
    """Model version; empty: the one with the newest event."""
    feature: Name = ""
    """Column whose distribution is shown; empty: the model's output."""
    window_from: Moment | None = None
    """Beginning of the window whose distribution is shown; empty: the stretch."""
    window_to: Moment | None = None
    q: Name = ""
    """Text that a model's name or owner contains."""
    model: Name = ""
    severity: Literal["", "critical", "warning", "info"] = ""
    ended: bool = False
    """Whether alerts that are over are listed, too."""
