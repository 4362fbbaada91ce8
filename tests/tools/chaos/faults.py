"""What can break: how it begins and ends, and what `/health` has to say meanwhile."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Literal

from tests.servers import Server

from .estate import LEASE_SECONDS, Estate, Unit, send
from .health import ANY, PASS, SILENT, Says
from .street import How

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTHING = timedelta(0)
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
TAKEN_OVER_SECONDS = LEASE_SECONDS + 5.0
"""When another process polls for sure: the lease has ended, and it has read the ledger."""
SILENT_SECONDS = 2 * LEASE_SECONDS + 2.0
"""When `/health` has noticed for sure that nobody writes."""
PROMOTED_SECONDS = 60.0
EARLY = 6
"""Among so many faults are those that take days of the recording."""
CLOCK_SECONDS = 12.0
"""When every process has looked at the clock for sure: it does so every ten seconds."""
NOBODY = rf"no process has (polled|written) since {TIME}"


class Fault(ABC):
    """One thing that breaks. An object is used once."""

    felt = 3.0
    """After so many seconds every service has to say what is broken."""
    holds = 3.5
    """For so many seconds more it stays broken."""
    hop: timedelta = 12 * HOUR
    """How much time passes as soon as it is broken: another midnight, or another morning of the banks."""
    misleads = False
    """
    Whether a reader may still show `stale` afterwards, although its quote is not late.

    A service with a wrong clock told it so, and it resumed at another one, which cannot know that.
    """
    ends_by_itself = False
    """Whether the services recover while it is still broken: then that is what is measured."""

    def __str__(self) -> str:
        words = "".join(
            f" {letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__
        )
        return words.strip()

    async def begin(self, estate: Estate) -> None:
        """Break it, and let time pass."""
        await self.breaks(estate)
        estate.hop(self.passes(estate))

    def passes(self, estate: Estate) -> timedelta:
        """How much time passes."""
        return min(self.hop, max(estate.left, NOTHING))

    async def last(self, estate: Estate) -> float:
        """Wait until it is over, or has been felt for long enough; until when it was broken for sure."""
        await asyncio.sleep(self.holds)
        return time.monotonic()

    @abstractmethod
    async def breaks(self, estate: Estate) -> None:
        """Break it."""

    @abstractmethod
    async def end(self, estate: Estate) -> None:
        """Mend it."""

    async def rest(self, estate: Estate) -> None:
        """Wait until the replica and the Sentinels are as before, too, which no service needs."""
        await estate.redis.whole()

    def says(self, estate: Estate) -> Mapping[str, Says]:
        """What each service has to answer, from `felt` until it is mended."""
        return dict.fromkeys(estate.units, PASS)


# The banks.


class ABankFails(Fault):
    """One central bank does not answer as it should."""

    WORDS: Mapping[How, str] = {
        "slow": "timed out",
        "cut off": "(can't connect|Server disconnected|.*onnection)",
        "500": "answered 500",
        "wrong bytes": ".+",
    }

    def __init__(self, key: str, how: How) -> None:
        self._key, self._how = key, how

    def __str__(self) -> str:
        return f"{self._key}: {self._how}"

    async def breaks(self, estate: Estate) -> None:
        estate.street.how[self._key] = self._how

    async def end(self, estate: Estate) -> None:
        estate.street.how.clear()

    def says(self, estate: Estate) -> Mapping[str, Says]:
        return dict.fromkeys(estate.units, Says("warn", f"{self._key}: {self.WORDS[self._how]}"))


class ABankStandsStill(Fault):
    """One central bank repeats its last answer for ever, until its quote is late."""

    felt = CLOCK_SECONDS

    def __init__(self, symbol: str, key: str) -> None:
        self._symbol, self._key = symbol, key

    def __str__(self) -> str:
        return f"{self._key}: stands still"

    async def breaks(self, estate: Estate) -> None:
        estate.street.how[self._key] = "stands still"

    def passes(self, estate: Estate) -> timedelta:
        return _due(estate, self._symbol) - estate.now() + HOUR / 2

    async def end(self, estate: Estate) -> None:
        estate.street.how.clear()

    def says(self, estate: Estate) -> Mapping[str, Says]:
        missed = rf"{self._key}: \d+ publications? missed|{self._symbol} is (fallback|stale)"
        return dict.fromkeys(estate.units, Says("warn", missed))


class ABankMisprints(Fault):
    """The som's bank publishes its next table tenfold, and later prints it anew."""

    def __str__(self) -> str:
        return "nbkr: tenfold"

    async def breaks(self, estate: Estate) -> None:
        estate.street.how["nbkr"] = "tenfold"

    def passes(self, estate: Estate) -> timedelta:
        # An hour after midnight in Bishkek there is a table that nobody has seen before.
        evening = estate.now().replace(hour=19, minute=0)
        return (evening if evening > estate.now() else evening + DAY) - estate.now()

    async def end(self, estate: Estate) -> None:
        estate.street.how.clear()

    def says(self, estate: Estate) -> Mapping[str, Says]:
        return dict.fromkeys(estate.units, Says("warn", r"nbkr: KGS/USD of \S+ is unconfirmed"))


