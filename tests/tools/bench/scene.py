"""The stage of the widget's benchmark: a browser, its pages, the real edge and Redis, and who publishes."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from redis.asyncio import Redis

from tests.tools.bench.chromium import Browser, Tab, chromium
from tests.tools.bench.machine import LOAD_CORE, SERVER_CORE, program, said
from tests.tools.bench.pages import site
from tests.tools.bench.peers import PLAIN, ROOT
from tests.tools.bench.servers import store_of
from ticker.embedded import embedded
from ticker.rates.model import NOWHERE, Pair, Quote
from ticker.store import Batch, Store

UPDATES_PER_SECOND = 5
LEASE_SECONDS = 6 * 3600
PAGE_CORE = SERVER_CORE
"""The browser has one core to itself; the edge, Redis and we share the other one."""

FIRST = {"KGS": "0.0114351", "KZT": "0.0019234", "TJS": "0.1067000", "UZS": "0.0000826", "TMT": "0.2857143"}
STEPS, MOST_AWAY = (0.001, 0.004), Decimal("0.03")
"""Shares of the price; every step changes digits that are shown, and one in twenty the direction."""

TEXT = """(document.querySelector('currency-ticker')?.shadowRoot.querySelector('[part~=track]')
  ?? document.querySelector('currency-board')?.shadowRoot?.querySelector('[part~=table]')
  ?? document.getElementById('line'))?.textContent ?? ''"""
FULL = f"({TEXT}).includes('TMT')"


@dataclass(frozen=True, slots=True)
class Scene:
    """A page, and what happens while it is watched."""

    name: str
    page: str
    quotes: int = 0
    """Quotes in each update; 0: no updates."""
    place: str = "in sight"
    """Or `scrolled away`, or `hidden`."""
    updates: int = UPDATES_PER_SECOND
    """Updates in a second, if there are any."""

    @property
    def has_line(self) -> bool:
        return self.page not in ("without", "carried", "listening")

    @property
    def changes(self) -> bool:
        """Whether a reader must see other words after a while."""
        return self.has_line and self.quotes > 0 and self.place == "in sight"


class Bank:
    """The poller's part: its quotes wander, and a reader sees each step."""

    def __init__(self, store: Store, lease: str) -> None:
        self._store = store
        self._lease = lease
        self._seen = NOWHERE
        self._dice = random.Random(6)
        self._prices = {symbol: Decimal(price) for symbol, price in FIRST.items()}
        self._ways = dict.fromkeys(FIRST, 1)
        self._turn = 0

    @classmethod
    async def elected(cls, store: Store) -> Bank:
        lease = await store.acquire("bench", seconds=LEASE_SECONDS, now_ms=_now_ms(), force=True)
        assert lease
        return cls(store, lease)

    async def publish(self, count: int) -> None:
        """Publish that many quotes, each symbol in its turn."""
        quotes = [self._next() for _ in range(count)]
        self._seen = await self._store.write(
            Batch(quotes=tuple(quotes)), lease=self._lease, seen=self._seen, now_ms=_now_ms()
        )

    def _next(self) -> Quote:
        code = list(FIRST)[self._turn % len(FIRST)]
        self._turn += 1
        first, before = Decimal(FIRST[code]), self._prices[code]
        if abs(before / first - 1) > MOST_AWAY:
            self._ways[code] = -1 if before > first else 1
        price = before * (1 + self._ways[code] * Decimal(self._dice.uniform(*STEPS)))
        self._prices[code] = price = price.quantize(Decimal("1e-9"))
        return Quote(
            symbol=Pair(code, "USD"),
            price=price,
            inverse=round(1 / price, 4),
            previous=first,
            change=price - first,
            change_percent=round((price / first - 1) * 100, 2) + 0,
            as_of=date(2026, 5, 22),
            source="nbkr",
            source_name="NBKR",
            status="live",
            published_at=datetime(2026, 5, 21, 10, 2, 11, tzinfo=UTC),
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """A browser, the pages, and who publishes."""

    browser: Browser
    pages: Mapping[str, str]
    bank: Bank
    server: str

    @asynccontextmanager
    async def updating(self, scene: Scene) -> AsyncIterator[None]:
        """The publications of a scene meanwhile."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._update(scene)) if scene.quotes else None
            try:
                yield
            finally:
                if work:
                    work.cancel()

    async def _update(self, scene: Scene) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            await self.bank.publish(scene.quotes)
            due += 1 / scene.updates
            await asyncio.sleep(due - clock())

    @asynccontextmanager
    async def shown(self, scene: Scene) -> AsyncIterator[Tab]:
        """The page of a scene, loaded, live, in its place and at rest."""
        async with self.browser.tab() as tab:
            await tab.open(self.pages[scene.page])
            if scene.has_line:
                await tab.until(FULL)
            if scene.place == "scrolled away":
                await tab.evaluate("scrollTo(0, 3000)")
            if scene.place != "hidden":
                yield tab
                return
            async with self.browser.tab():
                await tab.until("document.hidden")
                yield tab


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    async with embedded(folder / "redis") as redis, store_of(redis.url) as store:
        async with Redis.from_url(redis.url) as client:
            # The disk of the machine is not what is measured.
            await client.config_set("appendfsync", "no")
        bank = await Bank.elected(store)
        await bank.publish(len(FIRST))
        argument = json.dumps({"url": redis.url, "settings": PLAIN})
        command = (sys.executable, "-m", "tests.tools.bench.servers", "ours", argument)
        log = folder / "ours.log"
        async with program(*command, core=LOAD_CORE, log=log, folder=ROOT) as process:
            server = f"http://127.0.0.1:{(await said(process, log))[1]}/"
            async with site(server) as pages, chromium(folder / "chromium", core=PAGE_CORE) as browser:
                yield Stage(browser, pages, bank, server)
