"""`server.workers` from outside: several processes on one port, killed, started again, ended."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import services
import uvloop
from services import Service, is_gone, processes
from stage import LONG, PATIENCE, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ticker import app
from ticker.config import PegSettings, ServerSettings, Settings, SourceSettings
from ticker.edge import Edge
from ticker.rates.model import Pair, Quote
from ticker.sources import SOURCES
from ticker.store import Store
from ticker.workers import attended, document_of

pytestmark = [pytest.mark.redis, pytest.mark.slow]
ROOT = Path(__file__).parents[1]
BIG_CROWD = 400
"""So many that the goodbyes of each of two workers take a moment (over 100 of them)."""
CROWD = 24
"""So many clients that every one of two workers has some: one chance in eight millions says no."""

Frame = dict[str, Any]
QuoteOf = Callable[..., Quote]


def arguments(
    folder: Path,
    redis_url: str,
    *,
    port: int = 0,
    workers: int = 2,
    admin: str = "127.0.0.1:0",
    server: str = "",
) -> tuple[str, ...]:
    """`ticker serve` without any bank."""
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES)
    (folder / "ticker.toml").write_text(
        f'[server]\nport = {port}\nworkers = {workers}\nadmin = "{admin}"\n{server}\n'
        f'[redis]\nurl = "{redis_url}"\n{off}'
    )
    return "serve", "--config", f"{folder}/ticker.toml"


def running(
    folder: Path, redis_url: str, *, program: str = "", **others: Any
) -> AbstractAsyncContextManager[Service]:
    return services.running(folder, *arguments(folder, redis_url, **others), program=program)


async def refused(folder: Path, redis_url: str, *, program: str = "", **others: Any) -> tuple[int, str]:
    return await services.refused(folder, *arguments(folder, redis_url, **others), program=program)


@pytest.fixture
def folder(short_path: Path) -> Path:
    return short_path


@dataclass
class Client:
    """A subscriber, and all that it was told."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list)

    @property
    def cursor(self) -> str:
        return str(self.frames[-1]["cursor"])

    @property
    def is_cut_off(self) -> bool:
        return self.socket.close_code is not None

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self.socket:
                self.frames.append(json.loads(text))


@dataclass
class Crowd:
    """Clients that come one by one and are ended together."""

    service: Service
    stack: AsyncExitStack
    clients: list[Client] = field(default_factory=list)

    async def join(self, query: str = "") -> Client:
        address = self.service.url.replace("http", "ws") + "v1/stream" + query
        client = Client(await self.stack.enter_async_context(connect(address, open_timeout=20)))
        listening = asyncio.create_task(client.listen())
        self.stack.callback(listening.cancel)
        self.clients.append(client)
        await until(lambda: client.frames)
        return client

    async def grow(self, count: int) -> list[Client]:
        return list(await asyncio.gather(*(self.join() for _ in range(count))))


@asynccontextmanager
async def crowd(service: Service, count: int) -> AsyncIterator[Crowd]:
    async with AsyncExitStack() as stack:
        all_of_them = Crowd(service, stack)
        await all_of_them.grow(count)
        yield all_of_them


def prices(client: Client) -> list[str]:
    """What it was told of the som since its snapshot."""
    told = [quote for frame in client.frames[1:] for quote in frame["quotes"]]
    return [quote["inverse"] for quote in told if quote["symbol"] == "KGS/USD"]


# Serving


async def test_two_workers_share_the_readers_and_all_get_every_change_in_order(
    folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "80"))
    async with running(folder, redis_url) as service, crowd(service, CROWD) as readers:
        for price in ("81", "82", "83"):
            await publisher.say(quote_of("KGS", price))
        await until(lambda: all(len(prices(each)) == 3 for each in readers.clients))

        assert {tuple(prices(each)) for each in readers.clients} == {("81", "82", "83")}
        metrics = await service.metrics()
        assert metrics["ticker_subscribers"] == CROWD
        assert metrics["ticker_workers"] == metrics["ticker_worker_starts_total"] == 2
        assert metrics["ticker_stream_lag_publications"] == 0


