"""Ours and those beside it: how each is had, started and told of an update."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from tests.tools.bench.load import STREAM
from tests.tools.bench.machine import HERE, SERVER_CORE, BenchError, compiled, program, run, said
from ticker.rates.model import NOWHERE, Pair, Quote
from ticker.store import Batch, Store

ROOT = HERE.parents[2]
OURS, LIMIT, NCHAN, NODE, WEBSOCKETS, AIOHTTP = (
    "ours",
    "C limit",
    "nginx + nchan",
    "Node ws",
    "websockets.broadcast",
    "aiohttp send_str",
)
NCHAN_MODULES = (
    Path("/usr/lib/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/share/nginx/modules/ngx_nchan_module.so"),
)
QUIET: dict[str, Any] = {
    # Nobody sends heartbeats while deliveries are counted, and loopback is no crowd to be afraid of.
    "server": {"port": 0, "heartbeat_seconds": 300, "silent_seconds": 3600, "slow_seconds": 3600},
    "limits": {"handshakes_per_second": 1_000_000, "handshakes_at_once": 1_000_000},
}
PLAIN: dict[str, Any] = {"server": {"port": 0}}
"""As a user gets it."""
SYMBOLS = ("KGS/USD", *(f"X{one}{two}/USD" for one in "ABCDEFGHIJ" for two in "ABCDEFGHIJ"))


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    name: str
    port: int
    pids: list[int]
    greeted: bool
    """Whether it speaks first: ours sends a snapshot with every handshake."""
    update: Callable[[], Awaitable[None]]
    """Send one update to everybody; may return before it has arrived."""


Start = Callable[[str], AbstractAsyncContextManager[Server]]
"""Runs a server; what it is given is the text of its updates."""


class Publisher:
    """The poller's part: it has the lease, and each quote that it publishes is another one."""

    def __init__(self, store: Store, lease: str) -> None:
        self._store = store
        self._lease = lease
        self._seen = NOWHERE
        self._count = 0

    @classmethod
    async def elected(cls, store: Store) -> Publisher:
        lease = await store.acquire("bench", seconds=6 * 3600, now_ms=_now_ms(), force=True)
        assert lease
        return cls(store, lease)

    async def update(self, symbols: int = 1) -> None:
        """Publish a quote of each of so many symbols, always of the same length."""
        self._count += 1
        price = Decimal("0.0114351") + self._count % 1000 * Decimal("0.0000001")
        quotes = [_quote(Pair.parse(symbol), price) for symbol in SYMBOLS[:symbols]]
        self._seen = await self._store.write(
            Batch(quotes=tuple(quotes)), lease=self._lease, seen=self._seen, now_ms=_now_ms()
        )