class AllBanksAreCutOff(Fault):
    """No source answers, until every quote is late: the one fault that is a failure."""

    felt = CLOCK_SECONDS
    hop = 6 * DAY

    async def breaks(self, estate: Estate) -> None:
        estate.street.how = dict.fromkeys(estate.street.base_urls, "cut off")

    def passes(self, estate: Estate) -> timedelta:
        return self.hop

    async def end(self, estate: Estate) -> None:
        estate.street.how.clear()

    def says(self, estate: Estate) -> Mapping[str, Says]:
        return dict.fromkeys(estate.units, Says("fail", r"\w+/USD is stale"))


def _due(estate: Estate, symbol: str) -> datetime:
    return datetime.fromisoformat(estate.quotes[symbol]["due_at"])


# Redis.


class RedisRefusesWrites(Fault):
    """Redis answers, and takes nothing."""

    felt = SILENT_SECONDS
    HOW: Mapping[str, tuple[str, str, str]] = {
        "a replica is missing": (
            "CONFIG SET min-replicas-to-write 9",
            "CONFIG SET min-replicas-to-write 0",
            "NOREPLICAS",
        ),
        "its memory is full": (
            "CONFIG SET maxmemory 1",
            "CONFIG SET maxmemory 0",
            "(OOM )?command not allowed",
        ),
        "no right to run scripts": (
            "ACL SETUSER default -eval -evalsha",
            "ACL SETUSER default +eval +evalsha",
            "(NOPERM|.*no permissions)",
        ),
    }

    def __init__(self, why: str) -> None:
        self._why = why
        self._server: Server | None = None

    def __str__(self) -> str:
        return f"redis refuses writes: {self._why}"

    async def breaks(self, estate: Estate) -> None:
        self._server = await estate.master()
        await self._server.tell(*self.HOW[self._why][0].split())

    async def end(self, estate: Estate) -> None:
        assert self._server
        await self._server.tell(*self.HOW[self._why][1].split())

    def says(self, estate: Estate) -> Mapping[str, Says]:
        refused = rf"Redis has refused writes since {TIME}: {self.HOW[self._why][2]}|{NOBODY}"
        return dict.fromkeys(estate.units, Says("warn", refused))


class TheMasterIsLost(Fault):
    """The master is killed or stopped, and Sentinel promotes the replica. It comes back as a replica."""

    felt = 2.5
    ends_by_itself = True

    def __init__(self, how: str) -> None:
        self._how = how
        self._old: Server | None = None
        self._new: Server | None = None

    def __str__(self) -> str:
        return f"the master of redis is {self._how}"

    async def breaks(self, estate: Estate) -> None:
        self._old = await estate.master()
        if self._how == "killed":
            self._old.kill()
        else:
            self._old.stop()

    async def last(self, estate: Estate) -> float:
        assert self._old
        sure = asked = time.monotonic()
        while await estate.redis.is_master_to_all(self._old):
            sure, asked = asked, time.monotonic()
            await asyncio.sleep(0.05)
        self._new = await estate.redis.promoted(self._old, PROMOTED_SECONDS)
        return sure

    async def end(self, estate: Estate) -> None:
        assert self._old
        assert self._new
        if self._how == "killed":
            await self._old.start_again(f"replicaof 127.0.0.1 {self._new.port}")
        else:
            self._old.go_on()

    def says(self, estate: Estate) -> Mapping[str, Says]:
        gone = "redis: |Redis could not be written|stream: |no process has"
        return dict.fromkeys(estate.units, Says("warn", gone))


