"""
What the ledger costs: Redis's growth in a year, the memory of its documents, a fold of five years, one post.

The sources' answers are made here, with as many rows as the banks' own have and about as many bytes; the
figures walk at random on working days. They go through the real parsers, desk, shelf, outbox and store.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.tools.bench.report import Table, Target, mb, ms
from ticker.config import Settings
from ticker.embedded import embedded
from ticker.fetch import Answer
from ticker.poll.current import CurrentDesk
from ticker.poll.outbox import Outbox
from ticker.poll.shelf import Shelf
from ticker.rates.desk import Desk
from ticker.rates.events import Entry
from ticker.rates.tables import tables_of
from ticker.records import decode_event, encode_event
from ticker.rules import new_desk
from ticker.sources import SOURCES
from ticker.store import Store

ONE_DAY = timedelta(days=1)
FIRST = date(2021, 1, 4)
OURS = {"USD": 1.0, "KGS": 87.45, "KZT": 475.1, "TJS": 9.34, "UZS": 12194.2, "TMT": 3.5}
"""Units for one dollar."""
ROWS = {
    "nbkr": 5,
    "nbk": 39,
    "nbt": 36,
    "cbu": 75,
    "cbt": 48,
    "cbr": 54,
    "fawazahmed0": 341,
    "floatrates": 149,
    "frankfurter": 10,
    "erapi": 160,
    "openexchangerates": 169,
}
DEFAULT = ("nbkr", "nbk", "nbt", "cbu", "cbr", "fawazahmed0", "frankfurter", "floatrates")
HOME = {"nbkr": "KGS", "nbk": "KZT", "nbt": "TJS", "cbu": "UZS", "cbt": "TMT", "cbr": "RUB"}


def codes(count: int, home: str) -> list[str]:
    """Our currencies, those that the aggregators are asked for, and others that no pair of ours has."""
    names = [code for code in (*OURS, "EUR", "RUB", "CNY", "TRY", "GBP") if code != home]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    others = (f"Z{one}{two}" for one in letters for two in letters)
    return [*names, *others][:count] if count > len(names) else names[:count]


class World:
    """Units of every currency for one dollar, which walk a little on each working day."""

    def __init__(self, seed: int = 1) -> None:
        self._dice = random.Random(seed)
        self.units: dict[str, float] = {}

    def walk(self) -> None:
        for code in codes(400, ""):
            start = OURS.get(code) or self.units.get(code) or self._dice.uniform(0.5, 300)
            step = 0 if code in ("USD", "TMT") else self._dice.gauss(0, 0.002)
            self.units[code] = max(start * 0.9, min(start * 1.1, self.units.get(code, start) * (1 + step)))

    def per(self, home: str, code: str, places: int) -> str:
        return f"{max(self.units[home] / self.units[code], 10**-places):.{places}f}"


def nbkr(world: World, day: date) -> bytes:
    rows = "".join(
        f'<Currency ISOCode="{code}"><Nominal>1</Nominal><Value>'
        f"{world.per('KGS', code, 4).replace('.', ',')}</Value></Currency>"
        for code in ("USD", "EUR", "CNY", "KZT", "RUB")
    )
    head = '<?xml version="1.0" encoding="windows-1251"?><CurrencyRates Name="Daily Exchange Rates"'
    return f'{head} Date="{day:%d.%m.%Y}">{rows}</CurrencyRates>'.encode()


def nbk(world: World, day: date) -> bytes:
    rows = "".join(
        f"<item>\n            <fullname>ВАЛЮТА {code}</fullname>\n            <title>{code}</title>\n"
        f"            <description>{world.per('KZT', code, 2)}</description>\n            <quant>1</quant>\n"
        f"            <index>UP</index>\n            <change>+0.{index:02}</change>\n        </item>\n"
        for index, code in enumerate(codes(ROWS["nbk"], "KZT"))
    )
    return f"<rates><date>{day:%d.%m.%Y}</date>{rows}</rates>".encode()


def nbt(world: World, day: date) -> bytes:
    rows = "".join(
        f'<Valute ID="{index}">\n   <CharCode>{code}</CharCode>\n   <Nominal>1</Nominal>\n'
        f"   <Name>Currency {code}</Name>\n   <Value>{world.per('TJS', code, 4)}</Value>\n</Valute>\n"
        for index, code in enumerate(codes(ROWS["nbt"], "TJS"))
    )
    return f'<ValCurs Date="{day}" name="Foreign Currency Market">\n{rows}</ValCurs>'.encode()


def cbu(world: World, day: date) -> bytes:
    rows = [
        {
            "id": index,
            "Code": f"{index:03}",
            "Ccy": code,
            **{f"CcyNm_{tongue}": f"Название {code} {tongue}" for tongue in ("RU", "UZ", "UZC", "EN")},
            "Nominal": "1",
            "Rate": world.per("UZS", code, 2),
            "Diff": f"-{index}.5",
            "Date": f"{day:%d.%m.%Y}",
        }
        for index, code in enumerate(codes(ROWS["cbu"], "UZS"))
    ]
    return json.dumps(rows).encode()


def cbt(world: World, day: date) -> bytes:
    rows = "".join(
        f'<rate code="{code}"><rate_usd>1</rate_usd><multiplier>1</multiplier>'
        f"<rate_tmt>{world.per('TMT', code, 4)}</rate_tmt></rate>"
        for code in codes(ROWS["cbt"], "TMT")
    )
    return f"<cbt_currency_rate><date>{day:%d.%m.%Y}</date>{rows}</cbt_currency_rate>".encode()


def cbr(world: World, day: date) -> bytes:
    rows = "".join(
        f'<Valute ID="R{index:05}"><NumCode>{index:03}</NumCode><CharCode>{code}</CharCode>'
        f"<Nominal>1</Nominal><Name>Валюта {code}</Name>"
        f"<Value>{world.per('RUB', code, 4).replace('.', ',')}</Value></Valute>"
        for index, code in enumerate(codes(ROWS["cbr"], "RUB"))
    )
    return f'<ValCurs Date="{day:%d.%m.%Y}" name="Foreign Currency Market">{rows}</ValCurs>'.encode()


def fawazahmed0(world: World, day: date) -> bytes:
    rates = {code.lower(): round(world.units[code], 8) for code in codes(ROWS["fawazahmed0"], "")}
    return json.dumps({"date": f"{day}", "usd": rates}, separators=(",", ":")).encode()


def frankfurter(world: World, day: date) -> bytes:
    names = [code for code in codes(11, "") if code != "USD"]
    rows = [
        {"date": f"{day}", "base": "USD", "quote": code, "rate": round(world.units[code], 4)}
        for code in names
    ]
    return json.dumps(rows).encode()


def floatrates(world: World, day: date) -> bytes:
    rows = {
        code.lower(): {
            "code": code,
            "alphaCode": code,
            "numericCode": "978",
            "name": f"Currency {code}",
            "rate": round(world.units[code], 10),
            "date": f"{day:%a, %d %b %Y} 11:55:01 GMT",
            "inverseRate": round(1 / world.units[code], 10),
        }
        for code in codes(ROWS["floatrates"], "USD")
    }
    return json.dumps(rows).encode()


def erapi(world: World, day: date) -> bytes:
    stamp = int(datetime(day.year, day.month, day.day, 0, 2, 31, tzinfo=UTC).timestamp())
    rates = {code: round(world.units[code], 6) for code in codes(ROWS["erapi"], "")}
    about = {"result": "success", "base_code": "USD", "time_last_update_unix": stamp, "time_eol_unix": 0}
    return json.dumps({**about, "rates": rates}).encode()


def openexchangerates(world: World, day: date) -> bytes:
    stamp = int(datetime(day.year, day.month, day.day, 9, tzinfo=UTC).timestamp())
    rates = {code: round(world.units[code], 6) for code in codes(ROWS["openexchangerates"], "")}
    return json.dumps({"timestamp": stamp, "base": "USD", "rates": rates}).encode()


MAKE: dict[str, Callable[[World, date], bytes]] = {key: globals()[key] for key in ROWS}
WEEKEND_TABLES = (
    "nbkr",
    "nbk",
    "nbt",
    "fawazahmed0",
    "floatrates",
    "frankfurter",
    "erapi",
    "openexchangerates",
)
"""Who has a table of its own for Sundays and Mondays too."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer, and when it comes."""

    key: str
    day: date
    body: bytes
    now: datetime


