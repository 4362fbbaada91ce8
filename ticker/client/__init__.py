"""
A client of the stream for Python programs. It needs only `websockets`.

    async for quote in subscribe("http://127.0.0.1:8080", ["KGS", "TJS"]):
        print(quote.symbol, quote.price, quote.change_percent, quote.as_of, quote.status)

ticker/docs/stream.md describes the protocol, and in "The Python client" this package.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Self

from ticker.client.connection import Frames, Refused
from ticker.client.known import Frame, Known
from ticker.rates.model import Announcement, Pair, Quote, Status

__all__ = ["Announcement", "Pair", "Quote", "Refused", "Status", "Subscription", "subscribe"]


def subscribe(url: str, symbols: Iterable[str] = (), *, cursor: str = "") -> Subscription:
    """
    The quotes of the service at `url`: first the current ones, then each that changes or becomes late.

    `url` is the address of the service, `https://rates.example.org`; one with `ws:` or `wss:` is understood,
    too. `symbols` are names such as `KGS` or `USD/KGS`; without any, all. With the `cursor` of an earlier
    subscription to the same symbols, only what has changed since then is sent.

    Raises ValueError if `url` is not an address. Nothing is connected before the first quote is asked for.
    """
    return Subscription(url, symbols, cursor=cursor)


class Subscription:
    """
    An async iterator of quotes that reconnects by itself, and never ends by itself.

    Raises Refused if the service does not want this client, for example because a symbol is not served. All
    other failures are logged, and followed by a new attempt after a random delay, at most 20 s. No quote is
    given twice, and none of a symbol that was published before the one that was given last.

    Use it as `async for quote in subscription`, which disconnects at the end of the loop, or with `anext`
    inside `async with subscription`. A cancelled `anext` loses nothing. One task at a time may ask.
    """

    def __init__(self, url: str, symbols: Iterable[str] = (), *, cursor: str = "") -> None:
        """As `subscribe`."""
        self.cursor = cursor
        """
        The position after the quotes that were handed out before the last request for a quote.

        It is opaque. Keep it to resume with `subscribe(..., cursor=...)`. Empty before the first quote.
        """
        self._frames = Frames(url, symbols, cursor=cursor)
        self._known = Known()
        self._taken = cursor
        self._next: asyncio.Task[Frame | None] | None = None
        self._ready: deque[Quote] = deque()

    @property
    def quotes(self) -> Mapping[Pair, Quote]:
        """The newest quote of each symbol that has one, mostly in the order of the service."""
        return self._known.quotes

    @property
    def awaited(self) -> Mapping[Pair, str]:
        """The symbols that have no quote yet, each with the reason of the service."""
        return dict(self._known.awaited)

    @property
    def is_live(self) -> bool:
        """Whether the connection is open and the service has answered."""
        return self._frames.is_live

    @property
    def trouble(self) -> str:
        """Why there is no connection, in words. Empty while it is open, or not yet tried."""
        return self._frames.trouble

    @property
    def seconds_to_retry(self) -> float:
        """Seconds until the next attempt to connect; 0 if it is under way, or if the connection is open."""
        return self._frames.seconds_to_retry

    def server_time(self) -> datetime | None:
        """The time of the service now, by its last frame and this machine's monotonic clock; None before."""
        return self._known.time(monotonic())

    async def __anext__(self) -> Quote:
        while not self._ready:
            self.cursor = self._taken
            self._ready.extend(await self.change())
        return self._ready.popleft()

    async def __aiter__(self) -> AsyncGenerator[Quote, None]:
        try:
            while True:
                yield await anext(self)
        finally:
            await self.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def change(self) -> tuple[Quote, ...]:
        """
        Wait until anything changes, and return the quotes that are new or late now, which may be none.

        A change is also a reason in `awaited`, and each turn of the connection. Raises Refused.
        """
        # A quote may have become late while the reader was busy.
        if late := self._known.look(monotonic()):
            return late
        if self._next is None:
            self._next = asyncio.ensure_future(self._frames.next())
        await asyncio.wait({self._next}, timeout=self._known.seconds_left(monotonic()))
        if not self._next.done():
            return self._known.look(monotonic())
        task, self._next = self._next, None
        frame = task.result()
        if frame is None:
            return self._known.look(monotonic())
        self._taken = frame.cursor or self._taken
        return self._known.hear(frame, monotonic())

    async def aclose(self) -> None:
        """Disconnect. If another quote is asked for, it connects again and resumes."""
        task, self._next = self._next, None
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._frames.aclose()
        # A frame that came meanwhile is not lost: it is asked for again.
        self._frames.cursor = self._taken
