"""
A news site that embeds the line, and the server that the line comes from: what a reader's browser meets.

The server is a process of its own with the real edge on the real Redis, so it can be killed as such; the
site is of another origin. Run as a program, this file is that server.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from aiohttp import web

from ticker.config import ServerSettings, Settings
from ticker.edge import Edge
from ticker.rates.model import Cursor, Pair, Quote
from ticker.sources import SOURCES
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import Publisher

EMBED = '<script async src="{server}/ticker.js"></script>'
"""The one line of HTML; a page of a site may have it anywhere."""
Written = TypeVar("Written")
FIVE = ("KGS", "KZT", "TJS", "UZS", "TMT")


@dataclass(frozen=True, slots=True)
class File:
    """What a site answers, and after how many seconds."""

    body: bytes
    kind: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0


class NewsSite:
    """A site of another origin than the server's; every page of it is what a test gives."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        """The paths that were asked for."""
        self._files: dict[str, File] = {"/favicon.ico": File(b"", "image/png")}

    def put(self, path: str, file: File) -> str:
        """Serve a file; gives its address."""
        self._files[path] = file
        return self.url + path

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NewsSite]:
        async with _listening(self._answer) as self.url:
            yield self

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        file = self._files.get(request.path)
        if file is None:
            return web.Response(status=404)
        await asyncio.sleep(file.after)
        return web.Response(body=file.body, content_type=file.kind, charset="utf-8", headers=file.headers)


class Server:
    """The edge in a process of its own; each start is on the same port."""

    def __init__(self, redis_url: str, symbols: tuple[str, ...], options: Mapping[str, Any]) -> None:
        self.url = ""
        self._order = {"redis": redis_url, "symbols": symbols, "options": dict(options)}
        self._process: Process | None = None

    def serve(self, *symbols: str) -> None:
        """What it serves from its next start on."""
        self._order["symbols"] = symbols

    async def start(self) -> None:
        """Start it; returns when it answers."""
        port = int(self.url.rpartition(":")[2] or 0)
        order = json.dumps(self._order | {"port": port})
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, order), stdout=PIPE, cwd=Path(__file__).parents[1]
        )
        assert self._process.stdout
        async with asyncio.timeout(40):
            ready = (await self._process.stdout.readline()).decode()
        assert ready, f"the server ended with {await self._process.wait()} before it was ready"
        self.url = ready.strip().rstrip("/")

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM says goodbye to every reader; SIGKILL is a power cut."""
        if self._process:
            self._process.send_signal(how)
            async with asyncio.timeout(40):
                await self._process.wait()
            self._process = None

    async def kill(self) -> None:
        await self.stop(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections, and neither hears nor says anything."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    async def count(self, metric: str) -> float:
        """A number of /metrics, summed over its labels: `ticker_subscribers`."""
        async with aiohttp.ClientSession() as client, client.get(f"{self.url}/metrics") as answer:
            text = await answer.text()
        found = re.findall(rf"^{metric}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        assert found, f"no {metric} in {text}"
        return sum(map(float, found))


async def patiently(write: Callable[[], Awaitable[Written]], seconds: float = 60) -> Written:
    """
    Make a write until it is done in time, and give what it gives.

    A machine that starts browsers may stand still for longer than the store waits for Redis.
    """
    async with asyncio.timeout(seconds):
        while True:
            with suppress(TimeoutError):
                return await write()


class Newsroom:
    """The site, the server, and the publisher that decides what the rates are."""

    def __init__(self, site: NewsSite, server: Server, publisher: Publisher) -> None:
        self.site = site
        self.server = server
        self.publisher = publisher
        self._pages = 0

    def page(self, html: str, *, server: str = "", lang: str = "en", **file: Any) -> str:
        """
        The address of a page with this in its body; `{embed}` and `{server}` in it are filled in.

        A text that begins with `<!doctype` is the whole page. `file` is as in `File`.
        """
        self._pages += 1
        if not html.lower().startswith("<!doctype"):
            html = f'<!doctype html><html lang="{lang}"><meta charset=utf-8><title>News</title>{html}'
        html = html.replace("{embed}", EMBED).replace("{server}", server or self.server.url)
        return self.site.put(f"/{self._pages}", File(html.encode(), **file))

    async def say(self, *quotes: Quote, **others: Any) -> Cursor:
        """Publish through Redis, as the poller does."""
        return await patiently(lambda: self.publisher.say(*quotes, **others))

    async def subscribers(self) -> int:
        """How many streams are open at the server."""
        return int(await self.server.count("ticker_subscribers"))

    @asynccontextmanager
    async def front(self, *refused: str, swallows: bool = False) -> AsyncIterator[Front]:
        """A reverse proxy before the server that answers these paths with 403, or not at all."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as client:
            front = Front(client, self.server, set(refused), swallows=swallows)
            async with _listening(front.answer) as front.url:
                yield front


class Front:
    """What stands between a reader and the server, and passes on what it likes."""

    def __init__(
        self, client: aiohttp.ClientSession, server: Server, refused: Collection[str], *, swallows: bool
    ) -> None:
        self.url = ""
        self.refused = set(refused)
        self.swallows = swallows
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        """What it adds to answers."""
        self._client = client
        self._server = server

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path in self.refused:
            if self.swallows:
                await asyncio.Event().wait()
            return web.Response(status=403)
        # It knows nothing of WebSockets, and lets no browser keep anything.
        async with self._client.get(self._server.url + request.path_qs) as answer:
            kind = answer.headers["Content-Type"]
            allow = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store", "Content-Type": kind}
            passed = ("Access-Control-Expose-Headers", "Date")
            allow |= {name: answer.headers[name] for name in passed if name in answer.headers} | self.headers
            response = web.StreamResponse(status=answer.status, headers=allow)
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
            return response


@asynccontextmanager
async def newsroom(
    publisher: Publisher, redis_url: str, symbols: tuple[str, ...] = FIVE, **options: Any
) -> AsyncIterator[Newsroom]:
    """All three; `options` are settings of the section `server`."""
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(NewsSite().open())
        server = Server(redis_url, symbols, options)
        stack.push_async_callback(server.kill)
        await server.start()
        yield Newsroom(site, server, publisher)


@asynccontextmanager
async def _listening(answer: Any) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def serve(order: dict[str, Any]) -> None:
    """The server, until SIGTERM."""
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    settings = Settings(
        symbols=tuple(Pair.parse(symbol) for symbol in order["symbols"]),
        server=ServerSettings(port=order["port"], drain_seconds=0, **order["options"]),
    )
    async with Store(order["redis"], prefix="{ticker}:", stream_length=10_000, history_days=30) as store:
        edge = Edge(store, settings, dict(SOURCES), enabled=frozenset({"nbkr"}))
        async with edge.serving() as address, asyncio.TaskGroup() as group:
            work = [group.create_task(edge.follow()), group.create_task(edge.beat())]
            await edge.until_loaded(5)
            print(address, flush=True)
            await leave.wait()
            for task in work:
                task.cancel()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
