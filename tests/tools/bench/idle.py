"""What a subscriber costs who only listens: memory of the process, and beside it the kernel's."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.tools.bench.lab import Lab, median
from tests.tools.bench.machine import kernel_bytes, resident_bytes
from tests.tools.bench.peers import OURS, Server
from tests.tools.bench.report import Table, Target, kb, mb, times

FIRST, ALL = 1_000, 10_000
HEARTBEAT_SECONDS = 2
SETTLE_SECONDS = 2 * HEARTBEAT_SECONDS + 0.5
SETTINGS: dict[str, Any] = {"server": {"port": 0, "heartbeat_seconds": HEARTBEAT_SECONDS}}
"""So that every subscriber of ours was greeted and has answered before the memory is read."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Bytes beyond the first thousand, each: of the process, the kernel's slabs and its TCP buffers."""

    first: int
    process: float
    slab: float
    buffers: float


async def tables(lab: Lab) -> list[Table]:
    first, everybody = (200, 1_000) if lab.quick else (FIRST, ALL)
    found: dict[str, list[Idle]] = defaultdict(list)
    for _ in range(lab.rounds):
        for name in lab.peers.names:
            found[name].append(await _idle(lab, name, first, everybody))
    each = {name: median(idle.process for idle in idles) for name, idles in found.items()}
    return [
        Table(
            f"Idle: from {first:,} to {everybody:,} subscribers",
            (
                "server",
                f"MB with {first:,}",
                "KB each beyond",
                "x ours",
                "slab KB each",
                "TCP buffers KB each",
            ),
            [
                (
                    name,
                    mb(median(idle.first for idle in idles)),
                    kb(each[name]),
                    times(each[name] / each[OURS]) if each[OURS] > 0 else "-",
                    kb(median(idle.slab for idle in idles)),
                    kb(median(idle.buffers for idle in idles)),
                )
                for name, idles in found.items()
            ],
            [Target("ours, KB per idle subscriber", each[OURS] / 1024, 1.6, " KB")],
            [
                f"medians of {lab.rounds} interleaved rounds; no permessage-deflate anywhere",
                "after an update to everybody and, for ours, a heartbeat to each and its answer",
                "slab (/proc/meminfo) and TCP buffers (/proc/net/sockstat): growth of the whole machine, "
                "both ends of each connection are in it",
            ],
        )
    ]


async def _idle(lab: Lab, name: str, first: int, everybody: int) -> Idle:
    async with lab.peers.start(name, SETTINGS) as server, lab.load(server) as load:
        await load.open(first)
        await load.deliver(server.update)
        await _settle(server)
        before, slab_before, buffers_before = resident_bytes(server.pids), *kernel_bytes()
        await load.open(everybody - first)
        await load.deliver(server.update)
        await _settle(server)
        after, slab_after, buffers_after = resident_bytes(server.pids), *kernel_bytes()
    more = everybody - first
    return Idle(
        first=before,
        process=(after - before) / more,
        slab=(slab_after - slab_before) / more,
        buffers=(buffers_after - buffers_before) / more,
    )


async def _settle(server: Server) -> None:
    await asyncio.sleep(SETTLE_SECONDS if server.name == OURS else 1)
