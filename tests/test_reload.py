"""Another configuration while the service runs: what changes, what does not, and who notices."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import services
from services import ROOT, Service
from stage import until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ticker.config import ConfigError, Settings
from ticker.rates.model import Pair
from ticker.reload import Reload, merged
from ticker.sources import SOURCES

PEGS = {"TMT": "3.5", "KGS": "87.45", "KZT": "471"}
"""Pegged currencies need no bank."""


# What may change


def settings(**changes: Any) -> Settings:
    return Settings.model_validate(changes)


def test_only_what_may_change_does_and_the_rest_is_named() -> None:
    before = settings()
    wanted = settings(
        symbols=["KGS/USD"],
        policy="market",
        limits={"subscribers": 7, "head_bytes": 2048},
        sources={"nbk": {"enabled": False}},
        pegs={},
        server={"port": 1, "workers": 2},
        redis={"lease_seconds": 9},
    )

    new, changed, later = merged(before, wanted)

    assert (new.symbols, new.policy, new.limits.subscribers) == ((Pair("KGS", "USD"),), "market", 7)
    assert (new.server, new.redis, new.limits.head_bytes) == (before.server, before.redis, 16384)
    assert changed == ["symbols", "policy", "limits.subscribers", "pegs.TMT", "sources.nbk"]
    assert later == ["server.port", "server.workers", "limits.head_bytes", "redis.lease_seconds"]


async def test_a_bad_file_and_one_without_changes_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    answers: list[Settings | ConfigError] = [
        ConfigError("c.toml, line 2: unknown key"),
        settings(sources={"openexchangerates": {"enabled": True}}),
        settings(),
        settings(symbols=["KGS/USD"]),
    ]

    def read() -> Settings:
        answer = answers.pop(0)
        if isinstance(answer, ConfigError):
            raise answer
        return answer

    reload = Reload(read)
    changes = reload.changes(settings())
    coming = asyncio.ensure_future(anext(changes))
    for left in (3, 2, 1, 0):
        reload.ask()
        await until(lambda: len(answers) == left)  # noqa: B023 - awaited at once

    assert (await coming).symbols == (Pair("KGS", "USD"),)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "reload: the new configuration was not applied: c.toml, line 2: unknown key"
    assert said[1].startswith("reload: the new configuration was not applied: ")
    assert "TICKER_OPENEXCHANGERATES_KEY" in said[1]
    assert said[2:] == ["reload: nothing has changed", "reload: changed: symbols"]


# A service that is hung up


@dataclass
class Reader:
    """A subscriber that keeps what it was told."""

    socket: ClientConnection
    frames: list[dict[str, Any]] = field(default_factory=list)
    quotes: dict[str, str] = field(default_factory=dict)

    async def listen(self) -> None:
        try:
            async for text in self.socket:
                frame = json.loads(text)
                self.frames.append(frame)
                if frame["type"] == "snapshot":
                    self.quotes = {}
                for quote in frame.get("quotes", ()):
                    self.quotes[quote["symbol"]] = quote["inverse"]
        except ConnectionClosed:
            pass


@asynccontextmanager
async def reading(service: Service, query: str = "") -> AsyncIterator[Reader]:
    async with connect(f"{service.url.replace('http', 'ws')}v1/stream{query}") as socket:
        reader = Reader(socket)
        listening = asyncio.create_task(reader.listen())
        try:
            await until(lambda: reader.quotes)
            yield reader
        finally:
            listening.cancel()


def write(folder: Path, *currencies: str, text: str = "") -> None:
    """A file that serves these pegged currencies."""
    names = ", ".join(f'"{each}"' for each in currencies)
    pegs = "".join(
        f"[pegs.{each}]\nunits_per_usd = {PEGS[each]}\nsince = 2020-01-01\n" for each in currencies
    )
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES)
    (folder / "ticker.toml").write_text(
        f'symbols = [{names}]\n[redis]\ndata_dir = "{folder}/data"\n[server]\nport = 0\n{text}\n{pegs}{off}'
    )


def running(folder: Path) -> AbstractAsyncContextManager[Service]:
    return services.running(folder, "serve", "--config", f"{folder}/ticker.toml")


@pytest.mark.redis
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_symbols_come_and_go_on_open_connections(workers: int, short_path: Path) -> None:
    many = f"workers = {workers}\n"
    write(short_path, "TMT", "KZT", text=many)
    async with (
        running(short_path) as service,
        reading(service) as everything,
        reading(service, "?symbols=KZT") as one,
        reading(service, "?symbols=KZT,TMT") as two,
        reading(service, "?symbols=TMT") as other,
    ):
        await until(lambda: len(everything.quotes) == 2)

        write(short_path, "TMT", "KZT", "KGS", text=many)
        service.process.send_signal(signal.SIGHUP)
        await until(lambda: everything.quotes.get("KGS/USD") == "87.45")
        await until(lambda: quotes_of(service, 3))
        assert len(two.quotes) == 2  # it had named those that it wants

        write(short_path, "TMT", "KGS", text=many)
        service.process.send_signal(signal.SIGHUP)
        await until(lambda: everything.quotes.keys() == {"TMT/USD", "KGS/USD"})
        await until(lambda: two.quotes.keys() == {"TMT/USD"})
        await until(lambda: one.socket.close_code)
        assert (one.socket.close_code, one.socket.close_reason) == (
            4400,
            "KZT/USD is not served here any more",
        )
        assert other.frames[-1]["quotes"] == other.frames[0]["quotes"]
        assert {each.socket.close_code for each in (everything, two, other)} == {None}
        assert (await service.text(f"{service.url}v1/quotes/KZT"))[0] == 404
        async with reading(service, "?symbols=KGS") as late:
            assert late.quotes == {"KGS/USD": "87.45"}

        assert "reload: changed: symbols, pegs.KGS" in service.log
        assert [each["symbol"] for each in everything.frames[-1].get("quotes", ())] != []


async def quotes_of(service: Service, count: int) -> bool:
    return len(await service.quotes()) == count


@pytest.mark.redis
async def test_another_peg_and_other_limits_hold_at_once_and_a_bad_file_changes_nothing(
    short_path: Path,
) -> None:
    write(short_path, "TMT")
    async with running(short_path) as service, reading(service) as reader:
        (short_path / "ticker.toml").write_text("[server]\nprot = 1\n")
        service.process.send_signal(signal.SIGHUP)
        await until(lambda: "reload: the new configuration was not applied: " in service.log)
        assert "unknown key `server.prot`" in service.log

        write(short_path, "TMT", text="[limits]\nsubscribers = 1\n")
        text = (short_path / "ticker.toml").read_text()
        (short_path / "ticker.toml").write_text(text.replace("3.5", "3.6").replace("port = 0", "port = 1"))
        service.process.send_signal(signal.SIGHUP)
        await until(lambda: reader.quotes == {"TMT/USD": "3.6"})
        assert reader.socket.close_code is None
        assert (await service.text(f"{service.url}v1/events"))[0] == 503
        assert "reload: a restart is needed for server.port" in service.log

        service.process.terminate()
        assert await service.ended() == 0


# What a hang-up means


def ended_by_a_hang_up(folder: Path, *arguments: str, ignored: bool = False) -> tuple[int | None, str]:
    """The exit code after a hang-up (None: it runs on) of a service on a terminal of its own."""
    parent, child = pty.openpty()

    def take_the_terminal() -> None:
        os.setsid()
        fcntl.ioctl(child, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)

    command = [sys.executable, "-m", "ticker", *arguments]
    log = folder / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=child,
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=take_the_terminal,
        ) as process,
    ):
        assert process.stdout
        try:
            assert process.stdout.readline().startswith(b"ready ")
            process.send_signal(signal.SIGHUP)
            try:
                return process.wait(3 if ignored else 60), log.read_text()
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(60)
                return None, log.read_text()
        finally:
            process.kill()
            os.close(parent)
            os.close(child)


@pytest.mark.redis
@pytest.mark.slow
def test_without_its_terminal_it_ends_as_on_sigterm(short_path: Path) -> None:
    write(short_path, "TMT")

    code, log = ended_by_a_hang_up(short_path, "serve", "--config", f"{short_path}/ticker.toml")

    assert code == 0
    assert log.rstrip().endswith("ended")
    assert "reload" not in log


@pytest.mark.redis
@pytest.mark.slow
async def test_a_demo_ends_by_a_hang_up(short_path: Path) -> None:
    arguments = ("demo", "--port", "0", "--data-dir", f"{short_path}/data")
    async with services.running(short_path, *arguments) as service:
        service.process.send_signal(signal.SIGHUP)

        assert await service.ended() == 0
        assert service.log.rstrip().endswith("ended")


@pytest.mark.redis
@pytest.mark.slow
def test_an_ignored_hang_up_stays_ignored(short_path: Path) -> None:
    write(short_path, "TMT")
    arguments = ("serve", "--config", f"{short_path}/ticker.toml")

    code, log = ended_by_a_hang_up(short_path, *arguments, ignored=True)

    assert code is None
    assert "reload" not in log
