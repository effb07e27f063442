"""The Python blocks of docs/events.md run as they stand, without a broker."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def run(block: str, silent_port: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    code = block.replace("127.0.0.1:9092", silent_port)
    code = code.replace('model_version="3")', 'model_version="3", close_timeout_s=0.1)')
    exec(compile(code, "docs/events.md", "exec"), names)
    return names


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_runs(number: int, silent_port: str) -> None:
    run(BLOCKS[number], silent_port)


def test_the_asgi_service_answers_and_logs(silent_port: str) -> None:
    [block] = [block for block in BLOCKS if "async def app" in block]
    names = run(block, silent_port)
    sent: list[dict[str, Any]] = []

    async def call(scope: dict[str, str], *messages: dict[str, Any]) -> None:
        waiting = iter(messages)

        async def receive() -> dict[str, Any]:
            return next(waiting)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await names["app"](scope, receive, send)

    asyncio.run(call({"type": "http"}, {"type": "http.request", "body": b'{"age": 40}'}))
    assert json.loads(sent[1]["body"]) == {"score": 0.83}
    assert names["logger"].counts().pending == 1
    stops = ({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    asyncio.run(call({"type": "lifespan"}, *stops))
    assert sent[-1] == {"type": "lifespan.shutdown.complete"}
    assert names["logger"].counts().dropped == {"broker": 1}
