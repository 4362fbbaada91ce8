"""A round: a crowd of readers, a storm, then calm, and the judgement of every reader's log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ticker.rates.model import Cursor, Pair

from .judge import Outage, Quote, Truth, faults
from .reader import Reader, Way
from .world import World

CALM_SECONDS = 60.0
"""How long the last reader may take to show what the board says."""
AFTER_SECONDS = 0.1
"""How long they are listened to then, as nothing more may come."""
REDIS = ("killed", "stopped", "flushed", "flushed, then stopped", "stopped for long", "spared")
WORKER = ("killed", "stopped", "ended", "killed")


class Place(Protocol):
    """What a crowd reads from."""

    symbols: tuple[Pair, ...]
    rises: bool
    """Whether every word about a symbol has a higher figure, and nothing is ever late."""
    truth: Truth
    outages: list[Outage]
    speaks: bool
    misleads: bool
    """Whether a reader may show `stale` in the end, although the board does not."""

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it can be read."""

    @property
    def quotes(self) -> dict[str, Quote]:
        """What every reader has to show in the end."""

    async def settled(self) -> None:
        """Wait until all is well, and the truth is known."""


@dataclass(slots=True)
class Report:
    """What came of a round; `faults` are the sentences."""

    faults: list[str] = field(default_factory=list)
    frames: int = 0
    snapshots: int = 0
    connections: int = 0
    resumed: int = 0
    refusals: int = 0
    shown: dict[tuple[object, ...], Quote] = field(default_factory=dict)
    """Every quote that a reader was told, once for all with the same figures."""
    heard: list[dict[int, float]] = field(default_factory=list)
    """When each reader was first told something of an epoch, by the steady clock."""

    def __str__(self) -> str:
        return (
            f"{self.frames} frames ({self.snapshots} snapshots), {self.connections} connections "
            f"({self.resumed} resumed), {self.refusals} refused, {len(self.faults)} faults"
        )


@dataclass(frozen=True, slots=True)
class Storm:
    """What befalls Redis, and one of the workers, within so many seconds."""

    redis: str
    worker: str
    seconds: float

    def __str__(self) -> str:
        return f"redis {self.redis}, a worker {self.worker}"


def storms(dice: random.Random, rounds: int, seconds: float) -> list[Storm]:
    """Storms in which everything comes as often as everything else, in any order."""
    decks = (_shuffled(dice, REDIS, rounds), _shuffled(dice, WORKER, rounds))
    return [Storm(redis, worker, seconds) for redis, worker in zip(*decks, strict=True)]


def _shuffled(dice: random.Random, cards: Sequence[str], count: int) -> list[str]:
    deck: list[str] = []
    while len(deck) < count:
        deck += dice.sample(cards, len(cards))
    return deck[:count]


async def play(world: World, dice: random.Random, storm: Storm, *, readers: int) -> Report:
    """One round: a crowd, a storm, calm."""

    async def befall() -> None:
        await asyncio.gather(
            asyncio.sleep(storm.seconds),
            _befall_redis(world, dice, storm),
            _befall_worker(world, dice, storm),
        )

    return await crowded(world, dice, befall, readers=readers, resumes=True)


async def crowded(
    world: Place,
    dice: random.Random,
    befall: Callable[[], Awaitable[None]],
    *,
    readers: int,
    resumes: bool = False,
) -> Report:
    """
    What a crowd is told while something befalls the world, and in the calm after that.

    With `resumes` the calm waits until a reader has come back, which may take longer than a storm.
    """
    calm = asyncio.Event()
    crowd = [_reader(world, random.Random(dice.random())) for _ in range(readers)]
    report = Report()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reader.live(calm)) for reader in crowd]
        world.speaks = True
        await befall()
        if resumes:
            await _resumed(crowd)
        world.speaks = False
        calm.set()
        await world.settled()
        report.faults += await _settle(world, crowd)
        await asyncio.sleep(AFTER_SECONDS)
        for task in tasks:
            task.cancel()
    for number, reader in enumerate(crowd):
        _judge(world, number, reader, report)
    return report