async def test_a_killed_worker_is_followed_by_another_and_its_readers_go_on_where_they_were(
    folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "80"))
    async with running(folder, redis_url) as service, crowd(service, CROWD) as readers:
        victim, other = service.workers[1], service.workers[2]
        os.kill(victim, signal.SIGKILL)
        # Not one of those who come meanwhile is refused: the kernel keeps them for the successor.
        await publisher.say(quote_of("KGS", "81"))
        newcomers = await readers.grow(CROWD)
        lost = [each for each in readers.clients if each.is_cut_off]
        assert 0 < len(lost) < CROWD
        assert not set(map(id, lost)) & set(map(id, newcomers))
        back = [await readers.join(f"?cursor={each.cursor}") for each in lost]
        await publisher.say(quote_of("KGS", "82"))
        here = [each for each in readers.clients if not each.is_cut_off]
        await until(lambda: all("82" in prices(each) for each in here))

        # Nothing is lost and nothing comes twice: what happened while they were away comes first.
        assert {tuple(frame["type"] for frame in each.frames) for each in back} == {("update", "update")}
        assert {quote["inverse"] for each in back for quote in each.frames[0]["quotes"]} == {"81"}
        assert service.workers[1] != victim
        assert service.workers[2] == other
        log = service.log
        assert log.count("worker 1 was ended by SIGKILL; it is started again") == 1
        assert log.count(f"worker 1 is back as pid {service.workers[1]}") == 1
        assert "Traceback" not in log


async def test_a_sum_never_falls_when_a_worker_dies(
    folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "80"))
    seen: list[dict[str, float]] = []

    async def watch() -> None:
        while True:
            seen.append(await service.metrics())
            await asyncio.sleep(0.02)

    async with running(folder, redis_url) as service, crowd(service, CROWD) as readers:
        watching = asyncio.create_task(watch())
        for number in (1, 2):
            await until(lambda: len(service.workers) == 2)
            os.kill(service.workers[number], signal.SIGKILL)
            await until(lambda number=number: f"worker {number} is back" in service.log)
            await readers.grow(4)
        await until(lambda: seen[-1]["ticker_worker_starts_total"] == 4)
        await until(lambda: seen[-1]["ticker_subscribers"] == sum(not c.is_cut_off for c in readers.clients))
        watching.cancel()

    totals = [name for name in seen[0] if name.endswith("_total")]
    assert len(totals) > 5
    falls = [
        (name, before[name], after[name])
        for name in totals
        for before, after in pairwise(seen)
        if after[name] < before[name]
    ]
    assert falls == []
    assert seen[-1]["ticker_subscribers_joined_total"] == CROWD + 8
    assert min(each["ticker_workers"] for each in seen) == 1


WRAPPED = """
import sys
sys.executable = {wrapper!r}
from ticker.cli import main
sys.exit(main())
"""


def wrapped(folder: Path) -> str:
    """A program whose workers begin in a script: they write a line, and end with 3 if `broken` is there."""
    wrapper = folder / "python"
    wrapper.write_text(
        f'#!/bin/sh\necho >> {folder}/starts\n[ -e {folder}/broken ] && exit 3\nexec {sys.executable} "$@"\n'
    )
    wrapper.chmod(0o700)
    return WRAPPED.format(wrapper=str(wrapper))


