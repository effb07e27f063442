"""The shipped fake keeps what a real publisher would have committed."""

from monitor.broker import Membership
from monitor.publishing.memory import MemoryPublisher
from monitor.publishing.outgoing import Outgoing, Publisher


def test_commits_add_up_in_order() -> None:
    publisher = MemoryPublisher()
    contract: Publisher = publisher
    membership = Membership("group", 1, "member", None)
    contract.commit(
        [Outgoing("a", b"1", b"x"), Outgoing("b", b"1", None)], {("p", 0): 3}, membership
    )
    contract.commit([Outgoing("a", b"2", b"y")], {("p", 0): 5, ("p", 1): 1}, membership)
    contract.close()
    assert publisher.values("a") == [b"x", b"y"]
    assert publisher.values("b") == [None]
    assert publisher.offsets == {("p", 0): 5, ("p", 1): 1}
