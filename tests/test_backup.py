"""`ticker backup` and `ticker restore`: what is in the file, what comes back, and what changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import resource
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, permutations
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import services
from redis.asyncio import Redis
from servers import Server, server
from stage import PATIENCE, until
from test_store_servers import acl, of_kind
from websockets.asyncio.client import connect

from ticker import __version__, backup, cli, legacy, sealed
from ticker.backup import BackupFailed
from ticker.embedded import find_servers
from ticker.rates.events import Baseline, Empty, Entry, Order
from ticker.rates.model import Cursor, Pair
from ticker.rates.source import Outcome
from ticker.records import Document
from ticker.sealed import NotSealed, NotWritten, Sealed, Sheet, WrongTarget
from ticker.sources import SOURCES
from ticker.store import Batch, Done, Store, copies
from ticker.store.copies import fits
from ticker.store.keys import BY_NAME, KINDS

if TYPE_CHECKING:
    from tests.conftest import Elected, FixingOf, OpenStore, QuoteOf

pytestmark = pytest.mark.redis

BINARIES = find_servers()
BOTH_WAYS = list(permutations(BINARIES[:2])) if len(BINARIES) > 1 else [BINARIES[:1] * 2]
PRESENT = Path(__file__).parent / "payloads" / "legacy" / "present.json"
KGS, KZT = Pair("KGS", "USD"), Pair("KZT", "USD")
FRIDAY = date(2026, 5, 22)
NOON = datetime(2026, 5, 22, 12, tzinfo=UTC)
PREFIX = "{ticker}:"


def slow(parameter: Any) -> Any:
    """A parameter that the ordinary run leaves out."""
    return pytest.param(parameter, marks=pytest.mark.slow)


# What is there.


async def fill(store: Store, elected: Elected, quote_of: QuoteOf, fixing_of: FixingOf) -> None:
    """Something of every kind, as a poller, an edge and operators write it."""
    publisher = await elected(store)
    on_hold = quote_of("KZT", "470.10", status="unconfirmed")
    hold = Order(at=NOON, verb="hold", symbol=KZT, quote=on_hold)
    empty = Empty(at=NOON, source="nbk", first=FRIDAY, last=FRIDAY)
    await store.order("hold", "KZT", "aigul@desk")
    [asked] = await store.orders()
    await publisher.say(
        quote_of("KGS", "87.45", source_name="Национальный банк"),
        on_hold,
        fixings=[
            fixing_of(code, "87.45", FRIDAY - timedelta(days=days), source)
            for code in ("KGS", "KZT")
            for days in range(20)
            for source in ("nbkr", "cbr")
        ],
        entries=[Entry(1, empty), Entry(2, hold), Entry(5, replace(empty, source="cbu"))],
        documents=[document(bytes(range(number))) for number in range(8)],
        outcomes=[Outcome(source="nbkr", failures=1, error="timed out")],
        answers=[(asked.id, Done("on hold", done=True))],
    )
    await store.order("confirm", "KGS", "азамат@desk")
    await store.keep_script("0" * 16, 'let it = "•"', now_ms=1)
    await store.note_version(publisher.lease, __version__)
    await store.release(publisher.lease)


def document(body: bytes) -> Document:
    return Document.of(body, source="nbkr", address="http://h/", asked=FRIDAY, heard=NOON)


async def everything(store: Store) -> dict[str, Any]:
    """What a backup has, by what the service reads."""
    rows = (await store.snapshot()).rows
    return {
        "quotes": {quote.symbol: quote for _, quote in rows},
        "fixings": await store.fixings([KGS, KZT]),
        "ledger": await store.ledger(),
        "documents": await store.documents(),
        "outcomes": await store.outcomes(["nbkr"]),
        "scripts": {name: await store.script(name) for name in await store.scripts()},
        "orders": await store.orders(),
        "version": await store.version(),
        "end": await store.last_event(),
    }


async def raw(client: Redis) -> dict[str, Any]:
    """Every key of a server, as it is."""
    return {key: await client.dump(key) async for key in client.scan_iter()}


@asynccontextmanager
async def raw_client(target: Server) -> AsyncIterator[Redis]:
    async with Redis.from_url(target.socket) as client:
        yield client


def inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def restored(store: Store, file: Path) -> str:
    with backup.checked(file) as sheet:
        return await backup.restore(store, sheet, owner="restore", seconds=60, alone=False)


@pytest.fixture
async def full(store: Store, elected: Elected, quote_of: QuoteOf, fixing_of: FixingOf) -> Store:
    await fill(store, elected, quote_of, fixing_of)
    return store


@pytest.fixture
async def file(full: Store, tmp_path: Path) -> Path:
    """A backup."""
    await backup.backup(full, tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def short(file: Path, tmp_path: Path) -> Path:
    """A backup with few rows of each kind, to be damaged everywhere."""
    with Sealed.opened(file, fits) as sheet, sealed.written(tmp_path / "short") as short:
        short.begin(__version__, "2026-11-29T04:00:00+00:00")
        counts: Counter[str] = Counter()
        for kind, row in sheet.rows():
            counts[kind] += 1
            if counts[kind] <= 2 and sum(map(len, row)) < 500:
                short.put(kind, row)
        short.seal()
    assert len(counts) == len(KINDS) - 1  # without the memory of an earlier version
    return tmp_path / "short"


@pytest.fixture
async def other(short_path: Path) -> AsyncIterator[Server]:
    """An empty server."""
    async with server(short_path / "other") as found:
        yield found


# There and back.


@pytest.mark.parametrize(("one", "two"), BOTH_WAYS, ids=lambda binary: binary.name)
async def test_everything_is_equal_in_a_server_of_the_other_kind(
    one: Path,
    two: Path,
    short_path: Path,
    open_store: OpenStore,
    elected: Elected,
    quote_of: QuoteOf,
    fixing_of: FixingOf,
) -> None:
    file = short_path / "backup"
    async with server(short_path / "one", binary=one) as found, open_store(found.url) as store:
        await fill(store, elected, quote_of, fixing_of)
        before, old = await everything(store), (await store.snapshot()).cursor
        told = await backup.backup(store, file)
        written = rows_in(file)
    async with server(short_path / "two", binary=two) as found, open_store(found.url) as store:
        await restored(store, file)
        after, new = await everything(store), await store.snapshot()
        await backup.backup(store, file)
        [(key, [(_, first)])] = (await xread(found)).items()

    assert all(before.values())
    assert after == before
    assert told == (
        f"{file}: events: 3, documents: 8, origins of documents: 8, quotes: 2, fixings: 80, orders: 2, "
        "answers to orders: 1, scripts: 1, outcomes of polls: 1, versions: 1"
    )
    assert new.cursor.epoch > old.epoch
    assert {cursor for cursor, _ in new.rows} == {new.cursor}
    assert (key, {each["symbol"] for each in json.loads(first["quotes"])}) == (
        f"{PREFIX}stream",
        {"KGS/USD", "KZT/USD"},
    )
    assert written == rows_in(file)


async def xread(found: Server) -> Any:
    async with found.client(protocol=3) as client:
        return dict([await one_stream(client)])


async def one_stream(client: Redis) -> tuple[str, Any]:
    return f"{PREFIX}stream", await client.xrange(f"{PREFIX}stream")


def rows_in(file: Path) -> list[bytes]:
    """The rows of a backup without the time, the checksum and the cursors of its quotes."""
    lines = [line for line in file.read_bytes().splitlines() if line.startswith(b"[")]
    return [re.sub(rb'(^\["quote","[A-Z/]+",")[0-9-]+ ', rb"\1", line) for line in lines]


async def test_a_poller_goes_on_in_the_epoch_of_the_restore(
    file: Path, other: Server, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    async with open_store(other.url) as store:
        await restored(store, file)
        snapshot = await store.snapshot()
        publisher = await elected(store)
        publisher.seen = snapshot.cursor

        said = await publisher.say(quote_of("KGS", "87.50"))

        assert (said.epoch, said.sequence) == (snapshot.cursor.epoch, 2)


async def test_a_restore_is_in_a_new_epoch_also_if_the_clock_was_set_back(
    full: Store, tmp_path: Path, other: Server, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    publisher = await elected(full)
    far = await publisher.say(quote_of("KGS", "87.46"), mode="everything", seen=Cursor(2**42, 0))
    await backup.backup(full, tmp_path / "backup")
    async with open_store(other.url) as store:
        await restored(store, tmp_path / "backup")

        assert (await store.snapshot()).cursor == Cursor(far.epoch + 1, 1)


async def test_what_cannot_be_read_comes_back_as_it_was(
    full: Store, redis_url: str, tmp_path: Path, other: Server, open_store: OpenStore
) -> None:
    damaged = {"fixing": b"nbkr|\xff\xfe", "event": b"{\xc3", "script": b"1 \x80"}
    async with Redis.from_url(redis_url) as client:
        await client.zadd(f"{PREFIX}history:KGS/USD", {damaged["fixing"]: 1})
        await client.xadd(f"{PREFIX}ledger", {"e": damaged["event"]}, "9-0")
        await client.hset(f"{PREFIX}scripts", "f", damaged["script"])
    await backup.backup(full, tmp_path / "backup")
    async with open_store(other.url) as store, raw_client(other) as client:
        await restored(store, tmp_path / "backup")

        assert await client.zrange(f"{PREFIX}history:KGS/USD", 0, 0) == [damaged["fixing"]]
        assert (await client.xrange(f"{PREFIX}ledger", "9"))[0][1] == {b"e": damaged["event"]}
        assert await client.hget(f"{PREFIX}scripts", "f") == damaged["script"]


async def test_a_backup_has_nothing_of_another_prefix(
    file: Path, full: Store, redis: Redis, tmp_path: Path, redis_url: str
) -> None:
    await redis.set("{ticker}:leader", "1 x")
    for key in ("{ticker}:other", "{Ticker}:version", "history:KGS/USD", "x{ticker}:version"):
        await redis.set(key, "other")
    await backup.backup(full, tmp_path / "again")
    assert rows_in(tmp_path / "again") == rows_in(file)

    for prefix in ("{[a-z]icker}:", "{ticke?}:", "{*}:"):
        async with Store(redis_url, prefix=prefix, stream_length=9, history_days=9) as store:
            assert await store.kept() == []
            with pytest.raises(BackupFailed, match="Redis has no data of this service"):
                await backup.backup(store, tmp_path / "nothing")


async def test_a_prefix_is_taken_literally(redis_url: str, redis: Redis) -> None:
    await redis.set("{ab}:version", "1")
    for prefix in (r"{a[b]}:", r"{a?}:", r"{*}:", r"{\a}:", r"{a^}:"):
        async with Store(redis_url, prefix=prefix, stream_length=9, history_days=9) as store:
            assert await store.kept() == []
            await redis.set(f"{prefix}version", "1")
            assert await store.kept() == ["version"]


async def test_the_data_of_the_version_before_the_ledger_is_taken_over_after_a_restore(
    store: Store, redis: Redis, tmp_path: Path, other: Server, open_store: OpenStore
) -> None:
    for key, value in json.loads(PRESENT.read_text()).items():
        match value:
            case str():
                await redis.set(key, value)
            case dict():
                await redis.hset(key, mapping=value)
            case _ if ":history:" in key:
                await redis.zadd(key, dict(value))
            case _:
                for entry, fields in value:
                    await redis.xadd(key, fields, entry)

    async def events(store: Store) -> list[Any]:
        symbols = [Pair(code, "USD") for code in ("KGS", "KZT", "TJS", "UZS", "TMT")]
        quotes = [quote for _, quote in (await store.snapshot()).rows]
        memory = await store.legacy_memory()
        return legacy.events_of(await store.fixings(symbols), memory, quotes, now=NOON)

    await backup.backup(store, tmp_path / "backup")
    async with open_store(other.url) as new:
        await restored(new, tmp_path / "backup")

        assert await events(new) == await events(store)
        assert len(await events(new)) > 50


# While a service writes.


class Writing:
    """
    A poller that never rests: each step has an event and what follows from it.

    Now and then it deletes old events, or writes everything again in a new epoch, in three steps.
    """

    def __init__(self, store: Store, lease: str, quote_of: QuoteOf, fixing_of: FixingOf) -> None:
        self.ledgers: dict[int, list[int]] = {0: []}
        """The numbers of all events, by the last of them."""
        self._store = store
        self._facts: dict[str, Any] = {"lease": lease, "now_ms": 1}
        self._seen = Cursor(0, 0)
        self._quote_of = quote_of
        self._fixing_of = fixing_of

    async def forever(self) -> None:
        number = 0
        while True:
            number += 1
            await self._step(number)
            await asyncio.sleep(0)

    async def _step(self, number: int) -> None:
        old = self.ledgers[number - 1]
        dropped = tuple(old[: len(old) // 2]) if number % 50 == 0 else ()
        now = [*old[len(dropped) :], number]
        batch = Batch(
            quotes=(self._quote_of("KGS", str(number)),),
            fixings=(self._fixing_of("KGS", str(number), date.fromordinal(700_000 + number)),),
            entries=(Entry(number, _event(number)),),
            documents=(document(b"%d" % number),),
            dropped=dropped,
        )
        if number % 70 == 0:
            await self._begin_again(now)
            batch = replace(batch, entries=_entries(now), dropped=())
        await self._write(batch, mode="changes" if number % 70 else "everything")
        self.ledgers[number] = now

    async def _begin_again(self, now: list[int]) -> None:
        papers = tuple(document(b"%d" % number) for number in now)
        await self._write(Batch(documents=papers, anew=True, partial=True), mode="everything")
        await self._write(Batch(entries=_entries(now[: len(now) // 2]), partial=True), mode="everything")

    async def _write(self, batch: Batch, **mode: Any) -> None:
        self._seen = await self._store.write(batch, seen=self._seen, **self._facts, **mode)


def _entries(numbers: list[int]) -> tuple[Entry, ...]:
    return tuple(Entry(number, _event(number)) for number in numbers)


def _event(number: int) -> Empty | Baseline:
    return Empty(at=NOON + timedelta(seconds=number), source="nbk", first=FRIDAY, last=FRIDAY)


async def test_a_backup_during_writes_is_a_state_that_the_ledger_had(
    store: Store,
    tmp_path: Path,
    short_path: Path,
    elected: Elected,
    quote_of: QuoteOf,
    fixing_of: FixingOf,
    open_store: OpenStore,
) -> None:
    publisher = await elected(store)
    writing = Writing(store, publisher.lease, quote_of, fixing_of)
    files = [tmp_path / str(number) for number in range(12)]
    writer = asyncio.create_task(writing.forever())
    try:
        async with open_store(store._writing.where.path and f"unix://{store._writing.where.path}") as reader:
            for number, each in enumerate(files):
                await until(lambda least=30 * number: len(writing.ledgers) > least)
                await backup.backup(reader, each)
    finally:
        writer.cancel()
        await asyncio.wait({writer})
    ends = set()
    for number, each in enumerate(files):
        async with server(short_path / str(number)) as other, open_store(other.url) as found:
            await restored(found, each)
            last = await found.last_event()
            ends.add(last)

            assert [entry.number for entry in await found.ledger()] == writing.ledgers[last]
            [(_, quote)] = (await found.snapshot()).rows
            assert quote.inverse == last
            days = [fixing.day.toordinal() - 700_000 for fixing in await found.fixings([KGS])]
            assert days == list(range(max(1, last - 30), last + 1))
            bodies = {int(each.raw) for each in (await found.documents()).values()}
            assert bodies >= set(writing.ledgers[last])
    assert len(ends) > 6


async def test_a_backup_waits_for_the_rest_of_what_is_written_in_steps(
    full: Store, redis: Redis, tmp_path: Path, elected: Elected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "TRIES", 3)
    publisher = await elected(full)
    last = await full.last_event()
    await publisher.say(entries=[Entry(last + 1, _event(1))], partial=True)
    with pytest.raises(BackupFailed, match="the service has not finished a large write"):
        await backup.backup(full, tmp_path / "backup")
    assert inside(tmp_path) == []

    monkeypatch.setattr(backup, "TRIES", 1000)
    waiting = asyncio.create_task(backup.backup(full, tmp_path / "backup"))
    await until(lambda: inside(tmp_path))
    await publisher.say(entries=[Entry(last + 2, _event(2))])
    assert f"events: {last - 2 + 2}," in await waiting


async def test_what_a_dead_process_did_not_finish_is_backed_up_as_it_is(
    full: Store, tmp_path: Path, elected: Elected
) -> None:
    publisher = await elected(full)
    last = await full.last_event()
    await publisher.say(entries=[Entry(last + 1, _event(1))], partial=True)
    await full.release(publisher.lease)

    assert "events: 4," in await backup.backup(full, tmp_path / "backup")


async def test_a_key_that_appears_during_a_backup_is_in_it(
    full: Store, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, number = Store.moment, 0

    async def grown(store: Store, kinds: Any) -> Any:
        nonlocal number
        number += bool(kinds)
        if kinds and number == 1:
            await redis.zadd(f"{PREFIX}history:UZS/USD", {"cbu|x": 1})
        return await moment(store, kinds)

    monkeypatch.setattr(Store, "moment", grown)
    await backup.backup(full, tmp_path / "backup")

    assert b'["fixing","UZS/USD","1","cbu|x"]' in rows_in(tmp_path / "backup")


async def test_events_that_were_replaced_by_as_many_others_are_not_in_a_backup(
    full: Store, tmp_path: Path, elected: Elected, quote_of: QuoteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, number = Store.moment, 0
    others = [Entry(each, _event(each)) for each in (1, 2, 5)]

    async def replaced(store: Store, kinds: Any) -> Any:
        nonlocal number
        number += 1
        if number == 2:
            publisher = await elected(full)
            await publisher.say(quote_of("KGS", "87.50"), entries=others, mode="reset", anew=True)
        return await moment(store, kinds)

    monkeypatch.setattr(Store, "moment", replaced)
    await backup.backup(full, tmp_path / "backup")

    events = [line for line in rows_in(tmp_path / "backup") if line.startswith(b'["event"')]
    assert len(events) == 3
    assert all(b"2026-05-22T12:00:0" in line for line in events), events
    assert b"hold" not in b"".join(events)


# A file that is no backup.


def refused(file: Path) -> str:
    """Why a file is not restored."""
    with pytest.raises(NotSealed) as error, backup.checked(file):
        pass
    words = str(error.value)
    assert words.startswith(str(file))
    return words.removeprefix(str(file))


def made(tmp_path: Path, *rows: tuple[str, tuple[bytes, ...]], version: str = __version__) -> Path:
    """A file that is sealed, whatever its rows are."""
    file = tmp_path / "made"
    with sealed.written(file) as sheet:
        sheet.begin(version, "2026-11-29T04:00:00+00:00")
        for kind, row in rows:
            sheet.put(kind, row)
        sheet.seal()
    return file


def test_a_file_that_ends_anywhere_before_its_end_is_incomplete(short: Path, tmp_path: Path) -> None:
    whole, part = short.read_bytes(), tmp_path / "part"
    words = set()
    for length in range(len(whole)):
        part.write_bytes(whole[:length])
        words.add(refused(part))

    assert words == {
        " is incomplete: its last line, the checksum, is missing or damaged",
        " is not a backup of this program, or its first line is damaged",
    }


@pytest.mark.parametrize("bit", [0, 5, 7])
def test_a_file_with_any_byte_flipped_is_damaged(bit: int, short: Path, tmp_path: Path) -> None:
    whole, other = short.read_bytes(), tmp_path / "other"
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        other.write_bytes(flipped)

        assert re.search("damaged", refused(other)), place


def test_two_backups_in_one_file_are_damaged(file: Path, tmp_path: Path) -> None:
    (tmp_path / "two").write_bytes(file.read_bytes() * 2)
    (tmp_path / "more").write_bytes(file.read_bytes() + b"\n")

    assert refused(tmp_path / "two") == " is damaged: its checksum does not fit"
    assert "incomplete" in refused(tmp_path / "more")


async def test_a_foreign_file_is_named(tmp_path: Path, redis: Redis, file: Path) -> None:
    dump = await redis.dump("{ticker}:ledger")
    for name, body in {
        "empty": b"",
        "dump": b"REDIS0011" + dump,
        "json": b'{"quotes":[]}',
        "text": b"KGS/USD = 0.01144\n" * 1000,
        "zeros": bytes(10_000),
    }.items():
        (tmp_path / name).write_bytes(body)
        assert refused(tmp_path / name) == " is not a backup of this program, or its first line is damaged"

    assert refused(tmp_path / "missing") == " does not exist"
    assert refused(tmp_path) == " is not a regular file"


@pytest.mark.parametrize(
    "row",
    [
        ("trade", (b"1", b"2")),
        ("version", ()),
        ("version", (b"1", b"2")),
        ("quote", (b"KGS/USD",)),
        ("fixing", (b"KGS/USD", b"739835")),
        ("event", (b"1-0",)),
        ("event", (b"1-0", b"e")),
        ("outcome", (b"nbkr",)),
    ],
)
def test_a_row_that_no_version_wrote_is_named_by_its_line(row: Any, tmp_path: Path) -> None:
    file = made(tmp_path, ("version", (b"0.1.0",)), row)

    assert refused(file) == ", line 3: this is not a row of a backup"


@pytest.mark.parametrize("line", [b"[]", b'[1,"2"]', b'["version",5]', b'["version",{"base64":"*"}]', b"[{"])
def test_a_line_that_is_no_row_is_named(line: bytes, file: Path, tmp_path: Path) -> None:
    changed(file, lambda lines: [lines[0], line, *lines[1:]])

    assert refused(file) == ", line 2: this is not a row of a backup"


@pytest.mark.parametrize("last", [[b'{"rows":{}}'], []], ids=["wrong", "none"])
def test_a_file_whose_rows_are_not_counted_is_refused(last: list[bytes], file: Path) -> None:
    changed(file, lambda lines: [*lines[:-1], *last])

    assert "of its rows" in refused(file)


def changed(file: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines before the checksum, and seal the file again."""
    *lines, _ = file.read_bytes().splitlines()
    body = b"".join(line + b"\n" for line in change(lines))
    file.write_bytes(body + b'{"sha256":"%s"}\n' % hashlib.sha256(body).hexdigest().encode())


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path, file: Path) -> None:
    assert refused(made(tmp_path, version="99.1.0")) == (
        f" is a backup of version 99.1.0, and this is {__version__}: install currency-ticker 99.1.0 or later"
    )
    changed(file, lambda lines: [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]])
    assert refused(file) == (
        " has format 2, and this version reads formats up to 1: install currency-ticker "
        f"{__version__} or later"
    )
    changed(file, lambda lines: [lines[0].replace(b'"format":2,', b""), *lines[1:]])
    assert refused(file) == ": its first line has no format and no version"