async def test_a_worker_that_keeps_dying_is_tried_less_and_less_often_and_told_of_once(
    folder: Path, redis_url: str
) -> None:
    async with running(folder, redis_url, program=wrapped(folder)) as service:
        starts = folder / "starts"
        (folder / "broken").touch()
        starts.write_text("")
        began = time.monotonic()
        os.kill(service.workers[2], signal.SIGKILL)
        # At 0, 0.1, 0.3, 0.7, 1.5 and 3.1 s, and as late as the machine is slow.
        await until(lambda: len(starts.read_text()) >= 5)
        tries = len(starts.read_text())
        most = 2 + log2(1 + (time.monotonic() - began) / 0.1)
        # Nobody is led to the dead one: who comes now is served by the other.
        async with asyncio.timeout(PATIENCE):
            assert {(await service.text(service.url + "healthz"))[0] for _ in range(30)} == {200}
        meanwhile = await service.metrics()
        (folder / "broken").unlink()
        await until(lambda: 2 in service.workers)
        statuses = {(await service.text(service.url + "healthz"))[0] for _ in range(8)}

        assert tries <= most
        assert (meanwhile["ticker_workers"], meanwhile["ticker_subscribers"]) == (1, 0)
        assert statuses == {200}
        assert service.log.count("ended with exit status 3 before it served, soon after its start") == 1
        assert service.log.count("worker 2") == 2


async def test_workers_say_who_they_are_and_their_words_hold_no_secret(folder: Path, redis_url: str) -> None:
    async with running(folder, redis_url) as service:
        words = dict(processes(parent=service.process.pid))
        pids = list(service.workers.values())
        service.process.kill()
        await until(lambda: all(map(is_gone, pids)))

        assert not any(redis_url in each for each in words.values())
        assert sorted(re.findall(r"ERROR +(worker [0-9]: .*)", service.log)) == [
            "worker 1: the service has ended, this worker ends too",
            "worker 2: the service has ended, this worker ends too",
        ]


# Standing still


async def test_a_process_that_stood_still_takes_nobody_for_silent(
    folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "80"))
    server = "heartbeat_seconds = 1\nsilent_seconds = 2"
    async with (
        running(folder, redis_url, workers=1, server=server) as service,
        crowd(service, CROWD) as readers,
    ):
        os.kill(service.process.pid, signal.SIGSTOP)
        await asyncio.sleep(3.5)
        os.kill(service.process.pid, signal.SIGCONT)
        beats = [len(each.frames) for each in readers.clients]
        await until(
            lambda: all(len(each.frames) > n + 2 for each, n in zip(readers.clients, beats, strict=True))
        )

        assert not any(each.is_cut_off for each in readers.clients)


async def test_where_the_kernel_does_not_spread_connections_all_accept_from_one_socket(
    folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    # As on macOS, where a shared port leads to the last who bound it.
    program = "import sys\nfrom ticker.edge import listening\nlistening.SPREADS = False\n"
    program += "from ticker import cli, workers\nworkers.SPREADS = False\nsys.exit(cli.main())"
    await publisher.say(quote_of("KGS", "80"))
    async with running(folder, redis_url, program=program) as service, crowd(service, 2 * CROWD) as readers:
        os.kill(service.workers[1], signal.SIGKILL)
        await readers.grow(CROWD)
        await until(lambda: "worker 1 is back" in service.log)
        await publisher.say(quote_of("KGS", "81"))
        here = [each for each in readers.clients if not each.is_cut_off]
        assert len(here) >= CROWD
        await until(lambda: all(prices(each) == ["81"] for each in here))
        os.killpg(service.process.pid, signal.SIGINT)
        assert await service.ended() == 0


# Ending


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_shutdown_tells_every_reader_and_leaves_nothing(
    workers: int, folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "80"))
    file = {"workers": workers, "server": f"drain_seconds = {LONG}"}
    async with running(folder, redis_url, **file) as service, crowd(service, CROWD) as readers:
        pids = list(service.workers.values())
        os.killpg(service.process.pid, signal.SIGINT)
        code = await service.ended()
        await until(lambda: all(each.is_cut_off for each in readers.clients))

        assert (code, [pid for pid in pids if not is_gone(pid)]) == (0, [])
        assert len(pids) == (2 if workers == 2 else 0)
        assert {each.socket.close_code for each in readers.clients} == {1001}
        log = service.log
        assert (log.count("ending"), log.count("ended")) == (1, 1)
        assert "Traceback" not in log


