"""The whole service from outside: processes, signals, files, sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis
from services import Service, ready, refused, running, start
from stage import LONG, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ticker import app
from ticker.config import RedisSettings, ServerSettings, Settings
from ticker.demo import NOTICE, Banks, DemoClock
from ticker.embedded import embedded
from ticker.sources import SOURCES

pytestmark = pytest.mark.redis
PAYLOADS = Path(__file__).parent / "payloads"
NBKR = (PAYLOADS / "nbkr" / "daily_2026-05-24.xml").read_text("windows-1251")
NBT = (PAYLOADS / "nbt" / "export_2026-05-19.xml").read_text("utf-8")
STREAM = "{ticker}:stream"

Frame = dict[str, Any]


# Processes


def demo_arguments(folder: Path, *, every: int = 1) -> tuple[str, ...]:
    return ("demo", "--port", "0", "--data-dir", f"{folder}/data", "--every", f"{every}")


@contextmanager
def folder_of_its_own() -> Iterator[Path]:
    # Short, as a socket will be in it.
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        yield Path(path)


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_of_its_own() as path:
        yield path


@pytest.fixture(scope="module")
def demo() -> Iterator[Service]:
    """A demo that several tests look at and none disturbs; it ends before the recording does."""
    with folder_of_its_own() as path:
        service = start(path, *demo_arguments(path, every=3))
        with service.process as process:
            try:
                asyncio.run(speaking(service))
                yield service
            finally:
                process.kill()


async def speaking(service: Service) -> None:
    """Wait until it answers, and has a quote of every symbol and its change."""
    await ready(service)
    await until(lambda: has_changes(service))


# Clients


@dataclass
class Client:
    """A subscriber, and all that it was told."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self.socket:
                self.times.append(time.monotonic())
                self.frames.append(json.loads(text))

    @property
    def cursor(self) -> str:
        return str(self.frames[-1]["cursor"]) if self.frames else ""

    @property
    def state(self) -> dict[str, Frame]:
        """What a page shows that follows the frames."""
        shown: dict[str, Frame] = {}
        for frame in self.frames:
            if frame["type"] == "snapshot":
                shown.clear()
            shown.update((quote["symbol"], quote) for quote in frame.get("quotes", ()))
        return shown

    def news(self) -> list[tuple[str, list[Frame]]]:
        return [(frame["cursor"], frame["quotes"]) for frame in self.frames if frame["type"] == "update"]

    def check(self) -> None:
        """
        Every cursor is above the one before, and so nothing is missing.

        A heartbeat's is the same, and so is that of quotes which have become late.
        """
        assert self.frames[0]["type"] == "snapshot"
        before = place(self.frames[0]["cursor"])
        for frame in self.frames[1:]:
            now = place(frame["cursor"])
            late = all(quote["status"] == "stale" for quote in frame.get("quotes", ()))
            is_same = frame["type"] == "heartbeat" or (late and now == before)
            assert now == before if is_same else now > before, self.frames
            assert frame["type"] == "snapshot" or now[0] == before[0]
            before = now


def place(cursor: str) -> tuple[int, int]:
    epoch, _, sequence = cursor.partition("-")
    return int(epoch), int(sequence)


@asynccontextmanager
async def client(service: Service, **query: str) -> AsyncIterator[Client]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    async with connect(f"{service.url.replace('http', 'ws', 1)}v1/stream?{words}") as socket_:
        one = Client(socket_)
        listening = asyncio.create_task(one.listen())
        try:
            await until(lambda: one.frames)
            yield one
        finally:
            listening.cancel()
            await asyncio.wait({listening})


async def shows_the_quotes(one: Client, service: Service) -> bool:
    """Whether the client has come to what HTTP says."""
    return bool(one.state == await service.quotes() and one.state)


@asynccontextmanager
async def redis_of(service: Service) -> AsyncIterator[Redis]:
    async with Redis(unix_socket_path=service.redis_socket, decode_responses=True) as client_:
        yield client_


async def published(redis: Redis, *, after: str, upto: str = "+") -> list[tuple[str, list[Frame]]]:
    """The stream's own entries, to compare with what clients were told."""
    entries: Any = await redis.xrange(STREAM, f"({after}", upto)
    return [(entry, json.loads(fields["quotes"])) for entry, fields in entries]


# The demo, undisturbed


