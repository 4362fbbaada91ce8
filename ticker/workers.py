"""
Edge processes beside the one that polls: they share its port, and one that dies is started again.

The parent keeps every listening socket open itself, so connections that the kernel has queued for a dead
worker wait for its successor; where that one dies, too, its share goes to the others meanwhile. A worker
is told everything on its standard input, a line at its start and one for every reload, whose end means that
the parent is gone; it says on its standard output when it serves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any, Self

from ticker import logs
from ticker.config import Settings, of_address, secrets_of
from ticker.edge import SPREADS, Edge, address_of, listeners, rebound
from ticker.metrics import Count, Tally
from ticker.sources import SOURCES
from ticker.store import Store

log = logging.getLogger(__name__)

LOADING_SECONDS = 5.0
"""How long a process waits for Redis before it serves without quotes."""
START_SECONDS = 30.0
"""How long a worker may take until it serves."""
ENDING_SECONDS = 0.8
"""How long the tasks may take to end before they are cancelled again."""
LAST_SECONDS = 3.0
"""What a worker is given at its end beyond `server.lame_seconds` and `server.drain_seconds`."""
STEADY_SECONDS = 10.0
"""How long a worker must last for its next death to be a single one again."""
LONGEST_LINE = 1 << 24
"""Bytes of what a worker is told at a time."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
SERVES = b"serves\n"
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Jobs = Iterable[Coroutine[Any, Any, None]]


class WorkerFailed(Exception):
    """A worker could not be started. Says which, and how it ended."""


# What every process that serves does.


async def attended(
    front: Jobs, others: Jobs, port: AsyncExitStack, loaded: Callable[[], Awaitable[None]]
) -> None:
    """
    Run the jobs of who answers on the port, and the others, until cancelled; `loaded` is awaited first.

    At the end the others stop while the port is being closed: banks, Redis and clients may each take as
    long as they are given. The front's jobs go on until the last client has been told goodbye, so that
    whoever waits for it still gets every update.
    """
    async with asyncio.TaskGroup() as group:
        serving = {group.create_task(job) for job in front}
        beside = {group.create_task(job) for job in others}
        try:
            await loaded()
            await asyncio.Event().wait()
        finally:
            await asyncio.gather(_end(beside), port.aclose())
            await _end(serving)


async def _end(work: set[asyncio.Task[None]]) -> None:
    """
    Cancel the tasks until they have ended.

    A library may swallow a cancellation: wait_for() of Python 3.11 does, when it comes just as the
    thing waited for is done, and with it a shutdown hung for ever (in redis-py, seen 2026-11-24).
    """
    while work:
        for task in work:
            task.cancel()
        _, work = await asyncio.wait(work, timeout=ENDING_SECONDS)


async def load(edge: Edge, tally: Tally) -> None:
    """Wait until the edge has quotes, if Redis is there, and count this process among those that serve."""
    tally.add(Count.STARTS)
    await edge.until_loaded(LOADING_SECONDS)
    tally.set(Count.SERVING, 1)


