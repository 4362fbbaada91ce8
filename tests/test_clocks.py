"""
A real service whose wall clock is set while it runs: no pause, no burst, no growth, no wrong figure.

The service runs with a preloaded object that moves its clock. The banks' clock is the true one, unless a
test moves both, as when a machine slept.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from services import Service, compiled_clock, on_clock, running, set_ahead
from stage import until

from ticker.demo import Banks

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(240)]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOTHING = timedelta(0)
WEDNESDAY = datetime(2026, 9, 16, 7, tzinfo=UTC)
"""Noon in the banks' countries, and all of them have published."""
BANKS = ("KGS/USD", "KZT/USD", "TJS/USD", "UZS/USD")
LONGEST_BLOCK = 2.0
"""Seconds. Usual are 0.01 to 0.05; with half a year of missed seconds it was 25 (2026-11)."""

# Beside the service, a thread asks its loop every 5 ms for a sign of life, and writes down the longest wait.
WATCHED = """
import asyncio, sys, threading, time
from pathlib import Path
from ticker import app, cli

file = Path(sys.argv.pop())
serve = app.serve

def watch(loop):
    longest = 0.0
    while True:
        sign, began = threading.Event(), time.monotonic()
        loop.call_soon_threadsafe(sign.set)
        sign.wait()
        if time.monotonic() - began > longest:
            longest = time.monotonic() - began
            file.write_text(str(longest))
        time.sleep(0.005)

async def watched(*args, **others):
    threading.Thread(target=watch, args=(asyncio.get_running_loop(),), daemon=True).start()
    await serve(*args, **others)

app.serve = watched
sys.exit(cli.main())
"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The object that moves a process's clock, compiled."""
    return compiled_clock(tmp_path_factory.mktemp("native"))


@dataclass
class Moved:
    """A service, its clock, and the banks that it asks."""

    folder: Path
    start: datetime
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    ahead: timedelta = NOTHING
    """How far the service's clock is ahead of the banks'."""
    slept: timedelta = NOTHING
    """How far both are ahead of where they would be."""
    asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When each source was asked, on the monotonic clock."""
    service: Service = field(init=False)

    def true_now(self) -> datetime:
        """What time it is at the banks."""
        return self.start + (datetime.now(UTC) - self.began) + self.slept

    def now(self) -> datetime:
        """What time it is at the service."""
        return self.true_now() + self.ahead

    def set_clock(self, ahead: timedelta, *, slept: timedelta = NOTHING) -> None:
        """Move the service's clock; `slept` moves the banks' too."""
        self.ahead, self.slept = ahead, slept
        set_ahead(self.folder / "ahead", self.now() - datetime.now(UTC))

    async def quotes(self) -> dict[str, dict[str, Any]]:
        """The quotes by symbol, without the moments at which they were published."""
        told = await self.service.quotes()
        return {symbol: {**quote, "published_at": ""} for symbol, quote in told.items()}

    async def statuses(self) -> set[str]:
        """The statuses of the four banks' quotes."""
        quotes = await self.quotes()
        return {quotes[symbol]["status"] if symbol in quotes else "" for symbol in BANKS}

    async def are(self, status: str) -> bool:
        return await self.statuses() == {status}

    async def is_settled(self) -> bool:
        """Whether every quote is live and its change known."""
        told = await self.quotes()
        quotes = [told[symbol] for symbol in BANKS if symbol in told]
        return len(quotes) == len(BANKS) and all(
            each["status"] == "live" and each["change"] is not None for each in quotes
        )

    async def polls_go_on(self, *, times: int = 3) -> None:
        """Wait until every source was asked so often from now on, a second after the other."""
        before = {key: len(moments) for key, moments in self.asked.items()}
        await until(
            lambda: all(len(self.asked[key]) >= count + times for key, count in before.items()), seconds=30
        )

    @property
    def longest_block(self) -> float:
        """The longest time that the service's loop gave no sign of life, in seconds."""
        return float((self.folder / "block").read_text())


@asynccontextmanager
async def service(
    shim: Path, *, start: datetime = WEDNESDAY, seconds: int = 1, days: int = 10, pause: float = 0.0
) -> AsyncIterator[Moved]:
    """A service that asks stand-in banks every so many seconds; its clock begins at `start`."""
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        folder = Path(path)
        moved = Moved(folder, start)
        moved.set_clock(NOTHING)
        environment = on_clock(shim, folder / "ahead")
        async with _banks(moved) as urls:
            arguments = _configured(folder, urls, seconds=seconds, days=days, pause=pause)
            async with running(
                folder, *arguments, f"{folder}/block", program=WATCHED, environment=environment
            ) as moved.service:
                yield moved


@asynccontextmanager
async def _banks(moved: Moved) -> AsyncIterator[dict[str, str]]:
    """Stand-ins with the banks' real habits, and a note of every request."""

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        moved.asked[request.path.split("/")[1]].append(time.monotonic())
        response: web.StreamResponse = await handler(request)
        return response

    banks = Banks(moved.true_now)
    banks._runner.app.middlewares.append(note)
    async with banks:
        yield banks.base_urls


def _configured(
    folder: Path, urls: dict[str, str], *, seconds: int, days: int, pause: float
) -> tuple[str, ...]:
    lines = [
        f"[server]\nport = 0\n[redis]\ndata_dir = '{folder}/data'",
        f"[history]\nbackfill_days = {days}\npause_seconds = {pause}",
        *(f"[sources.{key}]\nbase_url = '{url}'\ninterval_seconds = {seconds}" for key, url in urls.items()),
    ]
    (folder / "config.toml").write_text("\n".join(lines))
    return "serve", "--config", f"{folder}/config.toml"