async def has_quotes(service: Service, count: int) -> bool:
    return len(await service.quotes()) == count


async def has_changes(service: Service) -> bool:
    """Whether all histories are there: until then, a Sunday's table may be taken for a publication."""
    quotes = (await service.quotes()).values()
    return len(quotes) == 5 and all(quote["change_percent"] is not None for quote in quotes)


async def test_every_change_comes_once_and_in_order(demo: Service) -> None:
    async with redis_of(demo) as redis, client(demo) as one, client(demo, symbols="TJS") as picky:
        began = one.frames[0]["cursor"]
        await until(lambda: len(one.news()) >= 5 and len(picky.news()) >= 2)
        told = one.news()
        everything = await published(redis, after=began, upto=told[-1][0])

    # In the server's order on the wire, in the order of their polls in Redis.
    assert in_order(told) == in_order(everything)
    one.check()
    picky.check()
    assert {quote["symbol"] for frame in picky.frames for quote in frame["quotes"]} == {"TJS/USD"}


def in_order(publications: list[tuple[str, list[Frame]]]) -> list[tuple[str, list[Frame]]]:
    return [(at, sorted(quotes, key=lambda quote: quote["symbol"])) for at, quotes in publications]


async def test_a_reconnect_with_the_cursor_brings_exactly_what_was_missed(demo: Service) -> None:
    async with redis_of(demo) as redis:
        async with client(demo) as one:
            left_at = one.cursor
        await until(lambda: missed(redis, left_at, 3))
        async with client(demo, cursor=left_at) as again:
            first = again.frames[0]
        newest = {
            quote["symbol"]: quote
            for _, quotes in await published(redis, after=left_at, upto=first["cursor"])
            for quote in quotes
        }

    assert first["type"] == "update"
    assert {quote["symbol"]: quote for quote in first["quotes"]} == newest
    assert len(first["quotes"]) == len(newest)


async def missed(redis: Redis, after: str, count: int) -> bool:
    return len(await published(redis, after=after)) >= count


async def test_a_demo_says_what_it_is_everywhere(demo: Service) -> None:
    quotes = await demo.quotes()
    async with aiohttp.ClientSession() as session, session.get(demo.url) as response:
        page = await response.text()

    assert {quote["source"].partition(":")[0] for quote in quotes.values()} == {"demo"}
    assert 'class="notice"' in page
    assert NOTICE in demo.log
    assert (await demo.get("health"))["label"] == "demo"


async def test_the_port_answers_what_a_client_and_an_operator_ask(demo: Service) -> None:
    statuses = {}
    async with aiohttp.ClientSession() as session:
        for path in ("healthz", "readyz", "health", "v1/quotes/KGS", "v1/sources", "ticker.js"):
            async with session.get(demo.url + path) as response:
                statuses[path] = response.status
    sources = {source["key"]: source for source in (await demo.get("v1/sources"))["sources"]}

    assert set(statuses.values()) == {200}, statuses
    stand_ins = Banks(DemoClock(6).now).base_urls.keys()
    assert {key: source["status"] for key, source in sources.items()} == {
        key: "ok" if key in stand_ins else "disabled" for key in SOURCES
    }
    assert all(
        source["attribution"] and source["terms"] and source["coverage"] for source in sources.values()
    )


async def test_quotes_prints_the_line_of_a_running_service(demo: Service, folder: Path) -> None:
    process = start(folder, "quotes", "--url", demo.url).process
    out, _ = await asyncio.to_thread(process.communicate, None, 20)

    assert process.returncode == 0
    item = r"(KGS|KZT|TJS|UZS|TMT)/USD = 0\.[0-9]{5,} (0|[+-][0-9]+(\.[0-9]{1,2})?)%"
    assert re.fullmatch(rf"{item}(  •  {item}){{4}}\n", out), out


async def test_a_port_that_is_taken_is_said_in_words(demo: Service, folder: Path) -> None:
    code, words = await refused(folder, "demo", "--port", demo.port, "--data-dir", f"{folder}/data")

    assert code == 1
    assert f"127.0.0.1:{demo.port} is in use by another process" in words
    assert "Traceback" not in words


async def test_a_second_service_on_the_same_data_is_refused_in_words(demo: Service, folder: Path) -> None:
    code, words = await refused(folder, "demo", "--port", "0", "--data-dir", f"{demo.folder}/data")

    assert code == 1
    assert f"ticker demo: --data-dir {demo.folder}/data is in use (service {demo.process.pid}" in words
    assert "Traceback" not in words
    assert await demo.quotes()


