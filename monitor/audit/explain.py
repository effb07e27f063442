"""Why did the model predict this? Everything that the database knows about one prediction.

In: a `Reader`, an event id, the model where the id alone does not tell. Out: an `Explanation`.
Never: a guess at what is not stored; a table scanned.
"""

from monitor.audit.explanation import Explanation
from monitor.storage.reader import Reader


def explain(reader: Reader, event_id: str, model: str | None = None) -> Explanation:
    """The explanation; NotFoundError where no such prediction is stored."""
    raise NotImplementedError