async def test_a_crowd_is_told_goodbye_though_every_process_is_asked_to_end(
    folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    # As systemd does, which asks the whole control group; and the parent asks its workers once more.
    await publisher.say(quote_of("KGS", "80"))
    async with (
        running(folder, redis_url, server="drain_seconds = 2") as service,
        crowd(service, BIG_CROWD) as readers,
    ):
        pids = list(service.workers.values())
        for pid in (*pids, service.process.pid, *pids):
            os.kill(pid, signal.SIGTERM)
        code = await service.ended()
        await until(lambda: all(each.is_cut_off for each in readers.clients))

        assert (code, [pid for pid in pids if not is_gone(pid)]) == (0, [])
        assert {each.socket.close_code for each in readers.clients} == {1001}


async def test_a_parent_that_is_killed_leaves_no_worker_and_every_reader_is_told(
    folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "80"))
    async with running(folder, redis_url) as service, crowd(service, CROWD) as readers:
        pids = list(service.workers.values())
        service.process.kill()
        await until(lambda: all(map(is_gone, pids)))
        await until(lambda: all(each.is_cut_off for each in readers.clients))

        assert {each.socket.close_code for each in readers.clients} == {1001}
        assert "Traceback" not in service.log


DEAF = """
import sys
from ticker import cli, workers
if sys.argv[1:2] == ["serve"]:
    workers.LAST_SECONDS = 1
    # What a worker runs in place of `-m ticker`: a process that says it serves, and no more.
    import asyncio
    spawn = asyncio.create_subprocess_exec
    deaf = "import signal,sys,time; signal.signal(15, 1); print('serves', flush=True); time.sleep(60)"
    async def other(program, *words, **options):
        if "worker" in words:
            words = ("-c", deaf, *words[-2:])
        return await spawn(program, *words, **options)
    asyncio.create_subprocess_exec = other
sys.exit(cli.main())
"""


async def test_a_worker_that_hears_nothing_is_killed_at_the_end(folder: Path, redis_url: str) -> None:
    async with running(folder, redis_url, server="drain_seconds = 0", program=DEAF) as service:
        pids = list(service.workers.values())
        began = time.monotonic()
        service.process.terminate()
        code = await service.ended()

        assert (code, [pid for pid in pids if not is_gone(pid)]) == (0, [])
        assert time.monotonic() - began > 0.9
        assert service.log.count("worker 1 did not end within 1 s and was killed") == 1


# Starting


async def test_a_port_that_another_service_shares_is_said(folder: Path, redis_url: str) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        code, log = await refused(folder, redis_url, port=port)

    assert code == 1
    assert f"ticker serve: 127.0.0.1:{port} is in use by another process" in log
    assert "Traceback" not in log


async def test_an_admin_address_that_is_taken_is_said(folder: Path, redis_url: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, log = await refused(folder, redis_url, admin=f"127.0.0.1:{port}")

    assert code == 1
    assert "ticker serve: server.admin: " in log
    assert "choose another address" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("broken", "worker 1 ended with exit status 3 before it served"),
        ("missing", "worker 1 can't be started: "),
    ],
)
async def test_a_worker_that_can_not_be_started_at_first_ends_the_service_with_words(
    program: str, words: str, folder: Path, redis_url: str
) -> None:
    (folder / "broken").touch()
    text = wrapped(folder) if program == "broken" else WRAPPED.format(wrapper=f"{folder}/none")
    code, log = await refused(folder, redis_url, program=text)

    assert code == 1
    assert f"ticker serve: {words}" in log
    assert "Traceback" not in log


# For operators