PATIENT = f"""
import sys
from ticker import cli, embedded
from ticker.store import clients
clients.COMMAND_TIMEOUT = embedded.LOCK_SECONDS = {LONG}
sys.exit(cli.main())
"""
"""A service whose waits for Redis are longer than a test."""


async def test_an_interrupt_before_the_service_is_up_ends_it_too(demo: Service, folder: Path) -> None:
    # It waits a while for the lock of the directory that another one has.
    words = ("demo", "--port", "0", "--data-dir", f"{demo.folder}/data")
    service = start(folder, *words, program=PATIENT)
    try:
        await until(lambda: NOTICE in service.log)
        os.killpg(service.process.pid, signal.SIGINT)
        code = await service.ended()
    finally:
        service.process.kill()
        service.process.communicate()

    assert code == 0


async def test_a_bad_file_is_refused_in_words(folder: Path) -> None:
    (folder / "ticker.toml").write_text("[server]\nprot = 80\n")

    code, words = await refused(folder, "serve", "--config", f"{folder}/ticker.toml")

    assert code == 2
    assert words == (
        f"ticker serve: {folder}/ticker.toml, line 2: unknown key `server.prot`. "
        "Did you mean `server.port`?\n"
    )


# Ends and beginnings


async def test_killed_and_started_again_it_has_its_quotes_history_and_sequence(folder: Path) -> None:
    # Both must run within one loop of the recording, which takes 110 seconds.
    arguments = demo_arguments(folder, every=3)
    async with running(folder, *arguments) as service:
        async with client(service) as one:
            await until(lambda: len(one.news()) >= 6)
            await until(lambda: has_changes(service))
            quotes, history = await service.quotes(), await service.get("v1/history/KGS")
            cursor = one.cursor
        service.process.kill()
        await until(lambda: not service.left_over())

    async with running(folder, *arguments) as again, client(again, cursor=cursor) as one:
        later, later_history = await again.quotes(), await again.get("v1/history/KGS")
        first = one.frames[0]
        await until(lambda: len(one.frames) > 1)

    assert first["type"] == "update"
    assert place(first["cursor"])[0] == place(cursor)[0]
    assert place(first["cursor"]) >= place(cursor)
    assert set(later) == set(quotes)
    assert all(later[symbol]["as_of"] >= quotes[symbol]["as_of"] for symbol in quotes)
    assert len(history["fixings"]) >= 2
    # The archive may have been asked for earlier days meanwhile, and announced days have begun.
    assert [row for row in timeless(later_history) if row in timeless(history)] == timeless(history)
    begun = {row["as_of"] for row in history["fixings"] if not row["announced"]}
    assert not [row for row in later_history["fixings"] if row["announced"] and row["as_of"] in begun]


def timeless(history: dict[str, Any]) -> list[dict[str, Any]]:
    """What the rows say, without what the clock alone changes."""
    return [{name: row[name] for name in row if name != "announced"} for row in history["fixings"]]


async def test_an_interrupt_ends_it_and_tells_the_clients(folder: Path) -> None:
    async with running(folder, *demo_arguments(folder)) as service, client(service) as one:
        # In the moment of a publication, when a cancellation is lost most easily.
        await until(lambda: one.news())
        await service.interrupted()
        await one.socket.wait_closed()

    assert one.socket.close_code == 1001
    assert service.log.rstrip().endswith("ended")
    assert "Traceback" not in service.log
    one.check()


async def test_terminate_does_the_same(folder: Path) -> None:
    async with running(folder, *demo_arguments(folder)) as service:
        service.process.terminate()
        code = await service.ended()

    assert (code, service.left_over()) == (0, [])


FAULT = """
import sys, asyncio
from ticker.cli import main
from ticker.edge import Edge

async def beat(self):
    await asyncio.sleep(1)
    raise ZeroDivisionError("by nought")

Edge.beat = beat
sys.exit(main())
"""


async def test_a_fault_in_one_task_ends_the_service_with_words(folder: Path) -> None:
    async with running(folder, *demo_arguments(folder), program=FAULT) as service, client(service) as one:
        code = await service.ended()
        await one.socket.wait_closed()

    assert (code, service.left_over()) == (1, [])
    assert "ticker demo stopped after an internal error" in service.log
    assert "ZeroDivisionError: by nought" in service.log
    assert one.socket.close_code == 1001


