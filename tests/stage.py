"""What tests of the poller share: a site on loopback, waiting for a fact, what Redis and the log say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from apscheduler.job import Job

from ticker.model import Pair, Quote
from ticker.source import Outcome
from ticker.store import Store

KGS = Pair("KGS", "USD")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Scheduled = Callable[[], list[Job]]


@asynccontextmanager
async def site(handler: Handler) -> AsyncIterator[str]:
    """The address of a site on loopback whose every path is answered by `handler`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def answer(body: bytes, status: int = 200, **headers: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)

    return handle


async def until(fact: Callable[[], Awaitable[object] | object], seconds: float = 5) -> None:
    """Wait until it is so; whoever asks in vain fails with a TimeoutError that shows the line."""
    async with asyncio.timeout(seconds):
        while True:
            so = fact()
            if isinstance(so, Awaitable):
                so = await so
            if so:
                return
            await asyncio.sleep(0.01)


async def quote(store: Store, symbol: Pair = KGS) -> Quote | None:
    return next((each for _, each in (await store.snapshot()).rows if each.symbol == symbol), None)


async def outcome(store: Store, key: str = "nbkr") -> Outcome:
    return (await store.outcomes([key]))[key]


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]
