"""What an answer's format means for HTTP: its content type, and whether it can be sent in pieces.

A format streams if its blocks, one behind the other, are the whole answer: formats with a header or
a frame around all rows are sent whole.
"""

DEFAULT_FORMAT = "TabSeparated"

STREAMED = frozenset(
    [
        "CSV",
        "JSONCompactEachRow",
        "JSONEachRow",
        "JSONLines",
        "JSONStringsEachRow",
        "NDJSON",
        "Native",
        "RowBinary",
        "TSKV",
        "TSV",
        "TSVRaw",
        "TabSeparated",
        "TabSeparatedRaw",
        "Raw",
    ]
)

_BINARY = ("native", "rowbinary", "arrow", "parquet", "orc", "avro", "msgpack", "protobuf", "bson")


def content_type(fmt: str) -> str:
    """The content type of a format.

    >>> content_type("JSONEachRow"), content_type("Native")
    ('application/x-ndjson; charset=UTF-8', 'application/octet-stream')
    """
    name = fmt.lower()
    if name.startswith(_BINARY):
        return "application/octet-stream"
    if name.startswith("json"):
        kind = "x-ndjson" if "eachrow" in name or name == "jsonlines" else "json"
        return f"application/{kind}; charset=UTF-8"
    if name.startswith("csv"):
        return "text/csv; charset=UTF-8; header=" + ("present" if "names" in name else "absent")
    if name.startswith(("tsv", "tabseparated")):
        return "text/tab-separated-values; charset=UTF-8"
    return "text/plain; charset=UTF-8"