DEAF = """
import sys, asyncio
from contextlib import suppress
from ticker.cli import main
from ticker.edge import Edge

async def beat(self):
    for _ in range(2):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
    await asyncio.sleep(60)

Edge.beat = beat
sys.exit(main())
"""


async def test_a_task_that_does_not_hear_is_told_again(folder: Path) -> None:
    async with running(folder, *demo_arguments(folder), program=DEAF) as service:
        await service.interrupted()


# Banks of our own


@dataclass
class Street:
    """NBKR and NBT on loopback; every answer has a new figure, of today, unless they stand still or hang."""

    url: str = ""
    hangs: bool = False
    stands_still: bool = False
    asked: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    _steps: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        self.times.append(time.monotonic())
        if self.hangs:
            await asyncio.sleep(2 * LONG)
        self._steps += not self.stands_still
        figure = Decimal("87.4500") + self._steps * Decimal("0.0001")
        if "/XML/" in request.path:
            today = datetime.now(ZoneInfo("Asia/Bishkek")).strftime("%d.%m.%Y")
            text = NBKR.replace("24.05.2026", today).replace("87,4500", str(figure).replace(".", ","))
            return web.Response(body=text.encode("windows-1251"))
        text = NBT.replace("2026-05-19", request.query["date"]).replace("9.3371", str(figure / 10)[:6])
        return web.Response(body=text.encode())


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    street = Street()
    site = web.Application()
    site.router.add_get("/{path:.*}", street.handle)
    runner = web.AppRunner(site, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    street.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield street
    await runner.cleanup()


def configured(
    folder: Path,
    street: Street,
    *,
    redis: Mapping[str, object] | None = None,
    poll: Mapping[str, object] | None = None,
) -> tuple[str, ...]:
    """The arguments of a service with a file of its own."""
    redis = redis or {"data_dir": f"{folder}/data"}
    others = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES if key not in ("nbkr", "nbt"))
    (folder / "ticker.toml").write_text(
        'symbols = ["TJS/USD", "KGS/USD", "TMT/USD"]\n'
        "[server]\nport = 0\nworkers = 1\nheartbeat_seconds = 1\n[history]\nbackfill_days = 0\n"
        f"[redis]\n{lines(redis)}[poll]\n{lines(poll or {})}"
        f'[sources.nbkr]\nbase_url = "{street.url}/kg"\ninterval_seconds = 1\n'
        f'[sources.nbt]\nenabled = true\nbase_url = "{street.url}"\ninterval_seconds = 1\n{others}'
    )
    return ("serve", "--config", f"{folder}/ticker.toml")


