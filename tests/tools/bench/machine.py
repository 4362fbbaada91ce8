"""The machine: cores, processes, what they used, and the programs that are compiled for the benchmark."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
PR_SET_PDEATHSIG = 1
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
_cores = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _cores[0], _cores[-1]
"""The server has one core to itself; the load, Redis and we share the other one."""
START_SECONDS = 20


class BenchError(Exception):
    """The benchmark can't go on. Says why."""


class Late(BenchError):
    """Something did not come in time."""


@asynccontextmanager
async def program(*command: str, core: int, log: Path, folder: Path | None = None) -> AsyncIterator[Process]:
    """
    A process on one core with pipes for input and output; its errors go to `log`. It ends with us.

    SIGTERM is tried first, as a server may have processes of its own to end.
    """
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        os.sched_setaffinity(0, {core})
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=errors, preexec_fn=tie, cwd=folder
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(3):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        assert process.stdin
        process.stdin.close()
        with suppress(ConnectionError):
            await process.stdin.wait_closed()


async def said(process: Process, log: Path, seconds: float = START_SECONDS) -> list[str]:
    """The words of a program's next line. Raises Late or BenchError with the end of its log."""
    assert process.stdout
    try:
        async with asyncio.timeout(seconds):
            line = await process.stdout.readline()
    except TimeoutError:
        raise Late(f"{log.stem} said nothing for {seconds:g} s; its log: {_end_of(log)}") from None
    if not line:
        raise BenchError(f"{log.stem} has ended; its log: {_end_of(log)}")
    return line.decode().split()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-1000:].strip() or "(empty)"


async def run(*command: str, folder: Path | None = None) -> None:
    """Run a program to its end. Raises BenchError with what it said if it failed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder
        )
    except FileNotFoundError:
        raise BenchError(f"there is no {command[0]} here") from None
    text, _ = await process.communicate()
    if process.returncode:
        raise BenchError(f"`{' '.join(command)}` failed: {text.decode(errors='replace')[-300:].strip()}")


async def compiled(name: str, folder: Path) -> Path:
    """The program made of `name`.c. Raises BenchError."""
    made = folder / name
    await run("cc", "-O2", "-Wall", "-Wextra", "-o", str(made), str(HERE / f"{name}.c"))
    return made


# What the kernel counts.


def family(pid: int) -> list[int]:
    """The process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of the processes and what they started."""
    return sum(_ticks(each) for pid in pids for each in family(pid)) / TICKS


def _ticks(pid: int) -> int:
    # The name in front of the bracket may have any character.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident_bytes(pids: list[int]) -> int:
    """
    Resident memory of the processes and what they started.

    What several of them share (nginx keeps its channels there) counts once: as the proportional share.
    """
    return sum(_resident(each) for pid in pids for each in family(pid))


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"/proc/{pid}/smaps_rollup has no Pss")


def kernel_bytes() -> tuple[int, int]:
    """The kernel's slabs, and the memory of TCP buffers, of the whole machine."""
    slab = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("Slab:")
    )
    sockets = Path("/proc/net/sockstat").read_text()
    tcp = next(line.split() for line in sockets.splitlines() if line.startswith("TCP:"))
    return slab, int(tcp[tcp.index("mem") + 1]) * PAGE