SMALL = [timedelta(seconds=-40), -HOUR, HOUR]


async def test_a_small_step_is_no_pause_and_changes_nothing(shim: Path) -> None:
    async with service(shim) as moved:
        await until(moved.is_settled, seconds=60)
        before = await moved.quotes()
        for step in SMALL:
            moved.set_clock(step)
            await moved.polls_go_on()
            assert await moved.quotes() == before
            moved.set_clock(NOTHING)
            await moved.polls_go_on()
            assert await moved.quotes() == before

        assert moved.longest_block < LONGEST_BLOCK


@pytest.mark.parametrize("step", [3 * DAY, 30 * DAY, 183 * DAY])
async def test_a_clock_that_is_ahead_makes_quotes_late_and_no_more(step: timedelta, shim: Path) -> None:
    async with service(shim) as moved:
        await until(moved.is_settled, seconds=60)
        before, memory = await moved.quotes(), moved.service.memory
        moved.set_clock(step)
        await until(lambda: moved.are("stale"), seconds=30)
        await moved.polls_go_on()
        late, block = await moved.quotes(), moved.longest_block
        moved.set_clock(NOTHING)
        await until(lambda: moved.are("live"), seconds=30)
        await moved.polls_go_on()
        after = await moved.quotes()

        for symbol in BANKS:
            assert late[symbol] == {**before[symbol], "status": "stale"}
        assert after == before
        assert block < LONGEST_BLOCK
        assert moved.service.memory - memory < 30


async def test_a_clock_that_is_two_days_behind_shows_the_rates_of_that_day(shim: Path) -> None:
    async with service(shim) as moved:
        await until(moved.is_settled, seconds=60)
        before = await moved.quotes()
        moved.set_clock(-2 * DAY)
        await until(lambda: _all_of(moved, "2026-09-15", below=True), seconds=30)
        await moved.polls_go_on()
        behind = await moved.quotes()
        moved.set_clock(NOTHING)
        await until(lambda: _all_of(moved, "2026-09-16"), seconds=30)
        await moved.polls_go_on()

        assert {behind[symbol]["status"] for symbol in BANKS} == {"live"}
        assert await moved.quotes() == before


async def _all_of(moved: Moved, day: str, *, below: bool = False) -> bool:
    quotes = await moved.quotes()
    days = [quotes[symbol]["as_of"] for symbol in BANKS if symbol in quotes]
    return all(each < day if below else each == day for each in days)


async def test_a_step_over_midnight_switches_to_the_next_rate_and_back(shim: Path) -> None:
    # Two minutes before midnight in Bishkek, and hours after every bank has published for the next day.
    async with service(shim, start=datetime(2026, 9, 16, 17, 58, tzinfo=UTC)) as moved:
        await until(lambda: _is(moved, "2026-09-16", following="2026-09-17"), seconds=30)
        before = await moved.quotes()
        moved.set_clock(5 * MINUTE)
        await until(lambda: _is(moved, "2026-09-17", following=None), seconds=30)
        moved.set_clock(NOTHING)
        await until(lambda: _is(moved, "2026-09-16", following="2026-09-17"), seconds=30)

        assert (await moved.quotes())["KGS/USD"] == before["KGS/USD"]


async def _is(moved: Moved, day: str, *, following: str | None) -> bool:
    quote = (await moved.quotes()).get("KGS/USD")
    return bool(quote) and (quote["as_of"], (quote["next"] or {}).get("as_of")) == (day, following)


async def test_after_a_machine_slept_its_bank_is_asked_before_another_source_speaks(shim: Path) -> None:
    async with service(shim, seconds=3600) as moved:
        await until(moved.is_settled, seconds=60)
        seen: set[str] = set()

        async def awake() -> bool:
            seen.update(await moved.statuses())
            return await _all_of(moved, "2026-09-17")

        moved.set_clock(NOTHING, slept=26 * HOUR)  # past the moment at which Wednesday's rate is late
        await until(awake, seconds=60)

        assert seen <= {"live", "stale"}
        assert await moved.statuses() == {"live"}


async def test_a_step_during_a_back_fill_leaves_the_history_as_it_is_without_one(shim: Path) -> None:
    """A clock set back by two days may ask for two days more; it never loses or changes one."""
    async with service(shim, days=20, pause=0.02) as moved, service(shim, days=22) as other:
        for step in (-2 * DAY, 30 * DAY, NOTHING, 3 * DAY, NOTHING):
            moved.set_clock(step)
            await asyncio.sleep(0.4)
        await until(lambda: _is_whole(moved), seconds=60)
        await until(lambda: _is_whole(other), seconds=60)

        first_day = (WEDNESDAY - 20 * DAY).date().isoformat()
        for symbol in ("KGS", "KZT", "TJS", "UZS"):
            mine, whole = await _history(moved, symbol), await _history(other, symbol)
            assert mine == whole[-len(mine) :]
            assert len(mine) >= sum(row["as_of"] >= first_day for row in whole)
        assert await moved.quotes() == await other.quotes()


async def _is_whole(moved: Moved) -> bool:
    """Whether every bank's history is filled, and every quote has its change."""
    sources = (await moved.service.get("v1/sources"))["sources"]
    filled = all(not each["history"] and not each["gaps"] for each in sources)
    return filled and await moved.is_settled()


async def _history(moved: Moved, symbol: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await moved.service.get(f"v1/history/{symbol}"))["fixings"]
    return rows
