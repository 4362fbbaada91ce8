"""The composition root: builds everything, runs it in one task group, ends it in order."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ticker import __version__, check, streams, workers
from ticker import backup as backups
from ticker.backup import BackupFailed
from ticker.board import Board
from ticker.config import ConfigError, Settings, SourceSettings
from ticker.demo import NOTICE, Banks, DemoClock
from ticker.edge import Edge, refuse_too_few_files
from ticker.edge.admin import administering
from ticker.embedded import embedded, has_data, running
from ticker.fetch import in_words
from ticker.health import LEASES
from ticker.metrics import Count, Tally, shared_memory
from ticker.poll import Clock, NobodyAnswered, Poller, WallClock
from ticker.rates.model import NOWHERE
from ticker.rates.source import Source
from ticker.reload import Reload, has_terminal
from ticker.rules import enabled_sources, new_desk, rule, without_source
from ticker.sources import SOURCES
from ticker.store import UNAVAILABLE, LeaseLost, Refused, Store, is_refusal
from ticker.systemd import Systemd

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""Seconds that an operator's command waits for the process that polls."""
STALLED_SECONDS = 60.0
"""Seconds without a try to reach Redis after which the polling has stalled. With long leases it is more."""
LEAVE_SECONDS = 10.0
"""Seconds that systemd grants to the end of the service, beyond those of the processes that serve."""
Result = TypeVar("Result")


def default_data_dir(name: str) -> Path:
    """
    The default directory of the embedded Redis: one for each way to run.

    Raises ConfigError for a user without a home directory.
    """
    state = os.environ.get("XDG_STATE_HOME") or _at_home(Path("~/.local/state"))
    return Path(state) / "currency-ticker" / name


def _at_home(path: Path) -> Path:
    """The path with the home directory in place of its `~`. Raises ConfigError."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ConfigError(
            f"`redis.data_dir`: {path} needs a home directory, and user {os.getuid()} has none. "
            "Set redis.data_dir or HOME."
        ) from None


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end: on uvloop if that is installed, as on Linux and macOS, else on asyncio alone."""
    with asyncio.Runner(loop_factory=_new_loop()) as runner:
        return runner.run(coroutine)


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def until_stopped(
    service: Coroutine[Any, Any, None], reload: Reload | None = None, *, level: int = logging.INFO
) -> None:
    """
    Run the service until SIGINT or SIGTERM. A second signal ends the process immediately.

    SIGHUP starts a `reload` if the service can do that and its terminal is not gone; otherwise it ends the
    service. An ignored SIGHUP (nohup) stays ignored. The end is logged with this `level`.
    """
    loop, task, asked = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signals = (*workers.SIGNALS, *(() if is_ignored else (signal.SIGHUP,)))

    def ask() -> None:
        log.log(level, "ending")
        asked.set()
        _forget_signals()
        if task:
            task.cancel()

    def _forget_signals() -> None:
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, ask)
    if reload and not is_ignored and not has_terminal():
        loop.add_signal_handler(signal.SIGHUP, reload.ask)
    try:
        await service
    except asyncio.CancelledError:
        if not asked.is_set():
            raise
        log.log(level, "ended")
    finally:
        _forget_signals()


async def serve(
    settings: Settings,
    *,
    replay: DemoClock | None = None,
    reload: Reload | None = None,
) -> None:
    """
    Run the whole service until cancelled; prints `ready http://HOST:PORT/` when it answers.

    `replay` is the clock of a demo, with the days of a recording, which starts again at its end. `reload`
    brings new settings. Raises ConfigError, EmbeddedServerError, PortBusy, WorkerFailed or TooFewFiles in
    words.
    """
    refuse_too_few_files()
    _warn(settings)
    systemd = Systemd.of(os.environ)
    async with (
        _redis_url(settings) as url,
        _store(url, settings) as store,
        _edge_store(url, settings, store) as edge_store,
        AsyncExitStack() as port,
    ):
        if replay:
            await _resume(replay, store)
        _record_version(settings, __version__)
        front = _Front(
            settings, edge_store, url, replay.told if replay else WallClock().now, demo=replay is not None
        )
        board, clock = front.tally.board, replay or WallClock()
        polling = _Polling(
            lambda settings: _poller(settings, store, enabled_sources(settings), clock, board), settings
        )
        address, jobs = await front.open(port)
        others = [polling.run()]
        others += [_rounds(replay, polling)] if replay else []
        others += [_reloading(reload, settings, front, polling, systemd)] if reload else []
        jobs.append(systemd.keep_alive(lambda: _fault(front.tally, settings)))
        await workers.attended(
            jobs, others, port, lambda: _loaded(front, address, settings, port=port, systemd=systemd)
        )