def lines(section: Mapping[str, object]) -> str:
    """A section of the file."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items())


async def test_serve_does_what_its_file_says(folder: Path, street: Street) -> None:
    async with running(folder, *configured(folder, street)) as service:
        await until(lambda: has_quotes(service, 3))
        await until(lambda: len(street.asked) >= 7)
        answer = await service.get("v1/quotes")
        history = await service.get("v1/history/KGS")
        sources = {each["key"]: each["status"] for each in (await service.get("v1/sources"))["sources"]}

    kyrgyz = [when for when, path in zip(street.times, street.asked, strict=True) if "/XML/" in path]
    assert [quote["symbol"] for quote in answer["quotes"]] == ["TJS/USD", "KGS/USD", "TMT/USD"]
    assert [quote["source"] for quote in answer["quotes"]] == ["nbt", "nbkr", "peg"]
    # Every second; by default, a bank is asked once in a test.
    assert len(kyrgyz) >= 3
    assert kyrgyz[-1] - kyrgyz[0] > 0.6 * (len(kyrgyz) - 1)
    assert {path.partition("=")[0] for path in street.asked} == {
        "/kg/XML/daily.xml",
        "/en/kurs/export_xml.php?date",
    }
    assert street.asked[-1].endswith("&export=xmlout") or "/XML/" in street.asked[-1]
    today = datetime.now(ZoneInfo("Asia/Bishkek")).date().isoformat()
    assert [row["as_of"] for row in history["fixings"]] == [today]
    assert sources == {**dict.fromkeys(SOURCES, "disabled"), "nbkr": "ok", "nbt": "ok"}


@pytest.mark.slow
async def test_whatever_befalls_redis_the_stream_goes_on_by_itself(folder: Path, street: Street) -> None:
    async with AsyncExitStack() as all_of_it:
        service = await all_of_it.enter_async_context(running(folder, *configured(folder, street)))
        await until(lambda: has_quotes(service, 3))
        one = await all_of_it.enter_async_context(client(service))
        await until(lambda: len(one.news()) >= 2)

        # Flushed: a new epoch.
        before = place(one.cursor)
        async with redis_of(service) as redis:
            await redis.flushall()
        await until(lambda: place(one.cursor)[0] > before[0] and shows_the_quotes(one, service))
        await until(lambda: comes_news(one))
        history = await service.get("v1/history/KGS")

        # Killed: it comes back with what it had, in the same epoch.
        epoch, first_pid = place(one.cursor)[0], service.redis_pid()
        os.kill(first_pid, signal.SIGKILL)
        await until(lambda: comes_news(one))
        assert service.redis_pid() != first_pid
        assert place(one.cursor)[0] == epoch

        # Stopped, longer than the lease lasts: everything waits, and clients hear that we are there.
        os.kill(service.redis_pid(), signal.SIGSTOP)
        stopped_at = time.monotonic()
        await asyncio.sleep(8)
        await until(lambda: len([at for at in one.times if at > stopped_at + 1]) >= 5)
        os.kill(service.redis_pid(), signal.SIGCONT)
        await until(lambda: comes_news(one))
        assert place(one.cursor)[0] == epoch

        street.stands_still = True
        await until(lambda: shows_the_quotes(one, service))
        async with client(service) as fresh:
            assert fresh.state == one.state

    assert len(history["fixings"]) == 1
    one.check()
    assert [frame["type"] for frame in one.frames].count("snapshot") == 2


async def comes_news(one: Client) -> bool:
    """Whether another update comes within a second."""
    known = len(one.news())
    with suppress(TimeoutError):
        await until(lambda: len(one.news()) > known, seconds=1)
    return len(one.news()) > known


async def test_nothing_that_hangs_holds_up_the_end(folder: Path, street: Street) -> None:
    file = configured(folder, street, poll={"timeout_seconds": 2 * LONG})
    async with running(folder, *file, program=PATIENT) as service, client(service) as one:
        await until(lambda: has_quotes(service, 3))
        street.hangs = True
        asked = len(street.asked)
        await until(lambda: len(street.asked) >= asked + 2)
        os.kill(service.redis_pid(), signal.SIGSTOP)
        waiting = asyncio.create_task(service.get("v1/history/KGS"))
        await asyncio.sleep(0.3)
        await service.interrupted()
        await asyncio.wait({waiting})
        waiting.exception()
        await one.socket.wait_closed()

    assert one.socket.close_code == 1001
    assert "Traceback" not in service.log


SILENT_NAME_SERVER = r"""
import socket, sys, time
from ticker.cli import main

def getaddrinfo(host, *_, **__):
    sys.stderr.write(f"looking up {host}\n")
    time.sleep(60)

