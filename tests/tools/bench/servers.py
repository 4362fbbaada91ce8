"""
The Python servers, each in a process of its own: `python -m tests.tools.bench.servers NAME ARGUMENT`.

Each prints `ready PORT`. A line on the standard input is an update to everybody; its end is the end. All run
on the loop that `ticker serve` runs on, so that what is compared is not the loop.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator, Coroutine
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web
from websockets.asyncio.server import ServerConnection, broadcast, serve

from ticker import app
from ticker.config import Settings
from ticker.edge import Edge
from ticker.sources import SOURCES
from ticker.store import Store

PREFIX = "{bench}:"
ELSEWHERE = "symbols="
"""Who asks for this does not get the updates: the stand-in for a selection, which the peers have not."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run on the loop of `ticker serve`."""
    getattr(app, "run", asyncio.run)(main)


def store_of(url: str) -> Store:
    return Store(url, prefix=PREFIX, stream_length=1000, history_days=30)


async def ours(argument: str) -> None:
    """The edge without a poller; the argument is JSON: Redis's `url` and the `settings`."""
    said = json.loads(argument)
    settings = Settings.model_validate(said["settings"])
    async with store_of(said["url"]) as store:
        edge = Edge(store, settings, dict(SOURCES), enabled=frozenset())
        async with edge.serving() as address, asyncio.TaskGroup() as group:
            work = [group.create_task(edge.follow()), group.create_task(edge.beat())]
            await edge.until_loaded(10)
            _ready(urlsplit(address).port or 0)
            async for _ in _orders():
                pass
            for task in work:
                task.cancel()


async def by_websockets(payload: str) -> None:
    """What the documentation of `websockets` shows for a broadcast."""
    crowd: set[ServerConnection] = set()

    async def join(connection: ServerConnection) -> None:
        if connection.request and ELSEWHERE not in connection.request.path:
            crowd.add(connection)
        try:
            await connection.wait_closed()
        finally:
            crowd.discard(connection)

    async with serve(
        join, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096, close_timeout=0.1
    ) as server:
        _ready(server.sockets[0].getsockname()[1])
        async for _ in _orders():
            broadcast(crowd, payload)


async def by_aiohttp(payload: str) -> None:
    """A handler for each connection that reads, and a loop over all that sends."""
    crowd: set[web.WebSocketResponse] = set()

    async def join(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse(compress=False)
        await answer.prepare(request)
        if ELSEWHERE not in request.path_qs:
            crowd.add(answer)
        try:
            async for message in answer:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            crowd.discard(answer)
        return answer

    application = web.Application()
    application.router.add_get("/v1/stream", join)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    _ready(runner.addresses[0][1])
    async for _ in _orders():
        for answer in tuple(crowd):
            try:
                await answer.send_str(payload)
            except ConnectionError:  # gone, and its handler has not seen it yet
                crowd.discard(answer)


def _ready(port: int) -> None:
    print("ready", port, flush=True)


async def _orders() -> AsyncIterator[None]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    while await reader.readline():
        yield


SERVERS = {"ours": ours, "websockets": by_websockets, "aiohttp": by_aiohttp}


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    name, argument = sys.argv[1:]
    run(SERVERS[name](argument))


if __name__ == "__main__":
    main()