# What a worker is told.


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Everything that a worker has to know, as one line of JSON: a Redis URL may hold a password."""

    number: int
    """From 1; its row of the memory is one less."""
    workers: int
    settings: dict[str, Any]
    url: str
    """That of Redis, also where the settings say `embedded`."""
    enabled: list[str]
    notice: str
    listening: list[int]
    """Descriptors of its listening sockets."""
    memory: int
    """Descriptor of the memory in which all processes count."""

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        return cls(**json.loads(line))


def document_of(settings: Settings) -> dict[str, Any]:
    """The settings as `Settings.model_validate` reads them, keys of sources left out."""
    document: dict[str, Any] = settings.model_dump(mode="json")
    document["redis"]["sentinel_password"] = settings.redis.sentinel_password.get_secret_value()
    return document | {"symbols": [str(symbol) for symbol in settings.symbols]}


# The parent's side.


class Workers:
    """The processes that answer on the port, in place of an edge of our own."""

    def __init__(
        self, settings: Settings, url: str, *, enabled: Iterable[str], notice: str, memory: int, tally: Tally
    ) -> None:
        """`memory` has a row for each of `server.workers`, and `tally` reads it."""
        self._server = settings.server
        self._tally = tally
        count = settings.server.workers
        self._workers = [
            _Worker(
                Assignment(
                    number=number,
                    workers=count,
                    settings=document_of(settings),
                    url=url,
                    enabled=sorted(enabled),
                    notice=notice,
                    listening=[],
                    memory=memory,
                )
            )
            for number in range(1, count + 1)
        ]
        self._keeper: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """
        Every worker serves; gives the address.

        At the end each worker says goodbye to its subscribers, and who has not ended a little after
        `server.lame_seconds` and `server.drain_seconds` is killed. Raises PortBusy or WorkerFailed.
        """
        sets = listeners(self._server, len(self._workers))
        try:
            for worker, listening in zip(self._workers, sets, strict=True):
                await worker.spawn(listening)
            for worker in self._workers:
                await worker.until_it_serves()
            log.info(
                "%d workers serve: pids %s", len(sets), ", ".join(str(each.pid) for each in self._workers)
            )
            yield address_of(self._server.host, sets[0])
        finally:
            # Nobody may be started any more.
            if self._keeper and not self._keeper.done():
                self._keeper.cancel()
                await asyncio.wait({self._keeper})
            for each in chain(chain.from_iterable(sets), *(worker.listening for worker in self._workers)):
                each.close()
            await self._ended(self._server.lame_seconds + self._server.drain_seconds + LAST_SECONDS)

    def serve(self, settings: Settings, enabled: Iterable[str]) -> None:
        """Let every worker go on with the symbols, limits and sources of other settings."""
        for worker in self._workers:
            worker.tell(document_of(settings), sorted(enabled))

    async def keep(self) -> None:
        """Start every worker anew that dies; until cancelled, or until `serving` is left."""
        self._keeper = asyncio.current_task()
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(self._keep(worker))

    async def _keep(self, worker: _Worker) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(STEADY_SECONDS if failures else None):
                    how = await worker.end()
            except TimeoutError:
                if failures > 1:
                    log.warning("worker %d runs steadily again as pid %d", worker.number, worker.pid)
                failures = 0
                continue
            while how:
                failures += 1
                self._tally.lost(worker.number - 1)
                _say(worker.number, how, failures)
                if failures > 1:
                    worker.step_aside()
                await asyncio.sleep(_pause(failures))
                how = await worker.started_again()
            if failures == 1:
                log.warning("worker %d is back as pid %d", worker.number, worker.pid)

    async def _ended(self, seconds: float) -> None:
        """Tell every worker to end, and kill who has not in time."""
        for worker in self._workers:
            worker.send(signal.SIGTERM)
            # One that somebody stopped could not hear it.
            worker.send(signal.SIGCONT)
        ends = [asyncio.ensure_future(worker.end()) for worker in self._workers]
        _, late = await asyncio.wait(ends, timeout=seconds)
        for worker, ending in zip(self._workers, ends, strict=True):
            if ending in late:
                log.error("worker %d did not end within %.0f s and was killed", worker.number, seconds)
                worker.send(signal.SIGKILL)
        await asyncio.wait(ends)


class _Worker:
    """One place among the workers; its process may be another one tomorrow."""

    def __init__(self, assignment: Assignment) -> None:
        self.number = assignment.number
        self._assignment = assignment
        self._told = assignment
        """What its process knows."""
        self._serves = False
        self.listening: tuple[socket.socket, ...] = ()
        self._places: list[tuple[socket.AddressFamily, Any]] = []
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def tell(self, settings: dict[str, Any], enabled: list[str]) -> None:
        """Give it other settings, now if it serves, and to whoever takes its place."""
        self._assignment = replace(self._assignment, settings=settings, enabled=enabled)
        told = replace(self._told, settings=settings, enabled=enabled)
        if self._serves and told != self._told:
            self._told = told
            self._write()

    def _write(self) -> None:
        if self._process and self._process.stdin:
            # uvloop raises it if the process has ended already, which its keeper finds out.
            with suppress(RuntimeError, ConnectionError):
                self._process.stdin.write(self._told.line())

    async def spawn(self, listening: tuple[socket.socket, ...]) -> None:
        """Start a process on these sockets. Raises WorkerFailed."""
        self.listening = listening
        self._places = [(each.family, each.getsockname()) for each in listening]
        descriptors = [each.fileno() for each in listening]
        self._told = replace(self._assignment, listening=descriptors)
        self._serves = False
        try:
            self._process = await asyncio.create_subprocess_exec(
                # Modules are looked for where this process found its own, and not in the working directory.
                *(sys.executable, "-P", "-m", "ticker", *logs.arguments(), "worker", str(self.number)),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                stdin=PIPE,
                stdout=PIPE,
                pass_fds=(*descriptors, self._told.memory),
                # Ctrl-C goes to the whole process group, and it is the parent that decides.
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerFailed(f"worker {self.number} can't be started: {error}") from error
        self._write()

    async def until_it_serves(self) -> None:
        """Wait for its word. Raises WorkerFailed, with the process ended."""
        if not self._process or not self._process.stdout:
            return
        line, how = b"", f"did not serve within {START_SECONDS:.0f} s"
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                line = await self._process.stdout.readline()
                if line != SERVES:
                    how = f"{await self.end()} before it served"
        if line != SERVES:
            self.send(signal.SIGKILL)
            await self.end()
            raise WorkerFailed(f"worker {self.number} {how}")
        self._serves = True
        # It may have been told of others while it started.
        self.tell(self._assignment.settings, self._assignment.enabled)

    def step_aside(self) -> None:
        """Leave new connections to the other workers until this one serves again."""
        if SPREADS:
            for each in self.listening:
                each.close()
            self.listening = ()

    async def started_again(self) -> str:
        """Start it anew on its place; gives how that failed, in words, or nothing."""
        try:
            await self.spawn(self.listening or rebound(self._places))
            await self.until_it_serves()
        except WorkerFailed as error:
            return str(error).removeprefix(f"worker {self.number} ")
        except OSError as error:
            return f"can't listen on its port: {error.strerror or error}"
        return ""

    async def end(self) -> str:
        """Wait until its process has ended; gives how, in words."""
        if not self._process:
            return "was not started"
        code = await self._process.wait()
        return f"ended with exit status {code}" if code >= 0 else f"was ended by {_name(-code)}"

    def send(self, number: int) -> None:
        """Send a signal, if there still is a process."""
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


def _name(number: int) -> str:
    return next((each.name for each in signal.Signals if each == number), f"signal {number}")


def _say(number: int, how: str, failures: int) -> None:
    """The first death, and that it is not the only one; those after that are the same again."""
    if failures == 1:
        log.error("worker %d %s; it is started again, and its clients reconnect", number, how)
    elif failures == 2:
        log.error(
            "worker %d %s, soon after its start; it is started again until it keeps running", number, how
        )


def _pause(failures: int) -> float:
    """Seconds before a start: none after a single death, then more and more."""
    if failures == 1:
        return 0
    return float(min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 2, 10), LONGEST_PAUSE_SECONDS))


# The worker's side.


async def work() -> None:
    """Serve as told on standard input until SIGTERM, or until the parent is gone: the input ends."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    asked = False

    def end() -> None:
        nonlocal asked
        # Asked twice, it goes on saying goodbye: an init system asks every process, and so does the parent.
        if not asked and task:
            task.cancel()
        asked = True

    def orphaned() -> None:
        if asked:
            # Whoever ended the parent while it was ending is in a hurry.
            os._exit(1)
        log.error("the service has ended, this worker ends too")
        end()

    for each in SIGNALS:
        loop.add_signal_handler(each, end)
    # It is the parent that a hang-up is meant for.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    orders = asyncio.StreamReader(limit=LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    try:
        # Nothing comes if the parent has gone already.
        if line := await orders.readline():
            await _serve(Assignment.read(line), orders, orphaned)
    except asyncio.CancelledError:
        if not asked:
            raise


