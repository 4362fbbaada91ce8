"""When each source is asked, without a bank and without Redis; the wall clock is a test's."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.schedulers import base
from stage import until

from ticker.poll import schedule
from ticker.poll.schedule import Hours, Schedule
from ticker.rates.source import Source
from ticker.sources import SOURCES

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(eq=False)
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

    filled: list[tuple[Asked, int]] = field(default_factory=list)

    async def poll(self, asked: Any) -> None:
        asked.times += 1

    async def fill(self, asked: Any, days: int) -> None:
        self.filled.append((asked, days))

    @asynccontextmanager
    async def running(self, *asked: Any) -> AsyncIterator[Schedule]:
        made = Schedule(poll=self.poll, fill=self.fill)
        async with made.running(asked):
            yield made


@pytest.fixture
def polls() -> Polls:
    return Polls()


async def test_every_source_is_asked_at_the_start_by_its_interval_and_in_its_publishing_hours(
    polls: Polls,
) -> None:
    asked = [Asked(source) for source in SOURCES.values()]

    async with polls.running(*asked) as made:
        await until(lambda: all(each.times for each in asked))
        plans, now = {each.source.key: made.plans(each) for each in asked}, schedule.wall()  # type: ignore[arg-type]

    for source in SOURCES.values():
        told = plans[source.key]
        interval = timedelta(seconds=source.interval_seconds)
        assert interval - MINUTE < told["interval"] - now < interval + MINUTE
        assert ("new day" in told) is source.by_day
        assert told["publishing hours"] > now


async def test_a_poll_that_ends_during_the_shutdown_begins_nothing_more(polls: Polls) -> None:
    asked, ends = Asked(SOURCES["nbkr"]), asyncio.Event()

    async def slow(asked: Any) -> None:
        asked.times += 1
        await ends.wait()
        made.poll_in(asked, 0, why="retry")
        made.fill_soon(asked, 30)

    polls.poll = slow  # type: ignore[method-assign]
    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        asyncio.get_running_loop().call_later(0.01, ends.set)
    await asyncio.sleep(0.05)

    assert (asked.times, polls.filled, made.plans(asked)) == (1, [], {})  # type: ignore[arg-type]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_week_days_have_names(source: Source) -> None:
    assert re.fullmatch(r"[a-z]{3}-[a-z]{3}", source.schedule.day_of_week)


# The banks' hours.


def fires(hours: Hours, at: datetime, count: int, *, zone: tzinfo = UTC) -> list[str]:
    found, before = [], None
    for _ in range(count):
        before = hours.get_next_fire_time(before, at)
        assert before
        found.append(before.astimezone(zone).strftime("%a %d %H:%M"))
    return found


async def test_the_publishing_hours_are_the_banks_own(polls: Polls) -> None:
    hours = SOURCES["nbkr"].schedule
    line = Hours(
        zone=ZoneInfo("Asia/Bishkek"), minute=hours.minute, hour=hours.hour, day_of_week=hours.day_of_week
    )

    # Friday, 16:31 in Bishkek: the next is on Monday.
    assert fires(line, datetime(2026, 5, 22, 10, 31, tzinfo=UTC), 7) == [
        "Mon 25 08:00",
        "Mon 25 08:30",
        "Mon 25 09:00",
        "Mon 25 09:30",
        "Mon 25 10:00",
        "Mon 25 10:30",
        "Tue 26 08:00",
    ]


@pytest.mark.parametrize(
    ("zone", "night"),
    [
        # Clocks change at midnight in Cairo and in Havana: there is no 00:02, or in autumn there are two.
        ("Africa/Cairo", datetime(2026, 4, 22, 12, tzinfo=UTC)),
        ("Africa/Cairo", datetime(2026, 10, 28, 12, tzinfo=UTC)),
        ("America/Havana", datetime(2026, 3, 6, 12, tzinfo=UTC)),
        ("America/Havana", datetime(2026, 10, 30, 12, tzinfo=UTC)),
        ("Asia/Tashkent", datetime(2026, 3, 6, 12, tzinfo=UTC)),
    ],
)
def test_the_new_day_is_asked_for_on_every_night_also_when_clocks_change(zone: str, night: datetime) -> None:
    line = Hours(zone=ZoneInfo(zone), hour="0", minute="2")

    found, at = [], night
    for _ in range(5):
        moment = line.get_next_fire_time(None, at)
        assert moment
        found.append(moment.astimezone(ZoneInfo(zone)).date())
        at = moment.astimezone(UTC) + timedelta.resolution

    assert found == [found[0] + DAY * ahead for ahead in range(5)]


def test_an_hour_that_comes_twice_is_asked_in_once() -> None:
    line = Hours(zone=ZoneInfo("America/Havana"), hour="0-1", minute="*/30")

    # On 1 November 2026 the clocks in Havana go back from 01:00 to 00:00, which is 05:00 UTC.
    assert fires(line, datetime(2026, 11, 1, 3, 50, tzinfo=UTC), 5) == [
        "Sun 01 04:00",
        "Sun 01 04:30",
        "Sun 01 06:00",
        "Sun 01 06:30",
        "Mon 02 05:00",
    ]


def test_missed_moments_are_not_listed() -> None:
    line = Hours(zone=ZoneInfo("UTC"), minute="*/30")
    then, now = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, 0, 10, tzinfo=UTC)

    assert line.get_next_fire_time(then, now) == datetime(2026, 7, 1, 0, 30, tzinfo=UTC)


def test_a_moment_that_is_now_does_not_come_twice() -> None:
    line = Hours(zone=ZoneInfo("UTC"), minute="*/30")
    now = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)

    assert line.get_next_fire_time(None, now) == now
    assert line.get_next_fire_time(now, now) == now + 30 * MINUTE


# Delays.


async def test_a_later_poll_for_the_same_reason_takes_the_place_of_the_earlier(polls: Polls) -> None:
    asked: Any = Asked(SOURCES["nbkr"])

    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        made.poll_in(asked, 300, why="retry")
        made.poll_in(asked, 420, why="retry")
        made.poll_in(asked, 540, why="due")
        plans, now = made.plans(asked), schedule.wall()
        soonest = made.next_poll(asked)
        made.drop(asked, why="retry")
        made.drop(asked, why="retry")  # once more is no fault
        left = made.plans(asked)

    assert plans.keys() == {"interval", "publishing hours", "retry", "due"}
    assert 7 * MINUTE - timedelta(seconds=5) < plans["retry"] - now <= 7 * MINUTE
    assert soonest
    assert soonest - plans["retry"] < timedelta(seconds=1)
    assert left.keys() == {"interval", "publishing hours", "due"}


async def test_a_poll_comes_when_its_delay_is_over(polls: Polls) -> None:
    asked: Any = Asked(SOURCES["nbkr"])

    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        made.poll_in(asked, 0.05, why="retry")
        await until(lambda: asked.times == 2)
        assert "retry" not in made.plans(asked)


async def test_an_archive_is_asked_at_once(polls: Polls) -> None:
    asked: Any = Asked(SOURCES["nbkr"])

    async with polls.running(asked) as made:
        made.fill_soon(asked, 40)
        await until(lambda: polls.filled)

    assert polls.filled == [(asked, 40)]


async def test_nothing_is_asked_after_the_end(polls: Polls) -> None:
    asked: Any = Asked(SOURCES["nbkr"])

    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        made.poll_in(asked, 0.05, why="retry")
    await asyncio.sleep(0.2)

    assert asked.times == 1


# The clock steps.


@dataclass
class Wall:
    """A wall clock that a test moves; stands in for `datetime`, where only now() is asked for."""

    ahead: timedelta = timedelta(0)

    def now(self, zone: tzinfo | None = UTC) -> datetime:
        return datetime.now(zone) + self.ahead


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(schedule, "wall", wall.now)
    monkeypatch.setattr(base, "datetime", wall)
    monkeypatch.setattr(schedule, "SPREAD_SECONDS", 0)
    return wall


@pytest.mark.parametrize("step", [timedelta(seconds=40), HOUR, 3 * DAY, 400 * DAY])
async def test_a_clock_that_steps_back_is_no_pause_and_no_burst(
    step: timedelta, polls: Polls, wall: Wall
) -> None:
    asked: Any = Asked(replace(SOURCES["nbk"], interval_seconds=600))

    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        made.poll_in(asked, 300, why="retry")
        wall.ahead -= step
        made.stepped(-step)
        await asyncio.sleep(0.05)
        plans, now, count = made.plans(asked), wall.now(), asked.times

    assert 9 * MINUTE < plans["interval"] - now <= 11 * MINUTE
    assert 4 * MINUTE < plans["retry"] - now <= 5 * MINUTE
    assert timedelta(0) <= plans["new day"] - now <= DAY
    assert count == 1


@pytest.mark.parametrize("step", [HOUR, 3 * DAY, 183 * DAY])
async def test_a_clock_that_steps_forward_does_once_what_it_passed(
    step: timedelta, polls: Polls, wall: Wall
) -> None:
    asked: Any = Asked(replace(SOURCES["nbkr"], interval_seconds=600))

    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        made.poll_in(asked, 300, why="retry")
        wall.ahead += step
        before = time.process_time()
        made.stepped(step)
        await until(lambda: asked.times > 1)
        await asyncio.sleep(0.05)
        spent, plans, now = time.process_time() - before, made.plans(asked), wall.now()

    assert asked.times <= 4  # the interval, the retry, and the publishing hours that it passed
    assert plans.keys() == {"interval", "publishing hours"}
    assert all(timedelta(0) < at - now <= 4 * DAY for at in plans.values())
    assert spent < 0.5


async def test_a_long_step_that_nobody_has_noticed_yet_lists_no_missed_moments(
    polls: Polls, wall: Wall
) -> None:
    asked: Any = Asked(replace(SOURCES["nbkr"], interval_seconds=600))

    async with polls.running(asked) as made:
        await until(lambda: asked.times)
        wall.ahead += 4000 * DAY
        before = time.process_time()
        made._scheduler.wakeup()
        await until(lambda: asked.times > 1)
        spent = time.process_time() - before

    assert asked.times == 2
    assert spent < 0.5
