"""Local stand-ins for `docker-compose.yml`: real Apache Kafka and the real ClickHouse engine.

    from devstack import up, down, status

`up` starts both in a directory and says where they are; `down` ends what it started.
"""

from devstack.errors import StackError
from devstack.stack import StackInfo, StackStatus, down, status, up

__all__ = ["StackError", "StackInfo", "StackStatus", "down", "status", "up"]
