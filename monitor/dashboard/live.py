"""Tells open pages that something was stored: server-sent events.

In: a question to the database, asked every `EVERY_S` while anybody listens. Out: one message for
each change. Never: data; a page that hears of a change asks for itself again.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool

from monitor.errors import PlumblineError
from monitor.storage.page_queries import PULSE
from monitor.storage.reader import Reader

EVERY_S: Final = 2.0
STILL_S: Final = 15.0
"""After so long without a change a comment is sent, which keeps proxies from hanging up."""
MOST_LISTENERS: Final = 200


class Pulse:
    """One question for all listeners."""

    def __init__(self, reader: Reader, every_s: float = EVERY_S) -> None:
        self._reader = reader
        self._every_s = every_s
        self._changed = asyncio.Condition()
        self._last: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.listeners = 0

    async def messages(self) -> AsyncIterator[bytes]:
        """The state now, then every change, until the listener goes or the server ends."""
        self.listeners += 1
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._ask())
            seen: dict[str, Any] | None = None
            while not self._closed:
                if seen != self._last:
                    seen = self._last
                    yield b"event: pulse\ndata: " + orjson.dumps(seen) + b"\n\n"
                try:
                    async with asyncio.timeout(STILL_S), self._changed:
                        await self._changed.wait()
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self.listeners -= 1

    async def close(self) -> None:
        """Let all listeners go."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()
        if self._task is not None:
            self._task.cancel()

    async def _ask(self) -> None:
        """While anybody listens; ends with the last one, or with the server."""
        while self.listeners and not self._closed:
            try:
                [now] = await run_in_threadpool(self._reader.rows, PULSE)
                told = {**now, "problem": ""}
            except PlumblineError as error:
                told = {**self._last, "problem": str(error)}
            if told != self._last:
                self._last = told
                async with self._changed:
                    self._changed.notify_all()
            await asyncio.sleep(self._every_s)
