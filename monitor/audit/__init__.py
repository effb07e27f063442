"""Step 8: what an auditor asks of one prediction, and what leaves as files.

In: a `Reader`. Out: an `Explanation`, rows of an export. Never: the live pipeline, a write.
"""

from monitor.audit.explain import explain
from monitor.audit.explanation import Explanation

__all__ = ["Explanation", "explain"]