def answers(keys: tuple[str, ...], days: int) -> Iterator[Heard]:
    """Every source's new answers, day by day: a table set on a working day is dated the next calendar day."""
    world = World()
    world.walk()
    for number in range(days):
        day = FIRST + ONE_DAY * number
        sets = 1 <= day.weekday() <= 5
        if sets:
            world.walk()
        now = datetime(day.year, day.month, day.day, 9, 5, tzinfo=UTC)
        for key in keys:
            if sets or key in WEEKEND_TABLES:
                yield Heard(key, day, MAKE[key](world, day), now)


@dataclass(slots=True)
class Moved:
    """A clock that the bench moves."""

    at: datetime
    speed: float = 1.0

    def now(self) -> datetime:
        return self.at

    def elapsed(self) -> float:
        return self.at.timestamp()


class Service:
    """The desk and all that carries its news, without a poller's waiting."""

    def __init__(self, keys: tuple[str, ...], store: Any) -> None:
        self.settings = Settings()
        self.sources = tuple(SOURCES[key] for key in keys)
        self.clock = Moved(datetime.combine(FIRST, datetime.min.time(), UTC))
        self.shelf = Shelf(self.sources)
        self.outbox = Outbox(store, owner="bench", alone=True, lease_seconds=600)
        self.desk = new_desk(self.settings, self.sources)
        self.current = CurrentDesk(self.desk, self.outbox, self.shelf, clock=self.clock)
        codes_ = {code for symbol in self.settings.symbols for code in (symbol.base, symbol.quote)}
        self.wanted = {*codes_, "USD"}

    def hear(self, heard: Heard) -> float:
        """Take an answer as the poll job does; gives the seconds that the desk took."""
        self.clock.at, source = heard.now, SOURCES[heard.key]
        rates = source.parse(heard.body)
        if source.kind == "market":
            rates = tuple(rate for rate in rates if {rate.pair.base, rate.pair.quote} <= self.wanted)
        answer = Answer(rates=rates, url="http://bench", body=heard.body, address="http://bench")
        document = self.shelf.offer(answer, source=heard.key, asked=heard.day, now=self.clock.at)
        tables = tables_of(rates)
        began = time.process_time()
        quotes = self.desk.hear(
            tables,
            source=heard.key,
            asked=heard.day,
            now=self.clock.at,
            monotonic=self.clock.elapsed(),
            document=document,
        )
        spent = time.process_time() - began
        for key in self.desk.waiting():
            quotes += self.desk.waited(key, now=self.clock.at)
        self.current.say(self.desk, quotes)
        return spent