def test_a_backup_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    with backup.checked(made(tmp_path, ("version", (b"0.1.0",)), version="0.1.9")) as sheet:
        assert (sheet.version, list(sheet.rows())) == ("0.1.9", [("version", (b"0.1.0",))])


async def test_the_data_of_a_newer_version_is_not_backed_up(
    full: Store, redis: Redis, tmp_path: Path
) -> None:
    await redis.set("{ticker}:version", "99.0.0")

    with pytest.raises(BackupFailed, match=re.escape(f"99.0.0 wrote the data, and this is {__version__}")):
        await backup.backup(full, tmp_path / "backup")


def test_every_kind_of_row_is_told_by_its_fields() -> None:
    rows: Mapping[str, tuple[bytes, ...]] = {
        kind.name: (b"1",) * ({"stream": 3, "hash": 2, "sorted": 2, "string": 1}[kind.form] + kind.is_family)
        for kind in KINDS
    }
    assert all(fits(name, row) for name, row in rows.items())
    assert not any(fits(name, row[1:]) for name, row in rows.items())
    assert not any(fits(name, (*row, b"")) for name, row in rows.items())
    assert len(BY_NAME) == len(KINDS)


# A Redis that is not to be written to.


async def test_a_redis_with_data_is_left_as_it_is(file: Path, full: Store, redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        before = await raw(client)
        with pytest.raises(BackupFailed, match=r"Redis has data already, such as {ticker}:answers\. Res"):
            await restored(full, file)

        assert await raw(client) == before


@pytest.mark.parametrize("key", [*(kind.key for kind in KINDS), "stream"])
async def test_any_key_of_the_service_is_data(
    key: str, file: Path, other: Server, open_store: OpenStore
) -> None:
    name = PREFIX + key + ("x" if key.endswith(":") else "")
    await other.tell("SET", name, "1")
    async with open_store(other.url) as store:
        with pytest.raises(BackupFailed, match=f"such as {re.escape(name)}"):
            await restored(store, file)

    assert await other.tell("DBSIZE") == 1


async def test_a_redis_on_which_a_process_polls_is_left_as_it_is(
    file: Path, other: Server, open_store: OpenStore
) -> None:
    async with open_store(other.url) as store, raw_client(other) as client:
        await store.acquire("edge1:77", seconds=60, now_ms=1)
        before = await raw(client)
        with pytest.raises(BackupFailed, match=r"edge1:77 polls on this Redis\. Stop every service"):
            await restored(store, file)

        assert await raw(client) == before


async def test_a_process_that_takes_the_lease_meanwhile_ends_the_restore(
    file: Path, other: Server, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(other.url) as store:
        put = copies.Staging.put

        async def overtaken(staging: Any, rows: Any) -> None:
            await put(staging, rows)
            await store.acquire("edge1:77", seconds=60, now_ms=1, force=True)

        monkeypatch.setattr(copies.Staging, "put", overtaken)
        with pytest.raises(
            BackupFailed, match="another process took the right to poll: nothing was restored"
        ):
            await restored(store, file)

        assert await store.kept() == []
        assert await keys(other) == {f"{PREFIX}fence", f"{PREFIX}leader", f"{PREFIX}poller"}


async def keys(found: Server) -> set[str]:
    return set(await found.tell("KEYS", "*"))


async def test_a_key_that_appears_meanwhile_is_not_replaced(
    file: Path, other: Server, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(other.url) as store:
        put = copies.Staging.put

        async def joined(staging: Any, rows: Any) -> None:
            await put(staging, rows)
            await store.keep_script("1" * 16, "let it = 2", now_ms=1)

        monkeypatch.setattr(copies.Staging, "put", joined)
        with pytest.raises(BackupFailed, match=r"refused: TAKEN .* wrote {ticker}:scripts: nothing was"):
            await restored(store, file)

        assert await store.kept() == ["scripts"]
        assert await store.scripts() == {"1" * 16}
        assert not await store.led()


# Failures.


async def test_a_full_redis_keeps_nothing_of_a_restore(
    file: Path, other: Server, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "ROWS_AT_ONCE", 10)
    put, steps = copies.Staging.put, 0

    async def filling(staging: Any, rows: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            await other.tell("CONFIG", "SET", "maxmemory", "1")
        await put(staging, rows)

    monkeypatch.setattr(copies.Staging, "put", filling)
    async with open_store(other.url) as store:
        with pytest.raises(BackupFailed, match=r"redis refused: .*'maxmemory'\.: nothing was restored"):
            await restored(store, file)

        # A full Redis refuses to release the lease, too. It ends by itself.
        assert await keys(other) == {f"{PREFIX}{name}" for name in ("fence", "poller", "leader")}
        await other.tell("CONFIG", "SET", "maxmemory", "0")
        await other.tell("DEL", f"{PREFIX}leader")
        await restored(store, file)


async def test_what_a_killed_restore_leaves_expires_and_stops_no_other(
    file: Path, full: Store, other: Server, open_store: OpenStore
) -> None:
    async with open_store(other.url) as store:
        with backup.checked(file) as sheet:
            await store.staging().put(list(sheet.rows())[:-3])
        left = await keys(other)
        ends = [await other.tell("PTTL", key) for key in left]

        assert len(left) >= 7
        assert all(0 < end <= copies.STAGED_SECONDS * 1000 for end in ends)
        assert await store.kept() == []
        await restored(store, file)
        assert await everything(store) == await everything(full)
        kept = await keys(other)
        assert not any("restore:" in key for key in kept)
        assert {await other.tell("PTTL", key) for key in kept} == {-1}


async def test_a_restore_that_takes_long_renews_its_lease(
    file: Path, other: Server, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(backup, "monotonic", lambda: 1000 * monotonic())
    put, left = copies.Staging.put, []

    async def slow(staging: Any, rows: Any) -> None:
        await put(staging, rows)
        await asyncio.sleep(0.03)
        left.append(await other.tell("PTTL", f"{PREFIX}leader"))

    monkeypatch.setattr(copies.Staging, "put", slow)
    async with open_store(other.url) as store:
        with backup.checked(file) as sheet:
            await backup.restore(store, sheet, owner="restore", seconds=60, alone=False)

        assert not await store.led()
    # Without a renewal, it only becomes less.
    assert any(later > earlier for earlier, later in pairwise(left))


async def test_a_last_step_that_is_repeated_restores_once(
    file: Path, other: Server, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Store._run

    async def twice(store: Store, script: str, names: Any, args: Any) -> Any:
        await run(store, script, names, args)
        return await run(store, script, names, args)

    async with open_store(other.url) as store:
        with monkeypatch.context() as patch:
            patch.setattr(backup, "_refuse_used", _nothing)
            patch.setattr(Store, "_run", twice)
            with backup.checked(file) as sheet:
                await backup.restore(store, sheet, owner="restore", seconds=60, alone=True)

        assert len((await everything(store))["ledger"]) == 3


async def _nothing(*_: Any, **__: Any) -> None:
    pass


async def test_a_restore_that_is_stopped_at_its_last_step_completes_it(
    file: Path, other: Server, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, begun = copies.Staging.commit, asyncio.Event()

    async def slow(staging: Any, lease: str, *, now_ms: int) -> None:
        begun.set()
        await asyncio.sleep(0.1)
        await commit(staging, lease, now_ms=now_ms)

    monkeypatch.setattr(copies.Staging, "commit", slow)
    async with open_store(other.url) as store:
        task = asyncio.create_task(restored(store, file))
        await begun.wait()
        task.cancel()

        assert (await task).startswith("restored events: 3,")
        assert len(await store.ledger()) == 3
        assert not await store.led()


async def test_a_restore_that_is_stopped_before_leaves_nothing(
    file: Path, other: Server, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, begun = copies.Staging.put, asyncio.Event()

    async def slow(staging: Any, rows: Any) -> None:
        await put(staging, rows)
        begun.set()
        await asyncio.sleep(PATIENCE)

    monkeypatch.setattr(copies.Staging, "put", slow)
    async with open_store(other.url) as store:
        task = asyncio.create_task(restored(store, file))
        await begun.wait()
        task.cancel()
        await asyncio.wait({task})

        assert task.cancelled()
        assert await keys(other) == {f"{PREFIX}fence", f"{PREFIX}poller"}


async def test_without_an_answer_to_the_last_step_it_is_said_how_to_know(
    file: Path, other: Server, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: Any, **__: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(copies.Staging, "commit", lost)
    async with open_store(other.url) as store:
        with pytest.raises(
            BackupFailed, match=r"last step \(timed out\). Repeat the command: if it finds data"
        ):
            await restored(store, file)


def test_a_disk_that_is_full_leaves_the_file_of_before(tmp_path: Path, file: Path) -> None:
    before = file.read_bytes()
    with (
        pytest.raises(NotWritten, match=f"{file} can't be written: File too large"),
        limited(20_000),
        sealed.written(file) as sheet,
    ):
        fill_sheet(sheet)

    assert file.read_bytes() == before
    assert inside(tmp_path) == [file]


def fill_sheet(sheet: Sheet) -> None:
    for number in range(1000):
        sheet.put("version", (b"%d" % number * 10,))


class limited:
    """Files of this process may have so many bytes; as on a full disk, a write then fails."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._signal = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
        signal.signal(signal.SIGXFSZ, self._signal)


def test_a_target_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for target, words in {
        tmp_path: "is not a regular file: write the name of a file",
        Path(os.devnull): "is not a regular file: write the name of a file",
        tmp_path / "missing" / "backup": "can't be written: No such file or directory",
    }.items():
        with pytest.raises(NotWritten, match=re.escape(f"{target} {words}")), sealed.written(target):
            pass
    assert inside(tmp_path) == []


def test_a_pipe_is_not_a_target() -> None:
    ours, theirs = os.pipe()
    target = Path(f"/dev/fd/{theirs}")
    with pytest.raises(WrongTarget, match=f"{target} is not a regular file"), sealed.written(target):
        pass
    os.close(ours)
    os.close(theirs)


BEGINNING = b'{"file":"currency-ticker backup","format":1'
"""How a backup begins, also one that is not complete."""


@pytest.mark.parametrize(
    ("body", "is_replaced"),
    [(b"", True), (BEGINNING, True), (b"x", False), (BEGINNING[:20], False), (b"\n" + BEGINNING, False)],
)
def test_only_a_backup_is_replaced(body: bytes, is_replaced: bool, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(body)
    words = f"{target} exists and is not a backup, so it was not replaced: write another name, or delete it"
    expected = nullcontext() if is_replaced else pytest.raises(WrongTarget, match=re.escape(words))

    with expected, sealed.written(target) as sheet:
        fill_sheet(sheet)

    assert (target.read_bytes() != body) == is_replaced
    assert inside(tmp_path) == [target]


async def test_a_backup_replaces_no_configuration_and_no_file_of_the_data(
    file: Path, full: Store, short_path: Path
) -> None:
    folder = short_path / "new"
    await asyncio.to_thread(ran, "restore", file, "--data-dir", folder)
    here = config(short_path, "embedded")
    own = [Path(here[1]), folder / "version", folder / "server.json"]
    before = [path.read_bytes() for path in own]

    done = [await asyncio.to_thread(ran, "backup", path, *here, "--data-dir", folder) for path in own]

    assert [code for code, _, _ in done] == [2, 2, 2]
    for path, (_, _, log) in zip(own, done, strict=True):
        assert f"ticker backup: {path} exists and is not a backup, so it was not replaced" in log
    assert [path.read_bytes() for path in own] == before


def test_a_file_appears_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    target, link = tmp_path / "backup", tmp_path / "link"
    target.write_bytes(BEGINNING)
    target.chmod(0o666)
    link.symlink_to(target)
    with sealed.written(link) as sheet:
        fill_sheet(sheet)
        assert target.read_bytes() == BEGINNING
        [part] = tmp_path.glob(".backup.*.part")
        assert stat.S_IMODE(part.stat().st_mode) == 0o600

    assert target.stat().st_size > 1000
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert link.is_symlink()
    assert inside(tmp_path) == [target, link]


BEGINS = """
import sys
from pathlib import Path
from ticker import sealed

with sealed.written(Path(sys.argv[1])) as sheet:
    sheet.begin("1.0.0", "now")
    sheet._file.flush()
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_backup_left_is_swept_by_the_next_one(tmp_path: Path) -> None:
    target, foreign = tmp_path / "back[u]p", tmp_path / ".back[u]p.abcd1234.part"
    foreign.write_text("foreign")
    with sealed.written(target), sealed.written(tmp_path / "back[u]p.2"):
        living = set(tmp_path.glob(".back*.part"))
        with subprocess.Popen(
            [sys.executable, "-c", BEGINS, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as killed:
            assert killed.stdout
            assert killed.stdout.readline() == b"begun\n"
            killed.kill()
        [left] = set(tmp_path.glob(".back*.part")) - living
        assert left.stat().st_size

        with sealed.written(target):
            now = set(tmp_path.glob(".back*.part"))

        assert living < now
        assert left not in now
    assert inside(tmp_path) == [foreign, target, tmp_path / "back[u]p.2"]


def test_what_is_taken_back_is_neither_written_nor_counted(tmp_path: Path) -> None:
    with sealed.written(tmp_path / "backup") as sheet:
        sheet.begin("1.0.0", "now")
        sheet.put("version", (b"1",))
        place = sheet.place
        fill_sheet(sheet)
        sheet.back_to(place)
        sheet.put("version", (b"2",))
        sheet.seal()

    with Sealed.opened(tmp_path / "backup", fits) as found:
        assert list(found.rows()) == [("version", (b"1",)), ("version", (b"2",))]
        assert found.counts == {"version": 2}


# Everywhere that Redis is.


@pytest.mark.parametrize("kind", ["server", slow("cluster"), slow("sentinel")])
async def test_the_rights_of_the_kit_are_enough_to_back_up_and_restore(
    kind: str, file: Path, full: Store, short_path: Path, open_store: OpenStore
) -> None:
    async with AsyncExitStack() as stack:
        nodes, url = await of_kind(kind, short_path, stack)
        rights = acl("poller").split()
        rights += ["+cluster|slots", "+command"] if kind == "cluster" else []
        for node in nodes:
            await node.tell("ACL", "SETUSER", "poller", "on", ">pw", *rights)
        async with open_store(url) as store:
            await store.greet()
            await restored(store, file)
            assert await everything(store) == await everything(full)
            await backup.backup(store, short_path / "again")
        denied = [str(await node.tell("ACL", "LOG")) for node in nodes]

    assert rows_in(short_path / "again") == rows_in(file)
    assert denied == ["[]"] * len(nodes)


# The commands.


def ran(*words: str | Path, url: str = "") -> tuple[int, str, str]:
    """The exit code, the output and the log of a command."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TICKER_")}
    done = subprocess.run(
        [sys.executable, "-m", "ticker", *map(str, words)],
        cwd=services.ROOT,
        env=ours | ({"TICKER_REDIS_URL": url} if url else {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=services.READY_SECONDS,
    )
    return done.returncode, done.stdout, done.stderr


def config(folder: Path, url: str) -> tuple[str, str]:
    """A service of one pegged currency, without any bank."""
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES)
    redis = f'data_dir = "{folder}/data"' if url == "embedded" else f'url = "{url}"'
    (folder / "ticker.toml").write_text(f'symbols = ["TMT"]\n[redis]\n{redis}\n[server]\nport = 0\n{off}')
    return "--config", f"{folder}/ticker.toml"


async def is_noted(service: services.Service, note: str) -> bool:
    return note in (await service.get("health"))["notes"]


@pytest.mark.slow
async def test_clients_get_a_snapshot_after_a_restore_and_a_hold_stays(
    short_path: Path, other: Server
) -> None:
    file = short_path / "backup"
    here = config(short_path, "embedded")
    async with services.running(short_path, "serve", *here) as service:
        async with connect(f"{service.url.replace('http', 'ws')}v1/stream") as client:
            first = json.loads(await client.recv())
        held = await asyncio.to_thread(ran, "hold", "TMT", *here)
        during = await asyncio.to_thread(ran, "backup", file, *here)
        in_use = await asyncio.to_thread(ran, "restore", file, *here)
        await service.interrupted()
    while_off = await asyncio.to_thread(ran, "backup", short_path / "again", *here)
    not_empty = await asyncio.to_thread(ran, "restore", file, "--data-dir", short_path / "data")
    there = config(short_path, other.url)
    done = await asyncio.to_thread(ran, "restore", file, *there)
    async with services.running(short_path, "serve", *there) as service:
        stream = f"{service.url.replace('http', 'ws')}v1/stream?cursor={first['cursor']}"
        async with connect(stream) as client:
            again = json.loads(await client.recv())
        await until(lambda: is_noted(service, "TMT/USD is on hold; `ticker confirm TMT/USD` ends that"))
        other_lease = await asyncio.to_thread(ran, "restore", file, *there)

    assert held[0] == 0, held
    assert (during[0], while_off[0], done[0]) == (0, 0, 0), (during, while_off, done)
    assert during[1].startswith(f"{file}: events: ")
    assert done[1].startswith("restored events: ")
    assert done[1].endswith(". Start the service: readers get a snapshot\n")
    assert re.search(f"ticker restore: redis.data_dir {short_path}/data is in use \\(service", in_use[2])
    assert "ticker restore: Redis has data already, such as {ticker}:" in not_empty[2]
    assert re.search(r"ticker restore: \S+:[0-9]+ polls on this Redis. Stop every service", other_lease[2])
    assert (in_use[0], not_empty[0], other_lease[0]) == (1, 1, 1)
    assert (first["type"], again["type"]) == ("snapshot", "snapshot")
    assert int(again["cursor"].partition("-")[0]) > int(first["cursor"].partition("-")[0])


def data_in(folder: Path) -> dict[str, bytes]:
    """The files in which a private server keeps its data."""
    found = {path.name: path.read_bytes() for path in (folder / "appendonlydir").iterdir()}
    assert found
    return found


async def test_a_folder_is_restored_by_the_private_server(file: Path, full: Store, short_path: Path) -> None:
    folder = short_path / "new"
    code, out, log = await asyncio.to_thread(ran, "restore", file, "--data-dir", folder)
    assert (code, out[:17]) == (0, "restored events: "), log
    before = data_in(folder)
    code, out, log = await asyncio.to_thread(ran, "backup", short_path / "again", "--data-dir", folder)

    assert code == 0, log
    assert rows_in(short_path / "again") == rows_in(file)
    assert (folder / "version").read_text() == f"{__version__}\n"
    assert data_in(folder) == before


@pytest.mark.parametrize(("label", "told"), [("", False), ("demo", True)])
async def test_rates_of_a_demo_are_not_restored_without_a_word(
    label: str, told: bool, store: Store, elected: Elected, quote_of: QuoteOf, short_path: Path
) -> None:
    """A service without a label would show them as the banks' own."""
    source = f"{label}:nbkr".removeprefix(":")
    await (await elected(store)).say(quote_of("KGS", "87.45", source=source))
    await backup.backup(store, short_path / "labelled")
    code, out, log = await asyncio.to_thread(
        ran, "restore", short_path / "labelled", "--data-dir", short_path / "new"
    )

    assert code == 0, log
    assert ('rates of a service with label = "demo". Yours has label = ""' in out) is told


FULL = 'ulimit -f 20; exec "$0" -m ticker restore "$1" --data-dir "$2"'
"""A restore on a disk with room for 10 kB in each file."""


async def test_a_restore_on_a_full_disk_ends_with_the_words_of_the_server(
    file: Path, short_path: Path
) -> None:
    folder = short_path / "new"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", FULL, sys.executable, str(file), str(folder)),
        cwd=services.ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(services.READY_SECONDS):
        _, log = await process.communicate()

    last = log.decode().splitlines()[-1]
    assert process.returncode == 1
    end = rf"embedded \w+ \S+ \(pid \d+\) ended with SIGXFSZ; {folder}/server.log ends"
    assert re.search(rf"^ticker restore: redis .*\. {end}", last), last


def damaged(file: Path, how: str) -> bytes:
    whole = file.read_bytes()
    flipped = whole.replace(b'["event"', b'["Event"', 1)
    return {"cut": whole[:-1], "flipped": flipped, "foreign": b"REDIS0011"}[how]


@pytest.mark.parametrize("damage", ["cut", slow("flipped"), slow("foreign")])
async def test_a_file_that_is_no_backup_touches_nothing(damage: str, file: Path, short_path: Path) -> None:
    (short_path / "bad").write_bytes(damaged(file, damage))

    code, out, log = await asyncio.to_thread(
        ran, "restore", short_path / "bad", "--data-dir", short_path / "new"
    )

    words = {"cut": "incomplete", "flipped": "damaged", "foreign": "not a backup"}[damage]
    assert (code, out) == (2, "")
    assert re.search(f"ticker restore: {short_path}/bad is {words}", log)
    assert inside(short_path) == [short_path / "bad"]


async def test_a_redis_that_is_away_is_named_and_no_file_is_left(file: Path, short_path: Path) -> None:
    async with server(short_path / "gone") as gone:
        url = gone.url

    for words in (("backup", short_path / "backup"), ("restore", file)):
        code, out, log = await asyncio.to_thread(ran, *words, url=url)
        assert (code, out) == (1, "")
        assert re.search(
            rf"ticker {words[0]}: redis is unreachable: .*: (\S+ was not written|nothing was)",
            log,
        )
    assert inside(short_path) == [short_path / "gone"]


async def test_a_folder_without_data_is_not_backed_up(short_path: Path) -> None:
    data = ("--data-dir", short_path / "none")
    code, out, log = await asyncio.to_thread(ran, "backup", short_path / "backup", *data)

    assert (code, out) == (1, "")
    assert f"ticker backup: {short_path}/none has no data: check redis.data_dir" in log
    assert inside(short_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, slow(signal.SIGINT)])
async def test_a_backup_that_is_stopped_leaves_no_file(
    number: signal.Signals, other: Server, short_path: Path
) -> None:
    (short_path / "out").mkdir()
    other.stop()
    process = services.start(
        short_path, "backup", f"{short_path}/out/backup", environment={"TICKER_REDIS_URL": other.url}
    )
    with process.process as child:
        try:
            await until(lambda: any((short_path / "out").iterdir()), PATIENCE)
            child.send_signal(number)
            code = await process.ended()
        finally:
            child.kill()
            other.go_on()

    assert (code, list((short_path / "out").iterdir())) == (1, [])
    assert "ticker backup: it was stopped, and nothing was changed" in process.log


def test_the_folder_of_an_argument_is_embedded_whatever_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKER_REDIS_URL", "redis://h/1")
    options = cli._parser().parse_args(["backup", "FILE", "--data-dir", str(tmp_path)])

    redis = cli._settings_of_data(options).redis

    assert (redis.url, redis.data_dir, options.file) == ("embedded", str(tmp_path), Path("FILE"))
