"""What operators meet first: a Redis that takes no writes, a process that stands still."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
import services
from redis.asyncio import Redis
from services import Service
from stage import until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from ticker.embedded import EmbeddedServer, embedded
from ticker.sources import SOURCES

pytestmark = [pytest.mark.redis, pytest.mark.slow]

LEASE_SECONDS = 3
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
async def server(short_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A Redis of its own, whose settings a test may change."""
    async with embedded(short_path / "redis") as server:
        yield server


def serving(
    folder: Path, server: EmbeddedServer, *, workers: int = 1, text: str = ""
) -> AbstractAsyncContextManager[Service]:
    """`ticker serve` of one pegged currency, without any bank: all is well with it."""
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES)
    (folder / "ticker.toml").write_text(
        f'symbols = ["TMT"]\n[redis]\nurl = "{server.url}"\nlease_seconds = {LEASE_SECONDS}\n'
        f"[server]\nport = 0\nworkers = {workers}\n{text}\n{off}"
    )
    return services.running(folder, "serve", "--config", f"{folder}/ticker.toml")


async def notes(service: Service) -> list[str]:
    answer = await service.get("health")
    assert (answer["status"] == "pass") == (not answer["notes"])
    found: list[str] = answer["notes"]
    return found


async def is_well(service: Service) -> bool:
    return not await notes(service)


async def says(service: Service, pattern: str) -> bool:
    return any(re.fullmatch(pattern, note) for note in await notes(service))


REFUSALS: dict[str, tuple[list[list[str]], list[list[str]], str]] = {
    "replicas are missing": (
        [["CONFIG", "SET", "min-replicas-to-write", "1"]],
        [["CONFIG", "SET", "min-replicas-to-write", "0"]],
        "NOREPLICAS .*",
    ),
    "no leave to run scripts": (
        [["ACL", "SETUSER", "default", "-eval", "-evalsha"]],
        [["ACL", "SETUSER", "default", "+@all"]],
        "(NOPERM|.*no permissions).*",
    ),
    "a replica by now": (
        [["REPLICAOF", "127.0.0.1", "1"]],
        [["REPLICAOF", "NO", "ONE"]],
        "READONLY .*|You can't write.*",
    ),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_redis_that_refuses_writes_is_no_secret(
    refusal: tuple[list[list[str]], list[list[str]], str],
    workers: int,
    short_path: Path,
    server: EmbeddedServer,
) -> None:
    begin, end, words = refusal
    async with serving(short_path, server, workers=workers) as service, Redis.from_url(server.url) as redis:
        await until(lambda: is_well(service))

        for command in begin:
            await redis.execute_command(*command)
        await until(lambda: says(service, f"Redis has refused writes since {TIME}: ({words})"))
        assert "redis refuses writes, quotes wait in memory: " in service.log
        assert (await service.text(f"{service.url}readyz"))[0] == 200
        assert await age(service) >= 0

        for command in end:
            await redis.execute_command(*command)
        await until(lambda: is_well(service))
        assert "redis accepts writes again" in service.log


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_redis_that_refuses_the_login_is_not_called_away(
    workers: int, short_path: Path, server: EmbeddedServer
) -> None:
    async with serving(short_path, server, workers=workers) as service, Redis.from_url(server.url) as redis:
        await until(lambda: is_well(service))

        await redis.execute_command("ACL", "SETUSER", "default", "resetpass", ">secret")
        await redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
        await until(lambda: says(service, "redis: it refuses the login"))
        for who, what in (("", "quotes wait in memory"), ("stream: ", "subscribers keep their last quotes")):
            await until(lambda: f"{who}redis refuses the login, {what}: " in service.log)  # noqa: B023

        await redis.execute_command("ACL", "SETUSER", "default", "nopass")
        await until(lambda: is_well(service))
        assert "redis is back" in service.log


async def age(service: Service) -> float:
    """Seconds since the last write, as /metrics tells."""
    _, text = await service.text(f"{service.url}metrics")
    [found] = re.findall(r"^ticker_last_write_age_seconds (\S+)$", text, re.MULTILINE)
    return float(found)


async def test_workers_whose_parent_stands_still_say_that_nobody_polls(
    short_path: Path, server: EmbeddedServer
) -> None:
    async with serving(short_path, server, workers=2) as service:
        await until(lambda: is_well(service))
        before: dict[str, Any] = (await service.get("health"))["poller"]

        os.kill(service.process.pid, signal.SIGSTOP)
        try:
            await until(lambda: says(service, f"no process has polled since {TIME}"))
            assert await age(service) > 2 * LEASE_SECONDS
            assert (await service.get("health"))["poller"] | {"wrote_at": ""} == before | {"wrote_at": ""}
        finally:
            os.kill(service.process.pid, signal.SIGCONT)
        await until(lambda: is_well(service))

    assert before["owner"].endswith(f":{service.process.pid}")
    assert re.fullmatch(TIME, before["since"])


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_service_that_is_about_to_leave_says_so_before_it_does(
    workers: int, short_path: Path, server: EmbeddedServer
) -> None:
    text = 'admin = "127.0.0.1:0"\nlame_seconds = 5\n'
    async with (
        serving(short_path, server, workers=workers, text=text) as service,
        connect(f"{service.url.replace('http', 'ws')}v1/stream") as reader,
    ):
        await reader.recv()
        addresses = service.url, service.admin
        for address in addresses:
            await until(lambda: readiness(service, address, 200))  # noqa: B023 - awaited at once

        service.process.terminate()
        for address in addresses:
            await until(lambda: readiness(service, address, 503))  # noqa: B023 - awaited at once
        # Meanwhile it serves as before, who comes late, too.
        assert (await service.text(f"{service.url}v1/quotes"))[0] == 200
        async with connect(f"{service.url.replace('http', 'ws')}v1/stream") as late:
            assert '"snapshot"' in str(await late.recv())
        assert reader.state is State.OPEN

        assert await service.ended() == 0
        with suppress(ConnectionClosed):
            while True:
                await reader.recv()
        assert reader.close_code == 1001


async def readiness(service: Service, address: str, status: int) -> bool:
    return (await service.text(f"{address}readyz"))[0] == status


async def test_a_symbol_on_hold_keeps_its_price_and_is_named(
    short_path: Path, server: EmbeddedServer
) -> None:
    async with serving(short_path, server) as service:
        await until(lambda: is_well(service))
        before = await service.quotes()

        file = ("--config", f"{short_path}/ticker.toml")
        assert await ordered(short_path, "hold", "TMT", *file) == 0
        await until(lambda: says(service, "TMT/USD is on hold; `ticker confirm TMT/USD` ends that"))
        assert (await service.quotes())["TMT/USD"]["price"] == before["TMT/USD"]["price"]

        assert await ordered(short_path, "confirm", "TMT", *file) == 0
        await until(lambda: is_well(service))


async def ordered(folder: Path, *arguments: str) -> int:
    """The exit code of an operator's command."""
    command = [sys.executable, "-m", "ticker", *arguments]
    return (
        await asyncio.to_thread(subprocess.run, command, cwd=services.ROOT, capture_output=True)
    ).returncode