async def _loaded(
    front: _Front, address: str, settings: Settings, *, port: AsyncExitStack, systemd: Systemd
) -> None:
    """Wait until the service answers with quotes, and say so. When `port` is closed, say that it stops."""
    await front.loaded()
    systemd.ready(f"answers on {address}")
    port.callback(systemd.stopping, workers.ending_seconds(settings) + LEAVE_SECONDS)
    streams.say(f"ready {address}")


def _warn(settings: Settings) -> None:
    for words in without_quotes(settings):
        log.warning("%s", words)


def _fault(tally: Tally, settings: Settings) -> str:
    """What a restart would repair, in words; empty: nothing. A lost Redis or bank is no such thing."""
    silent = tally.board.silent_seconds or 0.0
    if silent > max(STALLED_SECONDS, LEASES * settings.redis.lease_seconds):
        return f"the polling has stalled, its last step was {silent:.0f} s ago"
    return "" if tally.total(Count.SERVING) else "no process serves readers"


async def _reloading(
    reload: Reload, settings: Settings, front: _Front, polling: _Polling, systemd: Systemd
) -> None:
    """Apply new settings whenever there are some, until cancelled."""
    async for new in reload.changes(settings, systemd.reloading):
        _warn(new)
        await front.serve(new)
        polling.go_on(new)


class _Polling:
    """Polls by the newest settings: a new poller takes over as after a restart."""

    def __init__(self, make: Callable[[Settings], Poller], settings: Settings) -> None:
        self._make = make
        self._settings = settings
        self._changed = asyncio.Event()
        self.poller = make(settings)

    def go_on(self, settings: Settings) -> None:
        """Poll by these settings from now on."""
        self._settings = settings
        self._changed.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            async with asyncio.TaskGroup() as group:
                polling = group.create_task(self.poller.run())
                await self._changed.wait()
                self._changed.clear()
                polling.cancel()
            self.poller = self._make(self._settings)


def _record_version(settings: Settings, version: str) -> None:
    """Record the version in a file, so that it can be read without the embedded server."""
    if settings.redis.url == "embedded":
        with suppress(OSError):  # the store reports a full disk
            (_data_dir(settings) / "version").write_text(f"{version}\n")


