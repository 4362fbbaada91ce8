"""Real Redis servers on loopback, as operators run them: one, with a replica, Sentinel, Cluster, TLS."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ticker.embedded import find_servers

START_SECONDS = 30.0
SETTLED_SECONDS = 60.0


@dataclass
class Server:
    """One process of redis-server or valkey-server, and what to tell it."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{self.address}"

    @property
    def socket(self) -> str:
        """Its door behind, also where the other one speaks TLS."""
        return f"unix://{self.folder}/redis.sock"

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Redis]:
        async with Redis.from_url(self.socket, decode_responses=True, **options) as client:
            yield client

    async def tell(self, *words: str | int) -> Any:
        """What it answers to a command."""
        async with self.client(protocol=2) as client:
            return await client.execute_command(*words)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, each with the one 10,000 above it, which a Cluster's node takes too."""
    found: list[int] = []
    candidate = 11_000 + os.getpid() * 37 % 9_000
    while len(found) < count:
        candidate = 11_000 + (candidate - 10_999) % 9_000
        if all(_is_free(port) for port in (candidate, candidate + 10_000)):
            found.append(candidate)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@asynccontextmanager
async def server(
    folder: Path, *arguments: str, port: int | None = None, binary: Path | None = None, **settings: str
) -> AsyncIterator[Server]:
    """A server without persistence; `settings` are its directives, with `_` for `-`."""
    port = free_ports(1)[0] if port is None else port
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    told = {
        "bind": "127.0.0.1",
        "port": str(port),
        "unixsocket": f"{folder}/redis.sock",
        "dir": str(folder),
        "save": "",
        "daemonize": "no",
        **{name.replace("_", "-"): value for name, value in settings.items()},
    }
    with _process(
        folder, [str(binary or find_servers()[0]), *_configured(folder, told), *arguments]
    ) as process:
        found = Server(process, folder, port, told)
        await until(lambda: _answers(found), START_SECONDS, f"no server: {_log(folder)}")
        yield found


def _configured(folder: Path, settings: dict[str, str]) -> list[str]:
    """A file with the settings: Sentinel and Cluster write into theirs."""
    lines = [f'{name} "{value}"' if value == "" else f"{name} {value}" for name, value in settings.items()]
    (folder / "redis.conf").write_text("\n".join(lines) + "\n")
    return [str(folder / "redis.conf")]


class _process:
    """A child that is killed at the end, whatever became of it."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        with (folder / "log").open("ab") as log:
            self._child = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self._child

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()


def _log(folder: Path) -> str:
    return (folder / "log").read_text()[-2000:]


async def _answers(found: Server) -> bool:
    with suppress(RedisError, OSError):
        return bool(await found.tell("PING"))
    return False


async def until(fact: Callable[[], Awaitable[Any]], seconds: float, otherwise: str) -> Any:
    """Wait until it is so, and give what it was. Raises TimeoutError with words."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := await fact()):
                await asyncio.sleep(0.05)
            return found
    except TimeoutError:
        raise TimeoutError(f"{otherwise}, after {seconds:g} s") from None