class AllOfRedisIsStopped(Fault):
    """Master and replica stand still, so nobody can be promoted."""

    felt = 5.0
    holds = 6.0

    async def breaks(self, estate: Estate) -> None:
        for server in estate.redis.servers:
            server.stop()

    async def end(self, estate: Estate) -> None:
        for server in estate.redis.servers:
            server.go_on()

    def says(self, estate: Estate) -> Mapping[str, Says]:
        return dict.fromkeys(estate.units, Says("warn", "redis: (timed out|no connection)"))


class AHelperIsLost(Fault):
    """The replica or a Sentinel is killed or stopped, which no service needs."""

    def __init__(self, who: Literal["replica", "sentinel"], how: str) -> None:
        self._who, self._how = who, how
        self._server: Server | None = None

    def __str__(self) -> str:
        return f"{'the' if self._who == 'replica' else 'a'} {self._who} is {self._how}"

    async def breaks(self, estate: Estate) -> None:
        master = await estate.master()
        replica = next(each for each in estate.redis.servers if each is not master)
        self._server = replica if self._who == "replica" else estate.redis.sentinels[-1]
        if self._how == "killed":
            self._server.kill()
        else:
            self._server.stop()

    async def end(self, estate: Estate) -> None:
        assert self._server
        if self._how == "killed":
            await self._server.start_again()
        else:
            self._server.go_on()


class RedisIsFlushed(Fault):
    """All keys are gone."""

    felt = 0.0
    holds = 0.0
    ends_by_itself = True

    async def breaks(self, estate: Estate) -> None:
        await (await estate.master()).tell("FLUSHALL")

    async def end(self, estate: Estate) -> None:
        """Nothing is to be mended."""

    def says(self, estate: Estate) -> Mapping[str, Says]:
        return dict.fromkeys(estate.units, ANY)


# The services.


class AServiceIsKilled(Fault):
    """A service and its workers are gone, and it is started again later; the other one takes over."""

    felt = TAKEN_OVER_SECONDS

    def __init__(self, *, polls: bool) -> None:
        self._polls = polls
        self._unit: Unit | None = None

    def __str__(self) -> str:
        return f"the service that {'polls' if self._polls else 'stands by'} is killed"

    async def breaks(self, estate: Estate) -> None:
        self._unit = await (estate.poller() if self._polls else estate.idle())
        self._unit.end()

    async def end(self, estate: Estate) -> None:
        assert self._unit
        await self._unit.start(estate.clock)

    def says(self, estate: Estate) -> Mapping[str, Says]:
        return {name: SILENT if unit is self._unit else PASS for name, unit in estate.units.items()}


class AServiceStandsStill(Fault):
    """The process that polls, or the one that stands by, is stopped; if it has workers, they go on."""

    felt = TAKEN_OVER_SECONDS

    def __init__(self, *, polls: bool) -> None:
        self._polls = polls
        self._unit: Unit | None = None

    def __str__(self) -> str:
        return f"the service that {'polls' if self._polls else 'stands by'} is stopped"

    async def breaks(self, estate: Estate) -> None:
        self._unit = await (estate.poller() if self._polls else estate.idle())
        send(self._unit.pid, signal.SIGSTOP)

    async def end(self, estate: Estate) -> None:
        assert self._unit
        send(self._unit.pid, signal.SIGCONT)

    def says(self, estate: Estate) -> Mapping[str, Says]:
        stopped = [name for name, unit in estate.units.items() if unit is self._unit and unit.count == 1]
        return {name: SILENT if name in stopped else PASS for name in estate.units}


class NobodyPolls(Fault):
    """Both processes that could poll are stopped; the workers go on."""

    felt = SILENT_SECONDS

    async def breaks(self, estate: Estate) -> None:
        for unit in estate.units.values():
            send(unit.pid, signal.SIGSTOP)

    async def end(self, estate: Estate) -> None:
        for unit in estate.units.values():
            send(unit.pid, signal.SIGCONT)

    def says(self, estate: Estate) -> Mapping[str, Says]:
        told = Says("warn", NOBODY)
        return {name: SILENT if unit.count == 1 else told for name, unit in estate.units.items()}