class _Front:
    """The serving part: an edge in this process or workers, and the admin address beside it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        url: str,
        clock: Callable[[], datetime],
        *,
        demo: bool,
    ) -> None:
        self._settings = settings
        self._store = store
        self._url = url
        self._enabled = frozenset(each.key for each in enabled_sources(settings))
        self._demo = demo
        self._clock = clock
        self._alone = settings.server.workers == 1
        self._workers: workers.Workers | None = None
        self._memory = shared_memory(settings.server.workers)
        # Beside workers, this process has the read-only row, because it has no subscribers.
        row = 0 if self._alone else settings.server.workers
        self.tally = Tally.shared(self._memory, row, settings.server.workers)

    @cached_property
    def _edge(self) -> Edge:
        return Edge(
            self._store,
            self._settings,
            dict(SOURCES),
            enabled=self._enabled,
            demo=self._demo,
            tally=self.tally,
            clock=self._clock,
        )

    async def open(self, port: AsyncExitStack) -> tuple[str, list[Coroutine[Any, Any, None]]]:
        """Start to answer, until `port` is closed; gives the address and the jobs to run meanwhile."""
        port.callback(os.close, self._memory)
        if admin := self._settings.server.admin:
            application = self._edge.administration()
            log.info("admin: %s", await port.enter_async_context(administering(application, admin)))
        if self._alone:
            address = await port.enter_async_context(self._edge.serving())
            return address, [self._edge.follow(), self._edge.beat()]
        self._workers = front = workers.Workers(
            self._settings,
            self._url,
            enabled=self._enabled,
            demo=self._demo,
            memory=self._memory,
            tally=self.tally,
        )
        address = await port.enter_async_context(front.serving())
        if admin:
            port.callback(self._edge.leave)
        # This process answers operators, so it must know the quotes itself.
        return address, [front.keep()] + ([self._edge.follow()] if admin else [])

    async def serve(self, settings: Settings) -> None:
        """Switch to the symbols, limits and sources of other settings. No subscriber is disconnected."""
        enabled = frozenset(each.key for each in enabled_sources(settings))
        self._settings, self._enabled = settings, enabled
        if self._workers:
            self._workers.serve(settings, enabled)
        if self._alone or settings.server.admin:
            await self._edge.serve(settings, enabled)

    async def loaded(self) -> None:
        """Wait until the edge has read the quotes. Workers do so before they open."""
        if self._alone:
            await workers.load(self._edge, self.tally)


def _poller(
    settings: Settings,
    store: Store,
    sources: Sequence[Source],
    clock: Clock | None = None,
    board: Board | None = None,
) -> Poller:
    return Poller(
        sources,
        settings,
        store,
        new_desk=lambda: new_desk(settings, sources),
        clock=clock or WallClock(),
        owner=_owner(),
        alone=settings.redis.url == "embedded",
        board=board,
    )


def _owner() -> str:
    """The name of this process for others."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def demo(settings: Settings, *, every: float) -> None:
    """Run the whole service with demo banks that replay recorded days, one every `every` seconds."""
    clock = DemoClock(every)
    async with Banks(clock.now) as banks:
        log.warning("%s", NOTICE)
        await serve(demo_settings(settings, banks.base_urls, every), replay=clock)


def demo_settings(settings: Settings, base_urls: Mapping[str, str], every: float) -> Settings:
    """The settings with every source at its demo bank, polled often, and every quote labelled `demo`."""
    interval = max(1, int(every / 4))
    rehearsed = {
        key: SourceSettings(
            enabled=key in base_urls, base_url=base_urls.get(key, ""), interval_seconds=interval
        )
        for key in SOURCES
    }
    history = settings.history.model_copy(update={"pause_seconds": 0})
    return settings.model_copy(update={"sources": rehearsed, "history": history, "label": "demo"})


class OrderFailed(Exception):
    """An operator's order was not carried out. Says why, its state, and what to do."""


async def order(settings: Settings, verb: str, subject: str) -> str:
    """
    Record an operator's order for the process that polls, and wait for the result.

    Raises OrderFailed when no process polls, EmbeddedServerError or ConfigError.
    """
    url = settings.redis.url
    if url == "embedded":
        directory = _data_dir(settings)
        url = await running(directory) or ""
        if not url:
            raise OrderFailed(f"no service uses {directory}: start `ticker serve`, then repeat the command")
    async with _store(url, settings) as store:
        try:
            number = await store.order(verb, subject, f"{_user()}@{socket.gethostname()}")
        except UNAVAILABLE as error:
            what = "refused the write, so nothing was recorded" if is_refusal(error) else "is unreachable"
            raise OrderFailed(f"redis {what}: {in_words(error)}") from None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while (answer := await store.answered(number)) is None:  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(0.1)
        except UNAVAILABLE:
            raise OrderFailed(
                "recorded, but no service polls on this Redis: `ticker serve` carries it out when it runs"
            ) from None
    if not answer.done:
        raise OrderFailed(answer.text)
    return answer.text