def _reader(world: Place, dice: random.Random) -> Reader:
    way: Way = "events" if dice.random() < 0.2 else "stream"
    names = tuple(map(str, world.symbols))
    return Reader(world.ports, names, dice, way=way, stalls=dice.random() < 0.2)


async def _resumed(crowd: list[Reader]) -> None:
    """Wait until a reader has come back with its cursor, for as long as is given to a calm."""
    loop = asyncio.get_running_loop()
    end = loop.time() + CALM_SECONDS
    while loop.time() < end and not any(each.cursor for reader in crowd for each in reader.log):
        await asyncio.sleep(0.02)


async def _settle(world: Place, crowd: list[Reader]) -> list[str]:
    """Wait until everybody shows the board's exact state; who does not, in words."""
    loop = asyncio.get_running_loop()
    end = loop.time() + CALM_SECONDS
    while late := [
        number for number, reader in enumerate(crowd) if not reader.shows(world.quotes, misled=world.misleads)
    ]:
        if loop.time() > end:
            return [f"reader {number} does not show what the board says" for number in late]
        await asyncio.sleep(0.02)
    return []


def _judge(world: Place, number: int, reader: Reader, report: Report) -> None:
    report.frames += sum(len(each.told) for each in reader.log)
    report.snapshots += sum(told["type"] == "snapshot" for each in reader.log for _, told in each.told)
    report.connections += len(reader.log)
    report.resumed += sum(bool(each.cursor) for each in reader.log)
    report.refusals += reader.refusals
    report.heard.append(_epochs(reader))
    for connection in reader.log:
        quotes = (quote for _, told in connection.told for quote in told.get("quotes", ()))
        report.shown.update((_figures(quote), quote) for quote in quotes)
    found = faults(reader.log, world.truth, world.symbols, world.outages, rises=world.rises) + reader.odd
    report.faults += [f"reader {number}: {each}" for each in found]


def _figures(quote: Quote) -> tuple[object, ...]:
    following = quote.get("next") or {}
    names = ("symbol", "source", "as_of", "price", "previous", "change_percent")
    return *(quote.get(name) for name in names), following.get("as_of"), following.get("price")


def _epochs(reader: Reader) -> dict[int, float]:
    found: dict[int, float] = {}
    for connection in reader.log:
        for at, message in connection.told:
            if "cursor" in message:
                found.setdefault(Cursor.parse(message["cursor"]).epoch, at)
    return found


async def _befall_redis(world: World, dice: random.Random, storm: Storm) -> None:
    await asyncio.sleep(storm.seconds * dice.uniform(0.2, 0.6))
    short = storm.seconds * dice.uniform(0.1, 0.4)
    match storm.redis:
        case "killed":
            await world.redis_is_killed()
        case "stopped":
            await world.redis_is_stopped(short)
        case "stopped for long":
            # Longer than a command is waited for: whether it was carried out nobody knows, so it is
            # repeated, and where the bank fell silent with the very same figures.
            world.speaks = dice.random() < 0.5
            await world.redis_is_stopped(dice.uniform(2.1, 2.5))
        case "flushed":
            await world.redis_is_flushed()
        case "flushed, then stopped":
            await world.redis_is_flushed()
            await asyncio.sleep(dice.uniform(0, 0.02))
            await world.redis_is_stopped(short)


async def _befall_worker(world: World, dice: random.Random, storm: Storm) -> None:
    number = dice.randrange(world.size)
    await asyncio.sleep(storm.seconds * dice.uniform(0.05, 0.35))
    match storm.worker:
        case "killed":
            world.worker_is_killed(number)
        case "ended":
            world.worker_is_ended(number)
        case "stopped":
            await world.worker_is_stopped(number, storm.seconds * dice.uniform(0.1, 0.5))
