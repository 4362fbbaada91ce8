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


def subscribe(url: str, symbols: Iterable[str | Pair] = (), *, cursor: str = "") -> Subscription:
    """
    The quotes of the service at `url`: first the current ones, then each that changes or becomes late.

    `url` is the address of the service, `https://rates.example.org`; one with `ws:` or `wss:` is understood,
    too. `symbols` are pairs, or names such as `KGS` or `USD/KGS`; without any, all. With the `cursor` of an
    earlier subscription to the same symbols, only what has changed since then is sent.

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
    inside `async with subscription`. A cancelled `anext` loses nothing. After a loop, another one goes on
    where it ended. If several tasks ask, each quote goes to one of them.
    """

    def __init__(self, url: str, symbols: Iterable[str | Pair] = (), *, cursor: str = "") -> None:
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
        self._turn = asyncio.Lock()
        """Held by the task that waits for a frame, or that disconnects."""
        self._closes = 0
        """How often `aclose` was called."""
        self._asker: object = None
        """The loop that asked last; None if it was no loop."""

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
        return await self._quote(None)

    async def __aiter__(self) -> AsyncGenerator[Quote, None]:
        asker, closes = object(), self._closes
        try:
            while closes == self._closes:
                yield await self._quote(asker)
        except StopAsyncIteration:
            pass
        finally:
            # asyncio ends a loop that was left by `break` some time later. Another may have begun meanwhile.
            if self._asker is asker and not self._turn.locked():
                await self._disconnect()

    async def _quote(self, asker: object) -> Quote:
        """The next quote. Raises Refused, or StopAsyncIteration if `aclose` is called meanwhile."""
        self._asker, closes = asker, self._closes
        async with self._turn:
            while not self._ready and closes == self._closes:
                self.cursor = self._taken
                self._ready.extend(await self._change(closes))
        if closes != self._closes:
            raise StopAsyncIteration
        return self._ready.popleft()

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
        self._asker, closes = None, self._closes
        async with self._turn:
            return await self._change(closes)

    async def _change(self, closes: int) -> tuple[Quote, ...]:
        """As `change`; nothing once `aclose` was called more than `closes` times."""
        if closes != self._closes:
            return ()
        # A quote may have become late while the reader was busy.
        if late := self._known.look(monotonic()):
            return late
        if self._next is None:
            self._next = asyncio.ensure_future(self._frames.next())
        await asyncio.wait({self._next}, timeout=self._known.seconds_left(monotonic()))
        if closes != self._closes:
            return ()
        return self._heard(self._next) if self._next.done() else self._known.look(monotonic())

    def _heard(self, task: asyncio.Task[Frame | None]) -> tuple[Quote, ...]:
        self._next = None
        frame = None if task.cancelled() else task.result()
        if frame is None:
            return self._known.look(monotonic())
        self._taken = frame.cursor or self._taken
        return self._known.hear(frame, monotonic())

    async def aclose(self) -> None:
        """
        Disconnect, and end every loop over this subscription, also those of other tasks.

        An `anext` that waits raises StopAsyncIteration. If another quote is asked for, it connects again and
        resumes.
        """
        self._closes += 1
        await self._disconnect()

    async def _disconnect(self) -> None:
        if self._next:
            self._next.cancel()
        # Whoever waits for that frame gives up its turn first.
        async with self._turn:
            if self._next:
                await asyncio.gather(self._next, return_exceptions=True)
            # A frame that came meanwhile is not lost: it is asked for again.
            self._next, self._frames.cursor = None, self._taken
            await self._frames.aclose()
