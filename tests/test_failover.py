"""Fail-overs of real servers under 200 readers: nobody sees a repeat, a step back or an old end."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import Server, cluster, owner, server, until, watched
from tools.chaos.rounds import Report, crowded
from tools.chaos.world import BACK_SECONDS, STREAM, World, entries, world

from ticker.rates.model import Cursor

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(600)]

READERS = 200
UPDATES_PER_SECOND = 5.0
BEFORE_SECONDS, AFTER_SECONDS = 3.0, 5.0
"""How long the readers are told publications before the fail-over, and after it."""
PROMOTED_SECONDS = 120.0
"""Usual are 4 to 8."""
TOLD_SECONDS = 60.0
"""How long after the promotion every reader has a publication of the new master; promised are 15."""
LOSS_SECONDS = 1.0
"""How long the replicas are cut off before the master is killed."""
KEPT = {"appendonly": "yes"}
"""What a dead master had told can be read from its file."""


@dataclass
class Failover:
    """One fail-over: who was master, what befell it, and when another one was promoted."""

    servers: list[Server]
    old: Server
    folder: Path
    how: str
    promoted_at: float = 0.0
    lost: int = 0
    """Publications that the new master never got."""

    async def befall(self, place: World, plan: Callable[[], Awaitable[object]]) -> None:
        """Publications, the end of the master, more publications; `plan` begins a planned fail-over."""
        replicas = [each for each in self.servers if (await each.tell("ROLE"))[0] == "slave"]
        await asyncio.sleep(BEFORE_SECONDS)
        epoch, began = await newest_epoch(self.old), time.monotonic()
        await self._end(plan)
        new: Server = await until(lambda: _master(replicas), PROMOTED_SECONDS, "nobody was promoted")
        self.promoted_at = time.monotonic()
        await until(lambda: _is_past(new, epoch), TOLD_SECONDS, "the new master got no publication")
        told, had = await self._rows(), dict(await _stream(new))
        self.lost = sum(entry not in had for entry, _ in told)
        place.truth.add(told)
        if self.old.is_stopped:
            self.old.go_on()
            await until(lambda: _is_replica(self.old), PROMOTED_SECONDS, "the old master stays one")
        await asyncio.sleep(AFTER_SECONDS)
        place.outages.append((began, time.monotonic() + BACK_SECONDS))

    async def _end(self, plan: Callable[[], Awaitable[object]]) -> None:
        match self.how:
            case "killed":
                self.old.kill()
            case "killed, with a loss":
                # Who is connected stays so, but no replica comes back.
                await self.old.tell("CONFIG", "SET", "requirepass", "secret")
                self.old.password = "secret"
                await self.old.tell("CLIENT", "KILL", "TYPE", "replica")
                await asyncio.sleep(LOSS_SECONDS)
                self.old.kill()
            case "stopped":
                self.old.stop()
            case "planned":
                await plan()

    async def _rows(self) -> list[tuple[str, str]]:
        """What the old master's stream held when it ended."""
        if self.how == "planned":
            return entries(await _stream(self.old))
        copy = self.folder / "copy"
        await asyncio.to_thread(shutil.copytree, self.old.folder / "appendonlydir", copy / "appendonlydir")
        async with server(copy, **KEPT) as found:
            return entries(await _stream(found))


async def _stream(found: Server) -> list[tuple[str, dict[str, str]]]:
    rows: list[tuple[str, dict[str, str]]] = await found.tell("XRANGE", STREAM, "-", "+")
    return rows


async def newest_epoch(found: Server) -> int:
    return Cursor.parse((await _stream(found))[-1][0]).epoch


async def _master(replicas: list[Server]) -> Server | None:
    for each in replicas:
        if (await each.tell("ROLE"))[0] == "master":
            return each
    return None


async def _is_past(found: Server, epoch: int) -> bool:
    return await newest_epoch(found) > epoch


async def _is_replica(found: Server) -> bool:
    return bool((await found.tell("ROLE"))[0] == "slave")


def told_within(report: Report, failover: Failover, place: World) -> list[float]:
    """How many seconds after the promotion each reader was told something of the new master's epoch."""
    epoch = place.truth.last.epoch
    return sorted(heard[epoch] - failover.promoted_at for heard in report.heard if epoch in heard)


async def judge(
    servers: list[Server],
    old: Server,
    folder: Path,
    how: str,
    url: str,
    plan: Callable[[], Awaitable[object]],
) -> None:
    seed = int(os.environ.get("TICKER_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    failover = Failover(servers, old, folder, how)
    async with world(random.Random(seed), workers=2, url=url, updates=UPDATES_PER_SECOND) as place:
        before = place.truth.last.epoch
        report = await crowded(
            place, random.Random(seed), lambda: failover.befall(place, plan), readers=READERS
        )
    told = told_within(report, failover, place)
    print(
        f"TICKER_CHAOS_SEED={seed} {how}: {failover.lost} publications lost; {report}; "
        f"seconds from the promotion to the first publication: {told[0]:.1f} (first reader), "
        f"{told[len(told) // 2]:.1f} (median), {told[-1]:.1f} (last)"
    )

    assert report.faults == [], f"TICKER_CHAOS_SEED={seed}"
    assert place.truth.last.epoch > before
    assert len(told) == READERS
    assert told[-1] < TOLD_SECONDS
    if how == "killed, with a loss":
        assert failover.lost > 0


@pytest.mark.parametrize("how", ["killed", "killed, with a loss", "stopped", "planned"])
async def test_a_fail_over_by_sentinels_is_followed(how: str, short_path: Path) -> None:
    async with watched(short_path, down_after=3, **KEPT) as found:
        await judge(
            found.servers,
            await found.master(),
            short_path,
            how,
            found.url,
            lambda: found.sentinels[0].tell("SENTINEL", "FAILOVER", "prices"),
        )


@pytest.mark.parametrize("how", ["killed", "killed, with a loss", "stopped"])
async def test_a_fail_over_in_a_cluster_is_followed(how: str, short_path: Path) -> None:
    async with cluster(short_path, replicas=True, node_timeout=5, **KEPT) as nodes:
        old = await owner(nodes, STREAM)
        other = next(each for each in nodes[:3] if each is not old)

        async def plan() -> None:
            raise AssertionError("none is planned")

        await judge(nodes, old, short_path, how, f"redis+cluster://{other.address}", plan)
