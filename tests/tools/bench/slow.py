"""What those who never read do to the others and to the server's memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.tools.bench.lab import Lab, median, median_ratio
from tests.tools.bench.machine import Late, resident_bytes
from tests.tools.bench.peers import OURS, QUIET
from tests.tools.bench.report import Table, Target, mb, ms, times

READERS, UPDATES, STALL_EVERY = 900, 200, 10
SYMBOLS = 100
"""So many that the kernel's buffers for one who does not read (2.7 MB) are full after half the updates."""
WARM_UP = 20
STANDSTILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds until the readers have an update, and the server's memory after all updates."""

    median: float
    last: float
    resident: float


@dataclass(slots=True)
class Both:
    """The rounds of one server, without and with those who never read."""

    alone: list[Run] = field(default_factory=list)
    beside: list[Run] = field(default_factory=list)
    stands_still: bool = False

    def first(self, what: str) -> float:
        return median(getattr(each, what) for each in self.alone)

    def ratio(self, what: str) -> float:
        with_them, without = ([getattr(each, what) for each in runs] for runs in (self.beside, self.alone))
        return median_ratio(with_them, without)


async def tables(lab: Lab) -> list[Table]:
    readers = 90 if lab.quick else READERS
    found = {name: Both() for name in lab.peers.names}
    for _ in range(lab.rounds):
        for name, both in found.items():
            if both.stands_still:
                continue
            both.alone.append(await _run(lab, name, readers, stall_every=0))
            try:
                both.beside.append(await _run(lab, name, readers, stall_every=STALL_EVERY))
            except Late:
                both.stands_still = True
    return [_table(lab, found, readers)]


async def _run(lab: Lab, name: str, readers: int, *, stall_every: int) -> Run:
    stalled = readers // (stall_every - 1) if stall_every else 0
    async with lab.peers.start(name, QUIET, symbols=SYMBOLS) as server, lab.load(server) as load:
        await load.open(readers + stalled, stall_every=stall_every)
        for _ in range(WARM_UP):
            await load.deliver(server.update, STANDSTILL_SECONDS)
        found = [await load.deliver(server.update, STANDSTILL_SECONDS) for _ in range(UPDATES)]
        await asyncio.sleep(0.2)
        return Run(
            median(each.median for each in found),
            median(each.last for each in found),
            resident_bytes(server.pids),
        )


def _row(name: str, both: Both) -> tuple[str, ...]:
    first = ms(both.first("median")), ms(both.first("last")), mb(both.first("resident"))
    if both.stands_still:
        return name, *first, "all wait", "all wait", "-"
    return name, *first, *(times(both.ratio(what)) for what in ("median", "last", "resident"))


def _table(lab: Lab, found: dict[str, Both], readers: int) -> Table:
    ours = found[OURS]

    def target(text: str, what: str) -> Target:
        ratio = None if ours.stands_still else ours.ratio(what)
        return Target(f"ours, {text} with those who never read / without", ratio, 1.10)

    return Table(
        f"Slow: {readers:,} readers, and {readers // (STALL_EVERY - 1)} more who never read",
        ("server", "median ms", "last ms", "server MB", "x median", "x last", "x MB"),
        [_row(name, both) for name, both in found.items()],
        [
            target("the others' median latency", "median"),
            target("the others' last", "last"),
            target("memory", "resident"),
        ],
        [
            f"medians of {lab.rounds} interleaved rounds of {UPDATES} updates of {SYMBOLS} symbols (28 KB)",
            "the first figures are without those who never read; x is with them / without",
        ],
    )