@pytest.mark.parametrize("workers", [1, 2])
async def test_with_an_admin_address_the_details_are_there_and_not_in_public(
    workers: int, folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    await publisher.say(*(quote_of(code, "80") for code in ("KGS", "KZT", "TJS", "UZS", "TMT")))
    async with running(folder, redis_url, workers=workers) as service, crowd(service, CROWD):
        public = await service.text(service.url + "health")
        details = await service.text(service.admin + "health")

        assert public == (200, '{"status": "pass"}')
        assert (await service.text(service.url + "metrics"))[0] == 404
        assert (await service.text(service.admin + "v1/quotes"))[0] == 404
        assert details[0] == 200
        assert json.loads(details[1])["subscribers"] == CROWD
        assert (await service.metrics())["ticker_subscribers"] == CROWD
        assert (await service.metrics())["ticker_workers"] == workers


async def test_without_one_every_worker_tells_the_sums_of_all(
    folder: Path, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "80"))
    async with running(folder, redis_url, admin="") as service, crowd(service, CROWD):
        texts = [await service.text(service.url + "metrics") for _ in range(12)]
        health = [json.loads((await service.text(service.url + "health"))[1]) for _ in range(4)]

        assert {text.count(f"\nticker_subscribers {CROWD}.0\n") for _, text in texts} == {1}
        assert {each["subscribers"] for each in health} == {CROWD}


async def test_an_edge_that_does_not_follow_says_how_far_it_is_behind(
    store: Store, redis_url: str, publisher: Any, quote_of: QuoteOf
) -> None:
    settings = Settings(symbols=(Pair("KGS", "USD"),), server=ServerSettings(port=0))
    edge = Edge(store, settings, {}, enabled=frozenset())
    await publisher.say(quote_of("KGS", "80"))
    await publisher.say(quote_of("KGS", "81"))
    async with edge.serving() as address, aiohttp.ClientSession() as session:
        async with session.get(address + "metrics") as response:
            text = await response.text()
        async with session.get(address + "health") as response:
            health = await response.json(content_type=None)

    assert "\nticker_stream_lag_publications 2.0\n" in text
    assert "stream: 2 publications behind Redis" in health["notes"]


# The seams


def test_a_worker_has_the_settings_of_its_parent_without_the_keys_of_sources() -> None:
    settings = Settings(
        symbols=(Pair("EUR", "KGS"), Pair("KGS", "USD")),
        policy={"EUR/KGS": ("nbkr",)},
        server=ServerSettings(origins=("https://news.example",), workers=3),
        pegs={"TMT": PegSettings(units_per_usd="3.5", since=date(2015, 1, 1))},
        sources={"nbkr": SourceSettings(base_url="http://127.0.0.1:1", key="secret", interval_seconds=1)},
    )
    text = json.dumps(document_of(settings))
    read = Settings.model_validate(json.loads(text))

    assert "secret" not in text
    assert read.sources["nbkr"].key.get_secret_value() == ""
    assert read.model_dump() == settings.model_dump()


def test_the_service_runs_on_uvloop_where_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def loop() -> type:
        return type(asyncio.get_running_loop())

    assert app.run(loop()) is uvloop.Loop
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert app.run(loop()) is not uvloop.Loop


async def test_while_goodbye_is_said_readers_get_updates_and_banks_are_asked_no_more() -> None:
    running: set[str] = set()
    seen: list[set[str]] = []

    async def job(name: str) -> None:
        running.add(name)
        try:
            await asyncio.Event().wait()
        finally:
            running.remove(name)

    async def loaded() -> None:
        return None

    async def goodbye() -> None:
        await asyncio.sleep(0.05)
        seen.append(set(running))

    async with AsyncExitStack() as port:
        port.push_async_callback(goodbye)
        service = asyncio.create_task(attended([job("follow")], [job("poll")], port, loaded))
        await until(lambda: running == {"follow", "poll"})
        service.cancel()
        await asyncio.wait({service})

    assert seen == [{"follow"}]
    assert running == set()
