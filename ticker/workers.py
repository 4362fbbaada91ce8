"""
Edge processes beside the polling one: they share its port, and one that dies is started again.

The parent keeps every listening socket open, so connections that the kernel has queued for a dead worker wait
for its successor. If that dies as well, its share goes to the others meanwhile. A worker gets one line on its
standard input at its start, and one for every reload. The end of its input means that the parent is gone. It
writes to its standard output when it serves.
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
"""Seconds that a process waits for Redis before it serves without quotes."""
START_SECONDS = 30.0
"""Seconds that a worker may take until it serves."""
ENDING_SECONDS = 0.8
"""Seconds that tasks may take to end before they are cancelled again."""
LAST_SECONDS = 3.0
"""Seconds that a worker gets at its end, beyond `server.lame_seconds` and `server.drain_seconds`."""
STEADY_SECONDS = 10.0
"""Seconds that a worker must run before its next death counts as the first one again."""
LONGEST_LINE = 1 << 24
"""Bytes of a worker's input that are read at a time."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
SERVES = b"serves\n"
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Jobs = Iterable[Coroutine[Any, Any, None]]


class WorkerFailed(Exception):
    """A worker could not be started. Says which one, and how it ended."""


# Common to every process that serves.


async def attended(
    front: Jobs, others: Jobs, port: AsyncExitStack, loaded: Callable[[], Awaitable[None]]
) -> None:
    """
    Run the jobs of the serving part, and the others, until cancelled; `loaded` is awaited first.

    At the end the others stop while the port is being closed: banks, Redis and clients may each use their
    whole time. The jobs of the serving part continue until the last client got its close frame, so that
    waiting clients still get every update.
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

    A library may swallow a cancellation: wait_for() of Python 3.11 does so just when its awaitable is done. A
    shutdown then hung for ever (in redis-py, seen 2026-11-24).
    """
    while work:
        for task in work:
            task.cancel()
        _, work = await asyncio.wait(work, timeout=ENDING_SECONDS)


def ending_seconds(settings: Settings) -> float:
    """Seconds that a process that serves may take for its end."""
    return settings.server.lame_seconds + settings.server.drain_seconds + LAST_SECONDS


async def load(edge: Edge, tally: Tally) -> None:
    """Wait until the edge has quotes, if Redis is there, and count this process among the serving ones."""
    tally.add(Count.STARTS)
    await edge.until_loaded(LOADING_SECONDS)
    tally.set(Count.SERVING, 1)


# The input of a worker.


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """
    Everything that a worker must know, as one line of JSON.

    It is not an argument, because a Redis URL may hold a password.
    """

    number: int
    """From 1; its row of the memory is one less."""
    workers: int
    settings: dict[str, Any]
    url: str
    """The address of Redis, also if the settings say `embedded`."""
    enabled: list[str]
    demo: bool
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
    """The settings as `Settings.model_validate` reads them, without the keys of sources."""
    document: dict[str, Any] = settings.model_dump(mode="json")
    document["redis"]["sentinel_password"] = settings.redis.sentinel_password.get_secret_value()
    return document | {"symbols": [str(symbol) for symbol in settings.symbols]}


# The parent's side.


class Workers:
    """The processes that answer on the port, in place of an edge in this process."""

    def __init__(
        self, settings: Settings, url: str, *, enabled: Iterable[str], demo: bool, memory: int, tally: Tally
    ) -> None:
        """`memory` has a row for each of `server.workers`, and `tally` reads it."""
        self._server = settings.server
        self._last_seconds = ending_seconds(settings)
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
                    demo=demo,
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
        Start every worker; gives the address.

        At the end each worker closes its subscribers. A worker that has not ended a little after
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
            # No worker may be started any more.
            if self._keeper and not self._keeper.done():
                self._keeper.cancel()
                await asyncio.wait({self._keeper})
            for each in chain(chain.from_iterable(sets), *(worker.listening for worker in self._workers)):
                each.close()
            await self._ended(self._last_seconds)

    def serve(self, settings: Settings, enabled: Iterable[str]) -> None:
        """Send every worker the symbols, limits and sources of other settings."""
        for worker in self._workers:
            worker.tell(document_of(settings), sorted(enabled))

    async def keep(self) -> None:
        """Restart every worker that dies; until cancelled, or until `serving` is left."""
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
        """End every worker, and kill those that have not ended in time."""
        for worker in self._workers:
            worker.send(signal.SIGTERM)
            # A stopped worker does not receive the signal.
            worker.send(signal.SIGCONT)
        ends = [asyncio.ensure_future(worker.end()) for worker in self._workers]
        _, late = await asyncio.wait(ends, timeout=seconds)
        for worker, ending in zip(self._workers, ends, strict=True):
            if ending in late:
                log.error("worker %d did not end within %.0f s and was killed", worker.number, seconds)
                worker.send(signal.SIGKILL)
        await asyncio.wait(ends)


