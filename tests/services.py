"""The one way to start the service as a process: `ticker serve`, `ticker demo`, or another command."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[1]
READY_SECONDS = 60
"""Usual are 1 to 2."""
ENDED_SECONDS = 20
"""Usual are 0.3 to 2."""


@dataclass
class Service:
    """A process that leads a group, as it does in a terminal; its log is in its folder."""

    process: subprocess.Popen[str]
    folder: Path
    url: str = ""
    """With a slash at the end; empty before it is ready."""

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def port(self) -> str:
        return self.url.rstrip("/").rpartition(":")[2]

    @property
    def admin(self) -> str:
        """The address of operators, as the log tells it."""
        return str(re.findall(r"admin: (\S+)", self.log)[-1])

    @property
    def redis_socket(self) -> str:
        return f"{self.folder}/data/redis.sock"

    def redis_pid(self) -> int:
        """The private server's."""
        return next(pid for pid, words in processes() if f"unixsocket:{self.redis_socket}" in words)

    @property
    def workers(self) -> dict[int, int]:
        """The pids of the processes that serve, by the number of the worker."""
        children = processes(parent=self.process.pid)
        found = {pid: re.search(r" worker ([0-9]+)$", words) for pid, words in children}
        return {int(match[1]): pid for pid, match in found.items() if match}

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    async def text(self, address: str) -> tuple[int, str]:
        """The status and the text of an address. By its connection the kernel chooses a worker."""
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            return response.status, await response.text()

    async def get(self, path: str) -> Any:
        """The JSON of a path."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return await response.json(content_type=None)

    async def quotes(self) -> dict[str, dict[str, Any]]:
        return {quote["symbol"]: quote for quote in (await self.get("v1/quotes"))["quotes"]}

    async def metrics(self) -> dict[str, float]:
        """The metrics without labels, from the operators' address."""
        _, text = await self.text(self.admin + "metrics")
        families = text_string_to_metric_families(text)
        samples = (sample for family in families for sample in family.samples)
        return {sample.name: sample.value for sample in samples if not sample.labels}

    async def ended(self) -> int:
        """Wait until it ends; give the exit code."""
        return await asyncio.to_thread(self.process.wait, ENDED_SECONDS)

    async def interrupted(self) -> None:
        """Press Ctrl-C; see it end with exit code 0 and nothing left."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = await self.ended()
        assert (code, self.left_over()) == (0, []), self.log

    def left_over(self) -> list[str]:
        """The processes that have to do with this service."""
        return [words for _, words in processes() if str(self.folder) in words]


def processes(*, parent: int | None = None) -> list[tuple[int, str]]:
    """The pid and the words of every process that is alive, or of a process's children."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            state, its = process_state(folder)
            if state != "Z" and parent in (None, its):
                words = (folder / "cmdline").read_text().replace("\0", " ").strip()
                found.append((int(folder.name), words))
    return found


def process_state(folder: Path) -> tuple[str, int]:
    """The letter of its state and its parent; the name before them may have spaces and brackets."""
    state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
    return state, int(parent)


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return process_state(Path(f"/proc/{pid}"))[0] == "Z"
    except OSError:
        return True


def hear_signals() -> None:
    """A shell ignores one in what it starts in the background, nohup the other, and both are inherited."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


def start(
    folder: Path, *arguments: str, program: str = "", environment: Mapping[str, str] | None = None
) -> Service:
    """Start the command line, or a `program` that prepares something and ends in it."""
    way = ["-c", program] if program else ["-m", "ticker"]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TICKER_")}
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *way, *arguments],
            cwd=ROOT,
            env={**ours, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            preexec_fn=hear_signals,
        )
    return Service(process, folder)


async def ready(service: Service) -> None:
    """Wait until it says that it is ready, and keep its address."""
    assert service.process.stdout
    async with asyncio.timeout(READY_SECONDS):
        line = await asyncio.to_thread(service.process.stdout.readline)
    found = re.fullmatch(r"ready (http://127\.0\.0\.1:[0-9]+/)\n", line)
    assert found, line + service.log
    service.url = found[1]


@asynccontextmanager
async def running(
    folder: Path, *arguments: str, program: str = "", environment: Mapping[str, str] | None = None
) -> AsyncIterator[Service]:
    """A service that is ready; killed at the end, if it still runs."""
    service = start(folder, *arguments, program=program, environment=environment)
    with service.process as process:
        try:
            await ready(service)
            yield service
        finally:
            process.kill()


async def refused(
    folder: Path, *arguments: str, program: str = "", environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The exit code and the words of a command that does not run."""
    service = start(folder, *arguments, program=program, environment=environment)
    with service.process as process:
        try:
            out, _ = await asyncio.to_thread(process.communicate, None, READY_SECONDS)
        finally:
            process.kill()
    assert out == ""
    return process.returncode, service.log


# Clocks that are set.


def compiled_clock(folder: Path) -> Path:
    """The object that moves the wall clock of a process that preloads it, compiled from tests/native."""
    compiler = shutil.which("cc")
    assert compiler, "no C compiler: install gcc"
    found, source = folder / "clock.so", ROOT / "tests" / "native" / "clock.c"
    flags = ("-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread")
    subprocess.run([compiler, *flags, "-o", str(found), str(source)], check=True)
    return found


def on_clock(clock: Path, file: Path) -> dict[str, str]:
    """The environment of a process whose clock is as far ahead as the file says."""
    return {"LD_PRELOAD": str(clock), "CLOCK_AHEAD": str(file)}


def set_ahead(file: Path, by: timedelta) -> None:
    """Set the clocks of the processes that read this file so far ahead of the machine's."""
    with file.open("r+b" if file.exists() else "wb") as out:
        out.write(struct.pack("q", by // timedelta(microseconds=1) * 1000))
