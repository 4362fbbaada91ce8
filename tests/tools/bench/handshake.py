"""What a handshake costs, and what a storm of them does to those who are connected."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.tools.bench.lab import Lab, median, median_ratio
from tests.tools.bench.load import STREAM, Load, Opened
from tests.tools.bench.machine import cpu_seconds
from tests.tools.bench.peers import LIMIT, NODE, OURS, PLAIN, QUIET, Server
from tests.tools.bench.report import Table, Target, ms, times

HANDSHAKES = 5_000
STORM, OTHERS = 10_000, 500
STORM_AT_ONCE = 2_000
ELSEWHERE = f"{STREAM}?symbols=TJS"
"""The crowd has another symbol: what delays an update is then the storm, not deliveries to ten thousand."""
EVERY_SECONDS = 0.1
REST_SECONDS = 6.0
"""Ours counts handshakes a second; with its own limits the crowd before the storm must be forgotten first."""


async def tables(lab: Lab) -> list[Table]:
    return [await _handshakes(lab), await _storms(lab)]


async def _handshakes(lab: Lab) -> Table:
    count = 500 if lab.quick else HANDSHAKES
    costs: dict[str, list[float]] = defaultdict(list)
    delays: dict[str, list[float]] = defaultdict(list)
    async with AsyncExitStack() as stack:
        stands: list[tuple[Server, Load]] = []
        for name in lab.peers.names:
            server = await stack.enter_async_context(lab.peers.start(name, QUIET))
            load = await stack.enter_async_context(lab.load(server))
            await load.open(200)  # whatever is made only once
            stands.append((server, load))
        for _ in range(lab.rounds):
            for server, load in stands:
                before = cpu_seconds(server.pids)
                opened = await load.open(count)
                await asyncio.sleep(0.1)
                costs[server.name].append((cpu_seconds(server.pids) - before) / count)
                delays[server.name].append(opened.median_seconds)
                await load.drop(count)
                await _quiet(server)
    return Table(
        f"Handshakes: {count:,} connections, 256 at once",
        ("server", "CPU ms each", "x C limit", "x ours", "median ms"),
        [
            (
                name,
                f"{median(found) * 1000:.3f}",
                times(median_ratio(found, costs[LIMIT])) if LIMIT in costs else "-",
                times(median_ratio(found, costs[OURS])),
                ms(median(delays[name])),
            )
            for name, found in costs.items()
        ],
        _targets(costs),
        [
            f"medians of {lab.rounds} interleaved rounds",
            "ours sends a snapshot with each handshake; the C limit answers with a constant",
        ],
    )


def _targets(costs: dict[str, list[float]]) -> list[Target]:
    found = [Target("ours, CPU per handshake", median(costs[OURS]) * 1000, 0.15, " ms")]
    if NODE in costs:
        found.append(
            Target("ours, CPU per handshake", median_ratio(costs[OURS], costs[NODE]), 1.1, " x Node")
        )
    return found


async def _quiet(server: Server) -> None:
    """Wait until the server has nothing left to do."""
    before = -1.0
    while (now := cpu_seconds(server.pids)) - before > 0.01:
        before = now
        await asyncio.sleep(0.2)


# The storm.


@dataclass(frozen=True, slots=True)
class Storm:
    """How one went; delays in seconds, of an update until the last of the others has it."""

    opened: Opened
    before: float
    slowest: float


async def _storms(lab: Lab) -> Table:
    count, others = (500, 50) if lab.quick else (STORM, OTHERS)
    target = f"{ELSEWHERE}&cursor={await lab.peers.cursor()}"
    found: dict[str, list[Storm]] = defaultdict(list)
    async with AsyncExitStack() as stack:
        stands: list[tuple[Server, Load, Load]] = []
        for name in lab.peers.names:
            server = await stack.enter_async_context(lab.peers.start(name, PLAIN))
            calm = await stack.enter_async_context(lab.load(server))
            crowd = await stack.enter_async_context(lab.load(server))
            await calm.open(others)
            await crowd.open(count, target=ELSEWHERE)
            stands.append((server, calm, crowd))
        for _ in range(lab.rounds):
            await asyncio.sleep(0 if lab.quick else REST_SECONDS)
            for server, calm, crowd in stands:
                found[server.name].append(await _storm(server, calm, crowd, count, target))
    return _storm_table(lab, found, count, others)


async def _storm(server: Server, calm: Load, crowd: Load, count: int, target: str) -> Storm:
    async with _updates(server, calm) as before:
        await asyncio.sleep(1)
    async with _updates(server, calm) as during:
        await asyncio.sleep(EVERY_SECONDS)
        await crowd.drop(count)
        opened = await crowd.storm(count, at_once=STORM_AT_ONCE, target=target)
        await asyncio.sleep(EVERY_SECONDS)
    return Storm(opened, median(before), max(during))


@asynccontextmanager
async def _updates(server: Server, calm: Load) -> AsyncIterator[list[float]]:
    """An update every 100 ms (or as soon as the one before has arrived); how long each took."""
    delays: list[float] = []
    stop = asyncio.Event()

    async def update() -> None:
        while not stop.is_set():
            began = time.monotonic()
            delays.append((await calm.deliver(server.update)).last)
            await asyncio.sleep(max(0.0, began + EVERY_SECONDS - time.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(update())
        yield delays
        stop.set()


def _storm_table(lab: Lab, found: dict[str, list[Storm]], count: int, others: int) -> Table:
    failures = {name: sum(each.opened.failed for each in storms) for name, storms in found.items()}
    return Table(
        f"A storm: {count:,} reconnect with their cursors while {others} stay",
        (
            "server",
            "failed attempts",
            "s until all are back",
            "update before, ms",
            "slowest in the storm, ms",
            "slowest of all rounds, ms",
        ),
        [
            (
                name,
                str(failures[name]),
                f"{median(each.opened.seconds for each in storms):.2f}",
                ms(median(each.before for each in storms)),
                ms(median(each.slowest for each in storms)),
                ms(max(each.slowest for each in storms)),
            )
            for name, storms in found.items()
        ],
        [
            Target("ours, failed attempts in all rounds", failures[OURS], 0),
            Target(
                "ours, slowest update to those who stayed",
                median(each.slowest for each in found[OURS]) * 1000,
                250,
                " ms",
            ),
        ],
        [
            f"medians of {lab.rounds} interleaved rounds; {STORM_AT_ONCE:,} under way at once",
            "an update every 100 ms; who reconnects has another symbol; the peers send no snapshot",
        ],
    )
