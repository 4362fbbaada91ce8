"""The alarm rings at the moments of the desk's clock, and tells when that clock was set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from stage import LONG, PATIENCE, until

from ticker.poll import alarm
from ticker.poll.alarm import Alarm

NOON = datetime(2026, 5, 19, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass
class Set:
    """A clock that a test sets. It runs `speed` times as fast as the real one."""

    speed: float = 1.0
    ahead: timedelta = timedelta(0)
    began: float = field(default_factory=monotonic)

    def elapsed(self) -> float:
        return (monotonic() - self.began) * self.speed

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed()) + self.ahead


@dataclass
class Desk:
    """What the alarm asks and calls."""

    clock: Set
    moments: list[datetime] = field(default_factory=list)
    wait: float | None = None
    rings: list[datetime] = field(default_factory=list)
    steps: list[timedelta] = field(default_factory=list)
    fault: Exception | None = None

    def moment(self) -> datetime | None:
        return min((each for each in self.moments if each > self.clock.now()), default=None)

    def ring(self) -> None:
        self.rings.append(self.clock.now())
        self.wait = None
        if self.fault:
            raise self.fault

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Alarm]:
        made = Alarm(
            self.clock,
            moment=self.moment,
            wait=lambda: self.wait,
            ring=self.ring,
            stepped=self.steps.append,
        )
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            task.cancel()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    return lambda seconds: monkeypatch.setattr(alarm, "LOOK_SECONDS", seconds)


async def test_it_rings_at_every_moment_and_at_no_other_time() -> None:
    desk = Desk(Set(), moments=[NOON + 0.1 * SECOND, NOON + 0.3 * SECOND])

    async with desk.running():
        await until(lambda: len(desk.rings) == 2)
        await asyncio.sleep(0.1)

    assert len(desk.rings) == 2
    assert all(rung >= moment for rung, moment in zip(desk.rings, desk.moments, strict=True))
    assert desk.steps == []


async def test_a_moment_of_a_fast_clock_comes_in_real_time(looks: Callable[[float], None]) -> None:
    looks(LONG)
    desk = Desk(Set(speed=86400.0), moments=[NOON + timedelta(hours=12)])
    began = monotonic()

    async with desk.running():
        await until(lambda: desk.rings, PATIENCE)

    assert monotonic() - began > 0.4


async def test_news_may_bring_an_earlier_moment() -> None:
    desk = Desk(Set(), moments=[NOON + timedelta(hours=1)])

    async with desk.running() as made:
        await asyncio.sleep(0.05)
        desk.moments.append(desk.clock.now() + 0.1 * SECOND)
        made.news()
        await until(lambda: desk.rings)


async def test_it_rings_when_a_wait_is_over() -> None:
    desk = Desk(Set(), wait=0.1)

    async with desk.running():
        await until(lambda: desk.rings)

    assert desk.rings[0] - NOON >= 0.09 * SECOND


@pytest.mark.parametrize("step", [-40 * SECOND, timedelta(days=-2), 2 * SECOND, timedelta(days=183)])
async def test_a_step_of_the_clock_is_told_once_and_rings(
    step: timedelta, looks: Callable[[float], None]
) -> None:
    looks(0.05)
    desk = Desk(Set())

    async with desk.running():
        await asyncio.sleep(0.1)
        assert desk.rings == []
        desk.clock.ahead += step
        await until(lambda: desk.rings)
        await asyncio.sleep(0.1)

    assert len(desk.steps) == len(desk.rings) == 1
    assert abs(desk.steps[0] - step) < SECOND


async def test_a_moment_that_a_step_passed_is_not_forgotten(looks: Callable[[float], None]) -> None:
    looks(0.05)
    desk = Desk(Set(), moments=[NOON + timedelta(hours=1)])

    async with desk.running():
        await asyncio.sleep(0.1)
        desk.clock.ahead += timedelta(hours=2)
        await until(lambda: desk.rings)

    assert len(desk.rings) == 1


async def test_a_clock_that_is_slewed_has_not_stepped(looks: Callable[[float], None]) -> None:
    looks(0.02)
    desk = Desk(Set())

    async with desk.running():
        for _ in range(20):
            desk.clock.ahead -= 0.4 * SECOND
            await asyncio.sleep(0.03)

    assert desk.steps == []


async def test_the_clock_is_looked_at_while_news_keep_coming(looks: Callable[[float], None]) -> None:
    looks(0.05)
    desk = Desk(Set())

    async with desk.running() as made:
        desk.clock.ahead += timedelta(days=1)
        async with asyncio.timeout(PATIENCE):
            while not desk.steps:
                made.news()
                await asyncio.sleep(0.01)


async def test_a_fault_is_logged_once_and_it_goes_on(
    looks: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    looks(0.1)
    clock = Set()
    desk = Desk(
        clock, moments=[NOON + each * 0.1 * SECOND for each in range(1, 60)], fault=ZeroDivisionError("x")
    )

    async with desk.running():
        await until(lambda: len(desk.rings) > 3)
        desk.fault = None
        count = len(desk.rings)
        await until(lambda: len(desk.rings) > count)

    assert len([each for each in caplog.records if "could not be judged" in each.message]) == 1
