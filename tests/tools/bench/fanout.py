"""What a delivery costs, and when the last of the crowd has an update."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.tools.bench.lab import Lab, median, median_ratio
from tests.tools.bench.load import Delivered, Load
from tests.tools.bench.machine import cpu_seconds
from tests.tools.bench.peers import LIMIT, NCHAN, OURS, WEBSOCKETS, Server
from tests.tools.bench.report import Table, Target, ms, times

SUBSCRIBERS, UPDATES = 5_000, 60
CROWD, CROWD_UPDATES = 20_000, 10
MOST_A_PROCESS = 8_000
"""A process may open 20,000 files here, and a server needs some for itself."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one server; latencies in seconds, the median of the round's updates."""

    cpu_a_million: float
    median: float
    p99: float
    last: float


async def tables(lab: Lab) -> list[Table]:
    return [await _five_thousand(lab), await _crowd(lab)]


async def _five_thousand(lab: Lab) -> Table:
    count, updates = (500, 20) if lab.quick else (SUBSCRIBERS, UPDATES)
    rounds: dict[str, list[Round]] = defaultdict(list)
    async with AsyncExitStack() as stack:
        stands: list[tuple[Server, Load]] = []
        for name in lab.peers.names:
            server = await stack.enter_async_context(lab.peers.start(name))
            load = await stack.enter_async_context(lab.load(server))
            await load.open(count)
            await _updated(server, load, 3)
            stands.append((server, load))
        for _ in range(lab.rounds):
            for server, load in stands:
                rounds[server.name].append(await _round(server, load, updates))
    return _table(lab, rounds, count, len(await lab.peers.payload()))


async def _updated(server: Server, load: Load, updates: int) -> list[Delivered]:
    return [await load.deliver(server.update) for _ in range(updates)]


async def _round(server: Server, load: Load, updates: int) -> Round:
    await _updated(server, load, 2)
    before = cpu_seconds(server.pids)
    found = await _updated(server, load, updates)
    # What a server does behind an update is a part of its price.
    await asyncio.sleep(0.05)
    used = cpu_seconds(server.pids) - before
    return Round(
        cpu_a_million=used * 1e6 / sum(each.readers for each in found),
        median=median(each.median for each in found),
        p99=median(each.p99 for each in found),
        last=median(each.last for each in found),
    )


def _table(lab: Lab, rounds: dict[str, list[Round]], count: int, size: int) -> Table:
    costs = {name: [each.cpu_a_million for each in found] for name, found in rounds.items()}

    def ratio(to: str) -> float | None:
        return median_ratio(costs[OURS], costs[to]) if to in costs else None

    def beside(name: str, to: str) -> str:
        return times(median_ratio(costs[name], costs[to])) if to in costs else "-"

    return Table(
        f"Fan-out: {size} bytes to {count:,} subscribers",
        ("server", "CPU s per million", "x C limit", "x ours", "median ms", "p99 ms", "last ms"),
        [
            (
                name,
                f"{median(costs[name]):.2f}",
                beside(name, LIMIT),
                beside(name, OURS),
                *(ms(median(getattr(each, what) for each in found)) for what in ("median", "p99", "last")),
            )
            for name, found in rounds.items()
        ],
        [
            Target("ours / C limit", ratio(LIMIT), 1.30),
            Target("ours / nginx + nchan", ratio(NCHAN), 0.92),
            Target("ours / websockets.broadcast", ratio(WEBSOCKETS), 0.65),
        ],
        [
            f"medians of {lab.rounds} interleaved rounds; every server on one core, the load, Redis and the "
            "publisher on another; CPU is the server's user and system time",
            "ours is updated through Redis, nchan by HTTP, the others by a pipe: the latency holds it all",
        ],
    )


# More than one process can have.


async def _crowd(lab: Lab) -> Table:
    count, updates = (1_000, 3) if lab.quick else (CROWD, CROWD_UPDATES)
    processes = 2 if lab.quick else -(-count // MOST_A_PROCESS)
    lasts: dict[str, list[float]] = defaultdict(list)
    names = [name for name in (OURS, LIMIT) if name in lab.peers.names]
    async with AsyncExitStack() as stack:
        stands: dict[str, list[tuple[Server, Load]]] = defaultdict(list)
        for name in names:
            for part in range(processes):
                server = await stack.enter_async_context(lab.peers.start(name))
                load = await stack.enter_async_context(lab.load(server))
                await load.open(count // processes + (part < count % processes))
                stands[name].append((server, load))
        for _ in range(lab.rounds):
            for name in names:
                await _last(stands[name])
                lasts[name].append(median([await _last(stands[name]) for _ in range(updates)]))
    ratio = median_ratio(lasts[OURS], lasts[LIMIT]) if LIMIT in lasts else None
    return Table(
        f"Fan-out: an update to {count:,} subscribers",
        ("server", "until the last has it, ms", "x C limit"),
        [
            (name, ms(median(found)), times(median_ratio(found, lasts[LIMIT])) if LIMIT in lasts else "-")
            for name, found in lasts.items()
        ],
        [Target("ours / C limit, until the last has it", ratio, 2.5)],
        [
            f"{processes} server processes on as many ports, all on one core, and {processes} loads on the "
            f"other: a process may open 20,000 files here, and has at most {MOST_A_PROCESS:,} subscribers",
        ],
    )


async def _last(stands: list[tuple[Server, Load]]) -> float:
    """Seconds from an update until everybody has it, whichever process is theirs."""
    for _, load in stands:
        await load.arm()
    made = time.monotonic_ns()
    updates = {server.update for server, _ in stands}  # one publication reaches all processes of ours
    for update in updates:
        await update()
    return max([(await load.arrival(made)).last for _, load in stands])