async def growth(days: int) -> list[tuple[str, float, float]]:
    """Memory and append-only file of Redis, in bytes, after a month and at the end."""
    found = []
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        async with embedded(Path(path, "data")) as server, Redis.from_url(server.url) as redis:
            await redis.config_set("appendfsync", "no")
            async with Store(
                server.url, prefix="{ticker}:", stream_length=10_000, history_days=1830
            ) as store:
                service = Service(DEFAULT, store)
                await service.outbox.acquire()
                day = FIRST
                for heard in answers(DEFAULT, days):
                    if heard.day != day:
                        await service.outbox.write()
                        if (heard.day - FIRST).days in (40, days - 1):
                            found.append((str(heard.day), *await _sizes(redis, Path(path, "data"))))
                        day = heard.day
                    service.hear(heard)
    return found


def _store(url: str) -> Store:
    return Store(url, prefix="{ticker}:", stream_length=10_000, history_days=1830)


async def _sizes(redis: Any, folder: Path) -> tuple[float, float]:
    await redis.bgrewriteaof()
    while (await redis.info("persistence"))["aof_rewrite_in_progress"]:
        await asyncio.sleep(0.05)
    memory = (await redis.info("memory"))["used_memory_dataset"]
    return memory, _bytes_in(folder)


def _bytes_in(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def years(days: int) -> tuple[list[Entry], float, float, list[float]]:
    """The ledger of every source; the seconds of its reading, of its fold and of the last answers."""
    service = Service(tuple(ROWS), None)
    spent = [service.hear(heard) for heard in answers(tuple(ROWS), days)]
    texts = [(entry.number, encode_event(entry.event)) for entry in service.desk.entries]
    gc.disable()  # as where a poller takes up
    began = time.process_time()
    entries = [Entry(number, decode_event(text)) for number, text in texts]
    decoded = time.process_time()
    desk: Desk = new_desk(service.settings, service.sources)
    desk.load(entries, ())
    desk.tick(now=service.clock.at)
    folded = time.process_time()
    gc.enable()
    assert desk.quotes.keys() == service.desk.quotes.keys()
    return entries, decoded - began, folded - decoded, spent[-200:]


async def tables(*, quick: bool) -> list[Table]:
    """The benchmark's tables; `quick`: of fewer days."""
    span, long = (100, 100) if quick else (406, 1830)
    (_, memory, disk), (_, memory_then, disk_then) = await growth(span)
    per_year = 365 / (span - 41)
    entries, decode, fold, posts = years(long)
    posts.sort()
    return [
        Table(
            "The ledger",
            ("", "figure"),
            rows=[
                ("Redis's data, growth in a year, MB", mb((memory_then - memory) * per_year)),
                ("append-only file, growth in a year, MB", mb((disk_then - disk) * per_year)),
                (f"events of {len(ROWS)} sources in {long} days", str(len(entries))),
                ("reading them, s", f"{decode:.2f}"),
                ("folding them, s", f"{fold:.2f}"),
                ("one answer at the desk, median ms", ms(posts[len(posts) // 2])),
                ("one answer at the desk, slowest of 200, ms", ms(posts[-1])),
            ],
            targets=[
                Target("Redis grows in a year", (memory_then - memory) * per_year / 2**20, 6, " MB"),
                Target("five years are folded", fold, 3, " s"),
                Target("one answer", posts[len(posts) // 2] * 1000, 5, " ms"),
            ],
        )
    ]
