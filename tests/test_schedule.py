"""The jobs of the poller, without a bank and without Redis: when each source is asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from apscheduler.job import Job
from apscheduler.schedulers import base
from stage import Scheduled, until

from ticker.poll import schedule
from ticker.poll.schedule import Schedule
from ticker.rates.source import Source
from ticker.sources import SOURCES

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class Asked:
    """A source as the schedule sees it, and how often it was asked."""

    source: Source
    times: int = 0

    @property
    def interval_seconds(self) -> int:
        return self.source.interval_seconds


@dataclass
class Polls:
    """What the schedule calls."""

    ticks: int = 0
    plans: int = 0
    filled: list[tuple[Asked, int]] = field(default_factory=list)

    async def poll(self, asked: Any) -> None:
        asked.times += 1

    async def fill(self, asked: Any, days: int) -> None:
        self.filled.append((asked, days))

    async def tick(self) -> None:
        self.ticks += 1

    def replan(self) -> None:
        self.plans += 1

    @asynccontextmanager
    async def running(self, *asked: Any) -> AsyncIterator[Schedule]:
        made = Schedule(poll=self.poll, fill=self.fill, tick=self.tick, replan=self.replan)
        async with made.running(asked):
            yield made


@pytest.fixture
def polls() -> Polls:
    return Polls()


def job(scheduled: Scheduled, name: str) -> Job:
    return next(each for each in scheduled() if each.id == name)


def in_seconds(scheduled: Scheduled, name: str) -> float:
    """How far away a job is."""
    return float((job(scheduled, name).next_run_time - datetime.now(UTC)).total_seconds())


async def test_every_source_is_asked_at_the_start_by_its_interval_and_in_its_publishing_hours(
    polls: Polls, scheduled: Scheduled
) -> None:
    asked = [Asked(source) for source in SOURCES.values()]

    async with polls.running(*asked):
        await until(lambda: all(each.times for each in asked))
        jobs = {each.id: each for each in scheduled()}

    for source in SOURCES.values():
        plain, hours = jobs[source.key], jobs[f"{source.key}:publishing hours"]
        assert plain.trigger.interval == timedelta(seconds=source.interval_seconds)
        assert plain.trigger.jitter < source.interval_seconds
        assert str(hours.trigger.timezone) == source.timezone
        assert hours.trigger.jitter <= 60
        assert (f"{source.key}:new day" in jobs) is source.by_day
        for each in (plain, hours):
            assert (each.coalesce, each.max_instances, each.misfire_grace_time) == (True, 1, None)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_week_days_have_names(source: Source) -> None:
    assert re.fullmatch(r"[a-z]{3}-[a-z]{3}", source.schedule.day_of_week)


async def test_the_publishing_hours_are_the_banks_own(polls: Polls, scheduled: Scheduled) -> None:
    async with polls.running(Asked(SOURCES["nbkr"])):
        trigger = job(scheduled, "nbkr:publishing hours").trigger

    trigger.jitter = None
    # Friday, 16:31 in Bishkek: the next is on Monday.
    at = datetime(2026, 5, 22, 10, 31, tzinfo=UTC)
    fires = []
    for _ in range(7):
        at = trigger.get_next_fire_time(at, at)
        fires.append(at.astimezone(UTC).strftime("%a %H:%M"))
    assert fires == [
        "Mon 08:00",
        "Mon 08:30",
        "Mon 09:00",
        "Mon 09:30",
        "Mon 10:00",
        "Mon 10:30",
        "Tue 08:00",
    ]


async def test_a_bank_that_is_asked_by_day_is_asked_for_the_new_one_after_its_midnight(
    polls: Polls, scheduled: Scheduled
) -> None:
    async with polls.running(Asked(SOURCES["nbt"])):
        trigger = job(scheduled, "nbt:new day").trigger

    trigger.jitter = None
    noon = datetime(2026, 5, 19, 7, tzinfo=UTC)
    assert trigger.get_next_fire_time(None, noon) == datetime(2026, 5, 19, 19, 2, tzinfo=UTC)


async def test_a_later_poll_for_the_same_reason_takes_the_place_of_the_earlier(
    polls: Polls, scheduled: Scheduled
) -> None:
    asked: Any = Asked(SOURCES["nbkr"])

    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        made.poll_in(asked, 5 * MINUTE, why="retry")
        made.poll_in(asked, 7 * MINUTE, why="retry")
        made.poll_in(asked, 9 * MINUTE, why="due")
        retries = [each.id for each in scheduled() if each.id.endswith(":retry")]
        delay = in_seconds(scheduled, "nbkr:retry")
        soonest = made.next_poll(asked)
        made.drop(asked, why="retry")
        made.drop(asked, why="retry")  # once more is no fault
        left = {each.id for each in scheduled()}
        later = made.next_poll(asked)

    assert retries == ["nbkr:retry"]
    assert 415 < delay <= 420
    assert soonest
    assert later
    assert soonest < later
    assert left == {"nbkr", "nbkr:publishing hours", "nbkr:due"}


async def test_an_archive_is_asked_at_once(polls: Polls) -> None:
    asked: Any = Asked(SOURCES["nbkr"])

    async with polls.running(asked) as made:
        made.fill_soon(asked, 40)
        await until(lambda: polls.filled)

    assert polls.filled == [(asked, 40)]


async def test_it_ticks_until_the_end(polls: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "TICK_SECONDS", 0.01)

    async with polls.running():
        await until(lambda: polls.ticks > 3)
    ticks = polls.ticks
    await asyncio.sleep(0.05)

    assert polls.ticks == ticks


# The clock steps.


@dataclass
class Wall:
    """A wall clock that a test moves; stands in for `datetime`, where only now() is asked for."""

    ahead: timedelta = timedelta(0)

    def now(self, zone: tzinfo | None = UTC) -> datetime:
        return datetime.now(zone) + self.ahead


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    monkeypatch.setattr(schedule, "TICK_SECONDS", 0.01)
    wall = Wall()
    monkeypatch.setattr(schedule, "wall", wall.now)
    monkeypatch.setattr(base, "datetime", wall)
    return wall


@pytest.mark.parametrize("step", [HOUR, 3 * DAY, 400 * DAY])
async def test_a_clock_that_steps_back_is_no_pause_and_no_burst(
    step: timedelta, polls: Polls, scheduled: Scheduled, wall: Wall
) -> None:
    asked: Any = Asked(replace(SOURCES["nbk"], interval_seconds=600))

    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        made.poll_in(asked, 5 * MINUTE, why="retry")
        wall.ahead -= step
        await until(lambda: polls.plans)
        await asyncio.sleep(0.05)
        plain, retry = (job(scheduled, name).next_run_time - wall.now() for name in ("nbk", "nbk:retry"))
        count = asked.times

    assert 8 * MINUTE < plain <= 11 * MINUTE
    assert 4 * MINUTE < retry <= 5 * MINUTE
    assert (count, polls.plans) == (1, 1)


async def test_what_is_planned_by_the_hour_is_planned_anew_when_the_clock_stepped_back(
    polls: Polls, scheduled: Scheduled, wall: Wall
) -> None:
    async with polls.running(Asked(SOURCES["nbk"])):
        wall.ahead -= 40 * DAY
        await until(lambda: polls.plans)
        new_day, now = job(scheduled, "nbk:new day").next_run_time, wall.now()

    assert timedelta(0) <= new_day - now <= DAY + MINUTE


async def test_a_clock_that_steps_forward_does_once_what_it_passed(
    polls: Polls, scheduled: Scheduled, wall: Wall
) -> None:
    asked: Any = Asked(replace(SOURCES["nbkr"], interval_seconds=600))

    async with polls.running(asked):
        await until(lambda: asked.times)
        wall.ahead += DAY  # 144 times the interval
        await until(lambda: asked.times > 1)
        await asyncio.sleep(0.05)
        soonest = job(scheduled, "nbkr").next_run_time - wall.now()

    assert asked.times <= 3  # the publishing hours, which it may have passed, are a job of their own
    assert timedelta(0) < soonest <= 11 * MINUTE


async def test_a_clock_that_is_slewed_has_not_stepped(polls: Polls, wall: Wall) -> None:
    async with polls.running():
        for _ in range(20):
            wall.ahead -= timedelta(milliseconds=500)
            ticks = polls.ticks
            await until(lambda ticks=ticks: polls.ticks > ticks)

    assert polls.plans == 0
