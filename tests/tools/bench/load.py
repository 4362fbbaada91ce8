"""The load generator's remote control; what it can do is said in load.c."""

from __future__ import annotations

import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.tools.bench.machine import LOAD_CORE, BenchError, program, said

AT_ONCE = 256
ANSWER_SECONDS = 120
STREAM = "/v1/stream"


@dataclass(frozen=True, slots=True)
class Opened:
    """How the opening of connections went."""

    open: int
    failed: int
    lost: int
    seconds: float
    median_seconds: float
    slowest_seconds: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """When an update was where, in seconds after it was made."""

    readers: int
    first: float
    median: float
    p99: float
    last: float
    size: int


class Load:
    """Clients of one server, in one process."""

    def __init__(self, process: Process, log: Path, *, greeted: bool) -> None:
        self._process = process
        self._log = log
        self._greeted = greeted
        self._armed = 0

    async def _order(self, words: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{words}\n".encode())
        await self._process.stdin.drain()

    async def _answer(self, word: str, seconds: float = ANSWER_SECONDS) -> list[int]:
        found, *numbers = await said(self._process, self._log, seconds)
        if found != word:
            raise BenchError(f"the load said {found!r} instead of {word!r}")
        return [int(number) for number in numbers]

    async def open(
        self, count: int, *, at_once: int = AT_ONCE, stall_every: int = 0, target: str = STREAM
    ) -> Opened:
        """
        Open so many more connections, of which each `stall_every`-th never reads.

        Raises BenchError if some can't be had.
        """
        opened = await self.storm(count, at_once=at_once, stall_every=stall_every, target=target)
        if opened.lost:
            raise BenchError(f"{opened.lost} of {count} connections could not be opened: {self._log}")
        return opened

    async def storm(
        self, count: int, *, at_once: int = AT_ONCE, stall_every: int = 0, target: str = STREAM
    ) -> Opened:
        """Open so many more connections, whatever becomes of them."""
        await self._order(f"open {count} {at_once} {stall_every} {int(self._greeted)} {target}")
        is_open, failed, lost, total, median, slowest = await self._answer("opened")
        return Opened(is_open, failed, lost, total / 1e9, median / 1e9, slowest / 1e9)

    async def drop(self, count: int) -> None:
        """Reset the connections that were opened last."""
        await self._order(f"drop {count}")
        await self._answer("dropped")

    async def arm(self) -> int:
        """Begin to wait for an update; how many readers wait."""
        await self._order("arm")
        self._armed = (await self._answer("armed"))[0]
        return self._armed

    async def arrival(self, made_ns: int, seconds: float = ANSWER_SECONDS) -> Delivered:
        """
        When the update that was made at `made_ns` came; every reader has it.

        Raises Late after `seconds`, or BenchError if readers were lost.
        """
        readers, first, median, p99, last, size = await self._answer("done", seconds)
        if readers != self._armed or not readers:
            raise BenchError(f"{readers} of {self._armed} readers were left to get an update")
        first_s, median_s, p99_s, last_s = ((each - made_ns) / 1e9 for each in (first, median, p99, last))
        return Delivered(readers, first_s, median_s, p99_s, last_s, size)

    async def deliver(
        self, update: Callable[[], Awaitable[None]], seconds: float = ANSWER_SECONDS
    ) -> Delivered:
        """Make an update and wait until every reader has it. Raises Late after `seconds`."""
        await self.arm()
        made = time.monotonic_ns()
        await update()
        return await self.arrival(made, seconds)


@asynccontextmanager
async def load(binary: Path, port: int, log: Path, *, greeted: bool) -> AsyncIterator[Load]:
    """A load on the server at `port`; `greeted` if that one speaks first, with a snapshot."""
    async with program(str(binary), str(port), core=LOAD_CORE, log=log) as process:
        yield Load(process, log, greeted=greeted)