def _quote(symbol: Pair, price: Decimal) -> Quote:
    return Quote(
        symbol=symbol,
        price=price,
        inverse=Decimal("87.4500"),
        previous=None,
        change=None,
        change_percent=None,
        as_of=date(2026, 5, 22),
        source="nbkr",
        source_name="NBKR",
        status="live",
        published_at=datetime(2026, 5, 21, 10, 2, 11, tzinfo=UTC),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Peers:
    """Everybody who can be had on this machine; `absent` says in words who can't."""

    def __init__(self, folder: Path, url: str, publisher: Publisher) -> None:
        self.absent: dict[str, str] = {}
        self._payloads: dict[int, str] = {}
        self._folder = folder
        self._url = url
        self._publisher = publisher
        self._starts: dict[str, Start] = {}
        self._updates: dict[int, Callable[[], Awaitable[None]]] = {}
        self._count = 0

    @property
    def names(self) -> list[str]:
        return [OURS, *self._starts]

    async def prepare(self) -> None:
        """Install and compile what is missing."""
        ways: Mapping[str, Callable[[], Awaitable[Start]]] = {
            LIMIT: self._limit,
            NCHAN: self._nchan,
            NODE: self._node,
            WEBSOCKETS: self._websockets,
            AIOHTTP: self._aiohttp,
        }
        for name, way in ways.items():
            try:
                self._starts[name] = await way()
            except BenchError as error:
                self.absent[name] = str(error)

    async def payload(self, symbols: int = 1) -> str:
        """An update of so many symbols as ours sends it; the others send the same bytes."""
        if symbols not in self._payloads:
            self._payloads[symbols] = (await self._sample(symbols))[1]
        return self._payloads[symbols]

    async def cursor(self) -> str:
        """The cursor that a new subscriber of ours gets now."""
        return (await self._sample(1))[0]

    @asynccontextmanager
    async def start(
        self, name: str, settings: Mapping[str, Any] = QUIET, *, symbols: int = 1
    ) -> AsyncIterator[Server]:
        """Run a server whose updates are of so many symbols; the settings are ours alone."""
        if name == OURS:
            running: AbstractAsyncContextManager[Server] = self._ours(settings, symbols)
        else:
            running = self._starts[name](await self.payload(symbols))
        async with running as server:
            yield server

    async def _sample(self, symbols: int) -> tuple[str, str]:
        async with (
            self._ours(QUIET, symbols) as server,
            connect(f"ws://127.0.0.1:{server.port}{STREAM}", compression=None, proxy=None) as client,
        ):
            snapshot = json.loads(await client.recv())
            await server.update()
            update = await client.recv()
        assert isinstance(update, str)
        return snapshot["cursor"], update

    def _log(self, name: str) -> Path:
        self._count += 1
        return self._folder / f"{name.replace(' ', '-')}-{self._count}.log"

    # The ways to start.

    @asynccontextmanager
    async def _ours(self, settings: Mapping[str, Any], symbols: int) -> AsyncIterator[Server]:
        if symbols > 1:
            settings = {**settings, "symbols": SYMBOLS[:symbols]}
        argument = json.dumps({"url": self._url, "settings": settings})
        command = (sys.executable, "-m", "tests.tools.bench.servers", "ours", argument)
        update = self._updates.setdefault(symbols, partial(self._publisher.update, symbols))
        async with self._by_input(OURS, *command) as server:
            yield replace(server, greeted=True, update=update)

    async def _limit(self) -> Start:
        binary = await compiled("limit", self._folder)
        return lambda payload: self._by_input(LIMIT, str(binary), payload)

    async def _websockets(self) -> Start:
        return lambda payload: self._by_python(WEBSOCKETS, "websockets", payload)

    async def _aiohttp(self) -> Start:
        return lambda payload: self._by_python(AIOHTTP, "aiohttp", payload)

    def _by_python(self, name: str, server: str, payload: str) -> AbstractAsyncContextManager[Server]:
        return self._by_input(name, sys.executable, "-m", "tests.tools.bench.servers", server, payload)

    async def _node(self) -> Start:
        for each in ("node", "npm"):
            if not shutil.which(each):
                raise BenchError(f"there is no {each} here")
        folder = self._folder / "node"
        folder.mkdir()
        await run(
            "npm", "install", "ws", "--no-package-lock", "--no-audit", "--no-fund", "--silent", folder=folder
        )
        script = shutil.copy(HERE / "ws_server.mjs", folder)
        return lambda payload: self._by_input(NODE, "node", str(script), payload)

    async def _nchan(self) -> Start:
        if not (shutil.which("nginx") and any(each.exists() for each in NCHAN_MODULES)):
            await _install("nginx", "libnginx-mod-nchan")
        module = next((each for each in NCHAN_MODULES if each.exists()), None)
        if not (module and shutil.which("nginx")):
            raise BenchError("nginx has no module nchan here")
        return lambda payload: self._by_publisher(module, payload)

    @asynccontextmanager
    async def _by_input(self, name: str, *command: str) -> AsyncIterator[Server]:
        """A server that prints its port and takes a line for an update."""
        log = self._log(name)
        async with program(*command, core=SERVER_CORE, log=log, folder=ROOT) as process:
            port = int((await said(process, log))[1])

            async def update() -> None:
                assert process.stdin
                process.stdin.write(b"\n")

            yield Server(name, port, [process.pid], greeted=False, update=update)

    @asynccontextmanager
    async def _by_publisher(self, module: Path, payload: str) -> AsyncIterator[Server]:
        """Nginx, which takes an update by an HTTP request on a connection that is kept."""
        log, port = self._log(NCHAN), _free_port()
        folder = log.with_suffix("")
        folder.mkdir()
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        config = folder / "nginx.conf"
        config.write_text(
            (HERE / "nginx.conf")
            .read_text()
            .format(
                module=module,
                user="user root;" if os.geteuid() == 0 else "",
                files=files,
                connections=files - 100,
                folder=folder,
                log=log,
                port=port,
            )
        )
        command = ("nginx", "-e", str(log), "-p", str(folder), "-c", str(config))
        async with program(*command, core=SERVER_CORE, log=log) as process:
            reader, writer = await _dialled(port, process, log)
            try:
                body = payload.encode()
                request = (
                    b"POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body)
                ) + body

                async def update() -> None:
                    writer.write(request)
                    head = await reader.readuntil(b"\r\n\r\n")
                    if head.split(b" ", 2)[1] not in (b"201", b"202"):
                        raise BenchError(f"nchan did not publish: {head!r}")
                    await reader.readexactly(_length(head))

                yield Server(NCHAN, port, [process.pid], greeted=False, update=update)
            finally:
                writer.close()


async def _dialled(
    port: int, process: Process, log: Path
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(100):
        with suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", port)
        if process.returncode is not None:
            break
        await asyncio.sleep(0.05)
    raise BenchError(f"nginx does not answer, see {log}")


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def _install(*packages: str) -> None:
    """Install packages of Debian; nothing of them is started."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BenchError(f"missing, and only root on Debian can install {' and '.join(packages)} here")
    command = ("env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get")
    await run(*command, "update", "-qq")
    await run(*command, "install", "-y", "-qq", "--no-install-recommends", *packages)
