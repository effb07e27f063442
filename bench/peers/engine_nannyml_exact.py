"""NannyML as in `engine_nannyml`, with 9,999 rows of the reference: below 10,000 it is exact."""

from bench.peers.asked import Rows, Work, serve
from bench.peers.engine_nannyml import prepare as prepare_with


def prepare(reference: Rows) -> Work:
    """All but one row."""
    return prepare_with(reference[:9_999])


if __name__ == "__main__":
    serve(prepare, "nannyml", "scipy", "pandas")