class AWorkerIsKilled(Fault):
    """A worker is gone; its service starts another one."""

    felt = 8.0
    holds = 2.0

    async def breaks(self, estate: Estate) -> None:
        send(estate.units["big"].workers[0], signal.SIGKILL)

    async def end(self, estate: Estate) -> None:
        """The service mends it."""


class AWorkerStandsStill(Fault):
    """A worker is stopped; who is led to it by the kernel gets no answer."""

    def __init__(self) -> None:
        self._pid = 0

    async def breaks(self, estate: Estate) -> None:
        self._pid = estate.units["big"].workers[-1]
        send(self._pid, signal.SIGSTOP)

    async def end(self, estate: Estate) -> None:
        send(self._pid, signal.SIGCONT)

    def says(self, estate: Estate) -> Mapping[str, Says]:
        return {"big": ANY, "small": PASS}


# The clocks.


class AClockIsSet(Fault):
    """The clock of one service is wrong, and later right again."""

    felt = CLOCK_SECONDS
    hop = NOTHING

    def __init__(self, by: timedelta, *, polls: bool) -> None:
        self._by = by
        self._polls = polls
        self._unit: Unit | None = None
        self.misleads = by > DAY

    def __str__(self) -> str:
        who, hours = "polls" if self._polls else "stands by", self._by / HOUR
        return f"the clock of the service that {who} is set by {hours:+g} h"

    async def breaks(self, estate: Estate) -> None:
        self._unit = await (estate.poller() if self._polls else estate.idle())
        self._unit.off = self._by
        estate.set_clocks()

    async def end(self, estate: Estate) -> None:
        assert self._unit
        self._unit.off = NOTHING
        estate.set_clocks()

    def says(self, estate: Estate) -> Mapping[str, Says]:
        if self._by <= DAY:
            return super().says(estate)
        late = Says("fail", r"\w+/USD is stale")
        return {name: late if unit is self._unit else PASS for name, unit in estate.units.items()}


def short_deck() -> Iterator[Fault]:
    """One fault of each room, for the tests."""
    yield ABankFails("nbk", "500")
    yield RedisRefusesWrites("its memory is full")
    yield TheMasterIsLost("killed")
    yield AServiceIsKilled(polls=True)


def shuffled(dice: random.Random, goes_on: Callable[[], bool]) -> Iterator[Fault]:
    """Every fault in any order, again and again while it `goes_on`. What takes days comes once, and early."""
    long: list[Fault] = [ABankStandsStill("KGS/USD", "nbkr"), AllBanksAreCutOff(), ABankMisprints()]
    while goes_on():
        faults = list(deck())
        dice.shuffle(faults)
        early = [*faults[:EARLY], *long]
        dice.shuffle(early)
        long = []
        yield from takewhile(lambda _: goes_on(), [*early, *faults[EARLY:]])


def deck() -> Iterator[Fault]:
    """Every fault once that takes some hours of the recording at most."""
    yield ABankFails("nbkr", "slow")
    yield ABankFails("cbu", "cut off")
    yield ABankFails("nbk", "500")
    yield ABankFails("nbt", "wrong bytes")
    yield from (RedisRefusesWrites(why) for why in RedisRefusesWrites.HOW)
    yield TheMasterIsLost("killed")
    yield TheMasterIsLost("stopped")
    yield AllOfRedisIsStopped()
    for how in ("killed", "stopped"):
        yield AHelperIsLost("replica", how)
        yield AHelperIsLost("sentinel", how)
    yield RedisIsFlushed()
    for polls in (True, False):
        yield AServiceIsKilled(polls=polls)
        yield AServiceStandsStill(polls=polls)
        yield AClockIsSet(HOUR, polls=polls)
        yield AClockIsSet(-HOUR, polls=polls)
    yield AClockIsSet(30 * DAY, polls=False)
    yield NobodyPolls()
    yield AWorkerIsKilled()
    yield AWorkerStandsStill()