async def _serve(assignment: Assignment, orders: asyncio.StreamReader, orphaned: Callable[[], None]) -> None:
    settings = Settings.model_validate(assignment.settings)
    logs.never_show((*secrets_of(settings), *of_address(assignment.url)))
    tally = Tally.shared(assignment.memory, assignment.number - 1, assignment.workers)
    os.close(assignment.memory)
    listening = tuple(socket.socket(fileno=each) for each in assignment.listening)

    async with store_of(settings, assignment.url, reads=True) as store, AsyncExitStack() as port:
        edge = Edge(
            store,
            settings,
            dict(SOURCES),
            enabled=frozenset(assignment.enabled),
            notice=assignment.notice,
            tally=tally,
        )

        async def loaded() -> None:
            await load(edge, tally)
            # Not before: whoever waits for the successor of a dead worker would be turned away.
            await port.enter_async_context(edge.serving(listening))
            with suppress(BrokenPipeError):  # a parent that is gone is noticed elsewhere
                os.write(sys.stdout.fileno(), SERVES)

        async def obey() -> None:
            while line := await orders.readline():
                told = Assignment.read(line)
                await edge.serve(Settings.model_validate(told.settings), frozenset(told.enabled))
            orphaned()

        await attended([edge.follow(), edge.beat(), obey()], [], port, loaded)


def store_of(settings: Settings, url: str, *, reads: bool = False) -> Store:
    """
    The store as the settings say, at this address. Raises Refused if it is none.

    One that an edge `reads` is read at `redis.read_url`, if there is one.
    """
    redis = settings.redis
    sentinels = {"username": redis.sentinel_username, "password": redis.sentinel_password.get_secret_value()}
    return Store(
        url,
        read_url=redis.read_url if reads else "",
        sentinels={name: text for name, text in sentinels.items() if text},
        prefix=settings.redis.prefix,
        stream_length=settings.redis.stream_length,
        history_days=settings.history.days,
        keeps=settings.redis.url == "embedded",
    )