socket.getaddrinfo = getaddrinfo
sys.exit(main())
"""


async def test_a_silent_name_server_does_not_hold_up_the_end(folder: Path) -> None:
    (folder / "ticker.toml").write_text(
        f'[redis]\ndata_dir = "{folder}/data"\n[server]\nport = 0\n[poll]\ntimeout_seconds = {LONG}\n'
    )

    file = ("serve", "--config", f"{folder}/ticker.toml")
    async with running(folder, *file, program=SILENT_NAME_SERVER) as service:
        await until(lambda: "looking up www.nbkr.kg" in service.log)
        await service.interrupted()


async def test_of_two_services_on_one_redis_the_other_goes_on_when_the_first_is_killed(
    folder: Path, street: Street
) -> None:
    first_folder, second_folder = folder / "1", folder / "2"
    first_folder.mkdir()
    second_folder.mkdir()
    async with embedded(folder / "data") as server:
        redis = {"url": server.url, "lease_seconds": 3}
        async with (
            running(first_folder, *configured(first_folder, street, redis=redis)) as first,
            running(second_folder, *configured(second_folder, street, redis=redis)) as second,
            client(second) as one,
        ):
            await until(lambda: "another process polls, standing by" in second.log)
            await until(lambda: comes_news(one))
            first.process.kill()
            await until(lambda: "poller: polling 2 sources" in second.log)
            await until(lambda: comes_news(one))
            await until(lambda: shows_the_quotes(one, second))

    one.check()
    assert len({place(frame["cursor"])[0] for frame in one.frames}) == 1


# The recording's end, in this process, where its clock can be turned


Rehearsal = Callable[[DemoClock], AbstractAsyncContextManager[Service]]


@pytest.fixture
def rehearsal(folder: Path, capsys: pytest.CaptureFixture[str]) -> Rehearsal:
    """A demo in this process, by a clock of the test."""

    @asynccontextmanager
    async def rehearsal(clock: DemoClock) -> AsyncIterator[Service]:
        settings = Settings(server=ServerSettings(port=0), redis=RedisSettings(data_dir=f"{folder}/data"))
        async with Banks(clock.now) as banks:
            rehearsed = app.demo_settings(settings, banks.base_urls, every=1)
            serving = asyncio.create_task(app.serve(rehearsed, replay=clock))
            try:
                service: Any = Service(process=Any, folder=folder)
                await until(lambda: said_ready(service, capsys))
                yield service
            finally:
                serving.cancel()
                await asyncio.wait({serving})
        assert serving.cancelled()

    return rehearsal


async def test_the_recording_goes_on_where_an_earlier_run_stopped(rehearsal: Rehearsal) -> None:
    # As good as still.
    first, second = DemoClock(86400), DemoClock(86400)
    first.resume(first.end - timedelta(days=10))
    async with rehearsal(first) as service:
        await until(lambda: has_changes(service))
        before = await service.quotes()
    async with rehearsal(second) as service:
        now, after = second.now(), await service.quotes()

    assert datetime.fromisoformat(max(quote["published_at"] for quote in before.values())) <= now
    assert now < first.now() + timedelta(days=1)
    assert days_of(after) == days_of(before)


def days_of(quotes: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {symbol: quote["as_of"] for symbol, quote in quotes.items()}


class Hand:
    """A monotonic clock whose seconds pass while a test lets them."""

    def __init__(self) -> None:
        self._passed = 0.0
        self._since: float | None = None

    def __call__(self) -> float:
        return self._passed + (time.monotonic() - self._since if self._since else 0)

    def go(self) -> None:
        self._since = time.monotonic()

    def stop(self) -> None:
        self._passed, self._since = self(), None


@pytest.mark.slow
async def test_a_new_loop_of_the_recording_is_a_new_epoch_for_everybody(rehearsal: Rehearsal) -> None:
    hand = Hand()
    clock = DemoClock(1, monotonic=hand)
    clock.resume(clock.end - timedelta(days=6))
    async with rehearsal(clock) as service, client(service) as one:
        await until(lambda: len(one.state) == 5)
        old, epoch = one.state, place(one.cursor)[0]
        old_cursor = one.cursor
        hand.go()
        await until(lambda: place(one.cursor)[0] > epoch)
        new_snapshot = next(frame for frame in one.frames if place(frame["cursor"])[0] > epoch)
        await until(lambda: comes_news(one))
        hand.stop()
        async with client(service, cursor=old_cursor) as late:
            first = late.frames[0]
        history = await service.get("v1/history/KGS")

    one.check()
    assert new_snapshot["type"] == "snapshot"
    assert len(new_snapshot["quotes"]) == 5
    assert min(quote["as_of"] for quote in old.values() if quote["status"] == "live") > "2026-09-20"
    assert max(quote["as_of"] for quote in new_snapshot["quotes"]) < "2026-08-30"
    assert all(quote["change_percent"] is not None for quote in new_snapshot["quotes"])
    assert {quote["source"].partition(":")[0] for quote in new_snapshot["quotes"]} == {"demo"}
    assert first["type"] == "snapshot"
    assert min(row["as_of"] for row in history["fixings"]) == "2026-08-08"
    assert max(row["as_of"] for row in history["fixings"]) < "2026-09-01"


def said_ready(service: Service, capsys: pytest.CaptureFixture[str]) -> bool:
    found = re.search(r"^ready (http://\S+)$", capsys.readouterr().out, re.MULTILINE)
    service.url = found[1] if found else ""
    return bool(found)