class _Worker:
    """One place among the workers. Its process may be replaced."""

    def __init__(self, assignment: Assignment) -> None:
        self.number = assignment.number
        self._assignment = assignment
        self._told = assignment
        """The data for its process."""
        self._serves = False
        self.listening: tuple[socket.socket, ...] = ()
        self._places: list[tuple[socket.AddressFamily, Any]] = []
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def tell(self, settings: dict[str, Any], enabled: list[str]) -> None:
        """Send it other settings: at once if it serves, and to every successor."""
        self._assignment = replace(self._assignment, settings=settings, enabled=enabled)
        told = replace(self._told, settings=settings, enabled=enabled)
        if self._serves and told != self._told:
            self._told = told
            self._write()

    def _write(self) -> None:
        if self._process and self._process.stdin:
            # uvloop raises this if the process has already ended, which its keeper notices.
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
                # Modules are searched where this process found its own, not in the working directory.
                *(sys.executable, "-P", "-m", "ticker", *logs.arguments(), "worker", str(self.number)),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                stdin=PIPE,
                stdout=PIPE,
                pass_fds=(*descriptors, self._told.memory),
                # Ctrl-C goes to the whole process group, but the parent decides when workers end.
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerFailed(f"worker {self.number} can't be started: {error}") from error
        self._write()

    async def until_it_serves(self) -> None:
        """Wait until it reports that it serves. Raises WorkerFailed, with the process ended."""
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
        # Other settings may have been set while it started.
        self.tell(self._assignment.settings, self._assignment.enabled)

    def step_aside(self) -> None:
        """Leave new connections to the other workers until this one serves again."""
        if SPREADS:
            for each in self.listening:
                each.close()
            self.listening = ()

    async def started_again(self) -> str:
        """Restart it on its place; returns in words how that failed, or nothing."""
        try:
            await self.spawn(self.listening or rebound(self._places))
            await self.until_it_serves()
        except WorkerFailed as error:
            return str(error).removeprefix(f"worker {self.number} ")
        except OSError as error:
            return f"can't listen on its port: {error.strerror or error}"
        return ""

    async def end(self) -> str:
        """Wait until its process has ended; returns how, in words."""
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
    """Log the first death, and that it was not the only one. Later ones only repeat that."""
    if failures == 1:
        log.error("worker %d %s; it is started again, and its clients reconnect", number, how)
    elif failures == 2:
        log.error(
            "worker %d %s, soon after its start; it is started again until it keeps running", number, how
        )


def _pause(failures: int) -> float:
    """Seconds before a restart: none after a single death, then more and more."""
    if failures == 1:
        return 0
    return float(min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 2, 10), LONGEST_PAUSE_SECONDS))


# The worker's side.


async def work() -> None:
    """Serve by the standard input until SIGTERM, or until the input ends because the parent is gone."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    asked = False

    def end() -> None:
        nonlocal asked
        # A second SIGTERM changes nothing: an init system sends it to every process, and so does the parent.
        if not asked and task:
            task.cancel()
        asked = True

    def orphaned() -> None:
        if asked:
            # The parent was killed while it was ending: end at once.
            os._exit(1)
        log.error("the service has ended, this worker ends too")
        end()

    for each in SIGNALS:
        loop.add_signal_handler(each, end)
    # SIGHUP is meant for the parent.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    orders = asyncio.StreamReader(limit=LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    try:
        # Nothing arrives if the parent has already gone.
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
            demo=assignment.demo,
            tally=tally,
        )

        async def loaded() -> None:
            await load(edge, tally)
            # Not earlier: a client that waits for the successor of a dead worker would be refused.
            await port.enter_async_context(edge.serving(listening))
            with suppress(BrokenPipeError):  # a missing parent is noticed elsewhere
                os.write(sys.stdout.fileno(), SERVES)

        async def obey() -> None:
            while line := await orders.readline():
                told = Assignment.read(line)
                await edge.serve(Settings.model_validate(told.settings), frozenset(told.enabled))
            orphaned()

        await attended([edge.follow(), edge.beat(), obey()], [], port, loaded)


def store_of(settings: Settings, url: str, *, reads: bool = False) -> Store:
    """
    The store of the settings, at this address. Raises Refused if the address is wrong.

    A store that an edge `reads` is read at `redis.read_url`, if there is one.
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
