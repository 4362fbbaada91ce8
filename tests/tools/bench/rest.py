"""What the service takes of a core between polls, when nobody reads: its own process, and Redis beside it."""

from __future__ import annotations

import asyncio
import itertools
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.tools.bench.report import Table, Target
from ticker.demo import Banks

CODES = ("USD", "KGS", "KZT", "TJS", "UZS", "TMT", "EUR", "RUB", "CNY", "TRY", "GBP")
OTHERS = ("JPY", "CHF", "INR", "PLN", "SEK", "NOK", "DKK", "CZK", "HUF", "KRW")
NOON = datetime(2026, 9, 16, 7, 5, tzinfo=UTC)
"""In the banks' countries, on a recorded day."""
SETTLE_SECONDS = 20
"""Until the first polls and the back-fill are over."""


def symbols(count: int) -> list[str]:
    """So many pairs, none of them twice in either direction; the five of ours first."""
    ours = [f"{code}/USD" for code in CODES[1:6]]
    pairs = itertools.combinations((*CODES, *OTHERS), 2)
    others = (f"{two}/{one}" for one, two in pairs if f"{two}/{one}" not in ours)
    return [*ours, *others][:count]


@asynccontextmanager
async def service(count: int) -> AsyncIterator[int]:
    """A service with so many symbols, which asks stand-in banks at its usual intervals; gives its pid."""
    ahead = NOON - datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        async with Banks(lambda: datetime.now(UTC) + ahead) as banks:
            process = await asyncio.to_thread(_started, Path(path), banks.base_urls, count, ahead)
            with process:
                try:
                    assert process.stdout
                    await asyncio.to_thread(process.stdout.readline)
                    yield process.pid
                finally:
                    process.terminate()


def _started(path: Path, urls: Mapping[str, str], count: int, ahead: timedelta) -> subprocess.Popen[bytes]:
    """Start the service, with its clock where the recorded days are."""
    lines = [
        f"symbols = {symbols(count)}\n[server]\nport = 0\n[redis]\ndata_dir = '{path}/data'",
        "[history]\nbackfill_days = 5\npause_seconds = 0",
        *(f"[sources.{key}]\nbase_url = '{url}'" for key, url in urls.items()),
    ]
    (path / "config.toml").write_text("\n".join(lines))
    (path / "ahead").write_bytes(struct.pack("q", ahead // timedelta(microseconds=1) * 1000))
    native = Path(__file__).parents[2] / "native" / "clock.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-pthread", "-o", path / "clock.so", native], check=True)
    moved = {"LD_PRELOAD": f"{path}/clock.so", "CLOCK_AHEAD": f"{path}/ahead"}
    return subprocess.Popen(
        [sys.executable, "-m", "ticker", "serve", "--config", f"{path}/config.toml"],
        env={**os.environ, **moved},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def spent(pid: int) -> float:
    """Seconds that a process's threads ran, to the nanosecond; the kernel's ticks of 10 ms are too coarse."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int(Path(task, "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def share(count: int, seconds: float) -> tuple[float, float]:
    """Percent of a core that the service takes with so many symbols, and that its Redis takes."""
    async with service(count) as pid:
        await asyncio.sleep(SETTLE_SECONDS)
        pids = [pid, *children(pid)]
        before = [spent(each) for each in pids]
        await asyncio.sleep(seconds)
        used = [100 * (spent(each) - was) / seconds for each, was in zip(pids, before, strict=True)]
        return used[0], sum(used[1:])


async def tables(*, quick: bool) -> list[Table]:
    """The benchmark's table; `quick`: of a shorter time."""
    seconds = 10 if quick else 100
    found = {count: await share(count, seconds) for count in (5, 200)}
    rows: list[Sequence[str]] = [
        (str(count), f"{service_share:.3f}", f"{redis:.3f}")
        for count, (service_share, redis) in found.items()
    ]
    targets = [
        Target("five symbols", found[5][0], 0.1, " % of a core"),
        Target("200 symbols", found[200][0], 0.2, " % of a core"),
    ]
    header = ("symbols", "service, % of a core", "its Redis, % of a core")
    return [Table("Between polls", header, rows=rows, targets=targets)]