def _user() -> str:
    """The name of the operator; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


async def backfill(settings: Settings, days: int) -> str:
    """
    Fill the histories of the last `days` days: by the service that polls, or here if there is none.

    Returns what was done. Raises ConfigError, EmbeddedServerError or OrderFailed.
    """
    if settings.redis.url == "embedded" and await running(_data_dir(settings)):
        return await order(settings, "backfill", str(days))
    async with _redis_url(settings) as url, _store(url, settings) as store:
        try:
            led = await store.led()
        except UNAVAILABLE as error:
            raise OrderFailed(f"redis is unreachable: {error}") from None
        if led:
            return await order(settings, "backfill", str(days))
        sources = enabled_sources(settings)
        try:
            return await _poller(settings, store, sources).fill(days)
        except NobodyAnswered as error:
            raise OrderFailed(str(error)) from None
        except (LeaseLost, ExceptionGroup) as error:  # another process took the lease, or Redis is gone
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            raise OrderFailed(f"stopped early: {cause}; the rates received so far are stored") from None


async def backup(settings: Settings, file: Path) -> str:
    """
    Write everything that is kept to a file, whether a service runs or not; return what it has.

    Raises BackupFailed, NotWritten, ConfigError or EmbeddedServerError.
    """
    async with _redis_with_data(settings) as url, _store(url, settings) as store:
        with _stoppable():
            return await backups.backup(store, file)


async def restore(settings: Settings, file: Path) -> str:
    """
    Write a backup to the Redis of these settings, which must have no data; return what was restored.

    Raises BackupFailed, NotSealed, ConfigError or EmbeddedServerError; then nothing was changed.
    """
    seconds, alone = settings.redis.lease_seconds, settings.redis.url == "embedded"
    with backups.checked(file) as sheet:
        async with _redis_url(settings) as url, _store(url, settings) as store:
            with _stoppable():
                words = await backups.restore(store, sheet, owner=_owner(), seconds=seconds, alone=alone)
                _record_version(settings, sheet.version)
                return words + _other_label(backups.label_of(sheet), settings.label)


def _other_label(theirs: str | None, ours: str) -> str:
    """A warning that restored rates are shown under another label than before; empty if it is the same."""
    if theirs in (None, ours):
        return ""
    return (
        f'. These are rates of a service with label = "{theirs}". Yours has label = "{ours}", and shows them '
        "under that. `ticker demo` sets the label itself"
    )


@asynccontextmanager
async def _redis_with_data(settings: Settings) -> AsyncIterator[str]:
    """The address of Redis; for `embedded`, of the server that runs, or of one that is started here."""
    directory = _data_dir(settings)
    if settings.redis.url == "embedded" and (url := await running(directory)):
        yield url
        return
    if settings.redis.url == "embedded" and not has_data(directory):
        raise BackupFailed(f"{directory} has no data: check redis.data_dir")
    async with _redis_url(settings) as url:
        yield url


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end a command in order. Raises BackupFailed."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for each in workers.SIGNALS:
        loop.add_signal_handler(each, task.cancel if task else loop.stop)
    try:
        yield
    except asyncio.CancelledError:
        raise BackupFailed("it was stopped, and nothing was changed") from None
    finally:
        for each in workers.SIGNALS:
            loop.remove_signal_handler(each)


async def last_version(settings: Settings) -> str:
    """
    The version that ran last on the data of these settings; empty if there is no data yet.

    Raises VersionUnknown, or ConfigError for a Redis that is not the intended one.
    """
    if settings.redis.url == "embedded":
        data = _data_dir(settings)
        return _recorded_version(data / "version") if data.exists() else ""
    url = settings.redis.url
    async with _store(url, settings) as store, _edge_store(url, settings, store):
        try:
            version, snapshot = await store.version(), await store.snapshot()
        except UNAVAILABLE as error:
            raise VersionUnknown(f"redis is unreachable: {in_words(error)}") from None
    if not version and snapshot.cursor != NOWHERE:
        raise VersionUnknown("this Redis has no record of a version")
    return version and _version_in(version, "the record in Redis")


class VersionUnknown(Exception):
    """The version that ran last is not known. Says why."""


def _recorded_version(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return _version_in(opened.read(100).decode(errors="replace").strip(), str(file))
    except FileNotFoundError:
        raise VersionUnknown(f"{file} does not exist") from None
    except OSError as error:
        raise VersionUnknown(f"{file} can't be read: {error.strerror}") from None


def _version_in(text: str, place: str) -> str:
    """The text, which must be a version, such as `0.2.0` or `0.3.0.dev1`. Raises VersionUnknown."""
    if not re.fullmatch(r"[0-9]+(\.[0-9a-z+]+)+", text):
        raise VersionUnknown(f"{place} has no version. The next start of the service writes it again")
    return text


def without_quotes(settings: Settings) -> list[str]:
    """
    Warnings about symbols that have no quote because no enabled source lists them.

    Raises ConfigError for a source without the key that it requires.
    """
    return [
        f"symbols: {symbol} has no quote, because no enabled source lists it: enable one that does"
        for symbol in without_source(settings.symbols, settings, enabled_sources(settings))
    ]


async def checked(settings: Settings) -> tuple[str, bool]:
    """Poll every source once; return the table of rates, and whether every authority gave its own."""
    sources = enabled_sources(settings)
    rules = [rule(symbol, settings, sources) for symbol in settings.symbols]
    return await check.checked(settings, sources, rules, now=datetime.now(UTC))


def _data_dir(settings: Settings) -> Path:
    """The folder of the embedded Redis, absolute, so that messages show which one is meant."""
    said = settings.redis.data_dir
    return Path(os.path.abspath(_at_home(Path(said)) if said else default_data_dir("serve")))


@asynccontextmanager
async def _redis_url(settings: Settings) -> AsyncIterator[str]:
    """The address of Redis; for `embedded`, of a private server that lives as long as this process."""
    if settings.redis.url != "embedded":
        yield settings.redis.url
        return
    async with embedded(_data_dir(settings)) as server:
        try:
            yield server.url
        except BackupFailed as error:
            # As on a full disk: the server ends, and its client knows only that it is away.
            raise BackupFailed(". ".join(filter(None, (str(error), await server.why_away())))) from None


@asynccontextmanager
async def _store(url: str, settings: Settings, *, reads: bool = False) -> AsyncIterator[Store]:
    """
    The store of the intended Redis, which may be unreachable for now.

    Raises ConfigError that names the origin of the address.
    """
    try:
        async with workers.store_of(settings, url, reads=reads) as store:
            with suppress(*UNAVAILABLE):  # whoever needs the store waits for it and reports this
                await store.greet()
            yield store
    except Refused as error:
        raise ConfigError(f"{_named(error.key)}: {error}") from None


@asynccontextmanager
async def _edge_store(url: str, settings: Settings, store: Store) -> AsyncIterator[Store]:
    """The store that an edge reads: the poller's own, unless `redis.read_url` names another one."""
    if not settings.redis.read_url:
        yield store
        return
    async with _store(url, settings, reads=True) as edge_store:
        yield edge_store


def _named(key: str) -> str:
    """The variable of the environment that set this key, or the key."""
    variables = {"redis.url": ("TICKER_REDIS_URL", "TICKER_REDIS__URL")}.get(key, ())
    return next((name for name in variables if os.environ.get(name)), key)


async def _resume(replay: DemoClock, store: Store) -> None:
    """Continue at the time of an earlier run, so that its quotes are not ahead of the clock."""
    snapshot = await store.snapshot()
    if said := [quote.published_at for _, quote in snapshot.rows]:
        replay.resume(max(said))


async def _rounds(replay: DemoClock, polling: _Polling) -> None:
    """
    At the end of the recording, start it again in a new epoch.

    The clock stands still until every source was asked: a slow machine would miss the first days.
    """
    while True:
        await asyncio.sleep(replay.remaining)
        if not replay.remaining:
            log.info("demo: the recording starts again")
            with replay.at_the_start():
                await polling.poller.begin_again()
