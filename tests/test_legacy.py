"""A data directory of the version before the ledger: what it knew becomes events, and its quotes survive."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from ticker import legacy
from ticker.config import Settings
from ticker.legacy import LegacyHeld, LegacyMemory
from ticker.rates.desk import Desk
from ticker.rates.events import Baseline, Empty, Entry, Event, Order, Said, Verdict
from ticker.rates.model import Announcement, Fixing, Pair, Quote, Rate
from ticker.rates.tables import Figure, Table
from ticker.rules import enabled_sources, new_desk
from ticker.store import Batch, Store

if TYPE_CHECKING:
    from tests.conftest import FixingOf, QuoteOf

PRESENT = Path(__file__).parent / "payloads" / "legacy" / "present.json"
KGS, KZT, TJS, UZS = (Pair(code, "USD") for code in ("KGS", "KZT", "TJS", "UZS"))
NOW = datetime(2026, 9, 22, 6, 5, tzinfo=UTC)
TUESDAY = NOW.date()


def september(day: int) -> date:
    return date(2026, 9, day)


def numbered(events: Iterable[Event]) -> tuple[Entry, ...]:
    return tuple(Entry(number, event) for number, event in enumerate(events, 1))


def desk_of(entries: Iterable[Entry], quotes: Iterable[Quote]) -> Desk:
    settings = Settings()
    desk = new_desk(settings, enabled_sources(settings))
    desk.load(entries, quotes)
    return desk


# The dump.


@pytest.fixture
async def present(redis: Redis) -> dict[str, Any]:
    """What the version before the ledger left, in a real server."""
    keys = json.loads(PRESENT.read_text())
    for key, value in keys.items():
        if isinstance(value, str):
            await redis.set(key, value)
        elif isinstance(value, dict):
            await redis.hset(key, mapping=value)
        elif ":history:" in key:
            await redis.zadd(key, dict(value))
        else:
            for entry, fields in value:
                await redis.xadd(key, fields, entry)
    return dict(keys)


async def take_over(store: Store) -> tuple[list[Event], list[Quote]]:
    fixings = await store.fixings(Settings().symbols)
    quotes = [quote for _, quote in (await store.snapshot()).rows]
    return legacy.events_of(fixings, await store.legacy_memory(), quotes, now=NOW), quotes


@pytest.mark.usefixtures("present")
async def test_quotes_survive_and_only_learn_when_they_are_due(store: Store) -> None:
    events, quotes = await take_over(store)
    desk = desk_of(numbered(events), quotes)

    changed = {quote.symbol for quote in desk.tick(now=NOW)}

    assert len(quotes) == 5
    for before in quotes:
        after = desk.quotes[before.symbol]
        named = replace(after, source_name=before.source_name, source_site=before.source_site)
        assert replace(named, due_at=None, published_at=before.published_at) == before
    assert changed == {KGS, UZS}
    assert desk.quotes[UZS].due_at == datetime(2026, 9, 23, 9, 30, tzinfo=UTC)


@pytest.mark.usefixtures("present")
async def test_every_fixing_survives(store: Store) -> None:
    fixings = await store.fixings(Settings().symbols)
    events, quotes = await take_over(store)

    desk = desk_of(numbered(events), quotes)

    assert len(fixings) > 80
    assert set(fixings) <= set(desk.fixings())


@pytest.mark.usefixtures("present")
async def test_what_was_held_back_is_still_unconfirmed_and_can_be_confirmed(store: Store) -> None:
    events, quotes = await take_over(store)
    desk = desk_of(numbered(events), quotes)
    desk.tick(now=NOW)

    [(key, word)] = desk.unconfirmed("nbk").items()

    assert key == ("nbk", KZT)
    assert word.doubt
    assert word.doubt.reason == "+12.00 % from one publication to the next"
    assert word.fixing.legs[0].value == Decimal("527.00")
    assert word.at == datetime(2026, 9, 21, 11, 0, 7, tzinfo=UTC)
    assert len(word.table.figures) == 4
    assert desk.quotes[KZT].status == "unconfirmed"
    [quote] = desk.confirm(KZT, now=NOW)[0]
    assert (quote.inverse, quote.previous) == (Decimal("527.00"), Decimal("0.002125172670"))


@pytest.mark.usefixtures("present")
async def test_what_was_on_hold_stays_so_until_it_is_confirmed(store: Store) -> None:
    events, quotes = await take_over(store)
    desk = desk_of(numbered(events), quotes)
    desk.tick(now=NOW)

    assert desk.on_hold == {TJS}
    assert (desk.quotes[TJS].as_of, desk.quotes[TJS].status) == (september(21), "unconfirmed")
    [quote] = desk.confirm(TJS, now=NOW)[0]
    assert (quote.as_of, quote.status, quote.inverse) == (TUESDAY, "live", Decimal("9.4321"))


@pytest.mark.usefixtures("present")
async def test_what_was_never_believed_is_not_brought_in_by_the_archive(store: Store) -> None:
    events, quotes = await take_over(store)
    desk = desk_of(numbered(events), quotes)
    wrong = Table(
        source="cbu", day=september(17), figures={Pair("USD", "UZS"): Figure(Decimal("15011.43"), 1)}
    )

    desk.learn([wrong], now=NOW)

    series = desk.book.series["cbu", UZS]
    series.settle()
    assert [str(word.fixing.legs[0].value) for word in series.rows[september(17)].answers] == [
        "15011.43",
        "11811.43",
    ]
    fixing = series.fixing(september(17))
    assert fixing
    assert (fixing.legs[0].value, fixing.corrected) == (Decimal("11811.43"), False)


@pytest.mark.usefixtures("present")
async def test_days_that_were_asked_for_in_vain_are_known(store: Store) -> None:
    events, quotes = await take_over(store)
    desk = desk_of(numbered(events), quotes)

    gaps = desk.gaps("nbk", since=september(5), now=NOW)

    assert set(gaps).isdisjoint(map(september, (8, 9, 10, 11)))
    assert {september(7), september(12)} <= set(gaps)


@pytest.mark.usefixtures("present")
async def test_the_taken_over_is_written_once_and_the_old_memory_is_gone(
    redis_url: str, redis: Redis, open_store: Callable[..., Store]
) -> None:
    # Another one may have lost quotes, and gets a new epoch.
    async with open_store(redis_url, keeps=True) as store:
        events, quotes = await take_over(store)
        entries = numbered(events)
        desk = desk_of(entries, quotes)
        changed = desk.tick(now=NOW)
        lease = await store.acquire("test", seconds=60, now_ms=1)
        assert lease
        seen = (await store.snapshot()).cursor
        batch = Batch(quotes=tuple(changed), entries=entries)

        await store.write(batch, lease=lease, seen=seen, now_ms=1)
        assert await store.legacy_memory() is not None
        await store.write(replace(batch, took_over=True), lease=lease, seen=seen, now_ms=1)

        assert await store.legacy_memory() is None
        assert not await redis.exists("{ticker}:memory")
        assert await store.ledger() == list(entries)
        again = desk_of(await store.ledger(), [quote for _, quote in (await store.snapshot()).rows])
        assert again.tick(now=NOW + timedelta(minutes=1)) == []
        assert again.quotes == desk.quotes


async def test_without_an_old_memory_there_is_none(store: Store) -> None:
    assert await store.legacy_memory() is None


# Its text.


@pytest.mark.usefixtures("present")
async def test_a_memory_is_read(store: Store) -> None:
    memory = await store.legacy_memory()

    assert memory
    assert {(each.fixing.source, each.fixing.symbol) for each in memory.held} == {("nbk", KGS), ("nbk", KZT)}
    assert memory.kept == {TJS}
    assert memory.barren == {"nbk": frozenset(map(september, (8, 9, 10, 11))), "nbkr": {september(6)}}
    assert ("nbkr", september(23)) in {(table.source, table.day) for table in memory.tables}


MEMORY: dict[str, Any] = json.loads(json.loads(PRESENT.read_text())["{ticker}:memory"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tables", {"nbk": [[{"pair": "USD/KZT", "value": "0", "nominal": 1, "as_of": "2026-09-22"}]]}),
        ("tables", {"nbk": [[{"pair": "USD/KZT", "value": "1", "nominal": 1, "as_of": "today"}]]}),
        ("held", [{}]),
        ("held", [{**MEMORY["held"][0], "first_seen": "2026-09-22"}]),
        ("kept", ["KGSUSD"]),
        ("barren", {"nbk": ["2026-02-30"]}),
        ("more", 1),
    ],
)
def test_what_is_no_memory_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        legacy.decode_memory(json.dumps({**MEMORY, key: value}))


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"tables":{},"held":[{}]}'])
async def test_an_unreadable_memory_is_left_out_and_said(
    text: str, store: Store, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.set("{ticker}:memory", text)

    assert await store.legacy_memory() is None
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("redis: the record of an earlier version is unreadable and was skipped: ")


# Its events.


def cross(value: str, dollar: str, day: date) -> Fixing:
    legs = (
        Rate(source="cbr", pair=Pair("KGS", "RUB"), value=Decimal(value), nominal=100, as_of=day),
        Rate(source="cbr", pair=Pair("USD", "RUB"), value=Decimal(dollar), nominal=1, as_of=day),
    )
    return Fixing(symbol=KGS, legs=legs)


def table_of(source: str, day: date, **figures: str) -> Table:
    return Table(
        source=source,
        day=day,
        figures={Pair(code, "KGS"): Figure(Decimal(value), 1) for code, value in figures.items()},
    )


def test_an_empty_redis_gives_no_events() -> None:
    assert legacy.events_of([], None, [], now=NOW) == []
    assert legacy.events_of([], LegacyMemory(), [], now=NOW) == []


def test_a_day_is_said_once_with_all_the_figures_that_are_known_of_it(fixing_of: FixingOf) -> None:
    tenge = Rate(source="nbkr", pair=Pair("KZT", "KGS"), value=Decimal("0.18"), nominal=1, as_of=TUESDAY)
    dollar = fixing_of("KGS", "87.45", TUESDAY)
    remembered = table_of("nbkr", TUESDAY, USD="87.45", EUR="101.7", KZT="0.18")
    other_version = table_of("nbkr", september(21), USD="87.40", EUR="101.6")
    fixings = [
        dollar,
        Fixing(symbol=KZT, legs=(tenge, *dollar.legs)),
        fixing_of("KGS", "87.30", september(21)),
    ]

    events = legacy.events_of(fixings, LegacyMemory(tables=(remembered, other_version)), [], now=NOW)

    assert events == [
        Said(at=NOW, table=table_of("nbkr", september(21), USD="87.30")),
        Said(at=NOW, table=remembered),
        Baseline(at=NOW),
    ]


def test_a_table_of_which_no_fixing_is_known_is_said_as_it_is_remembered() -> None:
    remembered = table_of("nbkr", TUESDAY, EUR="101.7", RUB="1.07")

    events = legacy.events_of([], LegacyMemory(tables=(remembered,)), [], now=NOW)

    assert events == [Said(at=NOW, table=remembered), Baseline(at=NOW)]


def test_an_intraday_price_keeps_its_time() -> None:
    at = datetime(2026, 9, 22, 0, 0, 1, tzinfo=UTC)
    leg = Rate(source="floatrates", pair=Pair("USD", "KGS"), value=Decimal("87.42"), nominal=1, as_of=at)

    [said, _] = legacy.events_of([Fixing(symbol=KGS, legs=(leg,))], None, [], now=NOW)

    assert isinstance(said, Said)
    assert said.table.rate(leg.pair) == leg


def test_fixings_of_two_versions_of_a_table_are_not_mixed(fixing_of: FixingOf) -> None:
    other = Rate(source="cbr", pair=Pair("USD", "RUB"), value=Decimal("82"), nominal=1, as_of=TUESDAY)
    dollar = Fixing(symbol=Pair("RUB", "USD"), legs=(other,))

    events = legacy.events_of([dollar, cross("92.92", "81.23", TUESDAY)], None, [], now=NOW)

    tables = [event.table.figures[other.pair].value for event in events if isinstance(event, Said)]
    assert tables == [Decimal("81.23"), Decimal("82")]


def test_what_was_never_believed_is_said_before_what_was_and_stays_doubted(fixing_of: FixingOf) -> None:
    wrong, right = fixing_of("KGS", "97.45", TUESDAY), fixing_of("KGS", "87.45", TUESDAY)

    # A row that was believed for a moment may still be in the history.
    events = legacy.events_of([right, wrong], LegacyMemory(doubted=frozenset({wrong})), [], now=NOW)

    verdict = Verdict(
        source="nbkr", symbol=KGS, day=TUESDAY, number=1, reason="doubted by an earlier version"
    )
    assert events == [
        Said(at=NOW, table=table_of("nbkr", TUESDAY, USD="97.45")),
        Said(at=NOW, table=table_of("nbkr", TUESDAY, USD="87.45")),
        Baseline(at=NOW, verdicts=(verdict,)),
    ]


@pytest.mark.parametrize(("dollar", "given_up"), [("99.99", {"KGS", "RUB"}), ("81", {"KGS"})])
def test_a_table_that_was_given_up_is_accepted_for_no_other_symbol_unless_that_was_believed(
    dollar: str, given_up: set[str]
) -> None:
    bad = cross("92.92", dollar, TUESDAY)
    leg = Rate(source="cbr", pair=Pair("USD", "RUB"), value=Decimal("81"), nominal=1, as_of=TUESDAY)
    rouble = Fixing(symbol=Pair("RUB", "USD"), legs=(leg,))

    events = legacy.events_of([rouble], LegacyMemory(doubted=frozenset({bad})), [], now=NOW)

    [baseline] = [event for event in events if isinstance(event, Baseline)]
    assert {each.symbol.base for each in baseline.verdicts} == given_up
    assert {each.number for each in baseline.verdicts} == {1}


def test_a_table_that_was_believed_for_one_symbol_is_believed_for_the_others() -> None:
    rouble = replace(cross("92", "80", september(21)).legs[1], as_of=september(21))
    fixings = [Fixing(symbol=Pair("RUB", "USD"), legs=(rouble,)), cross("92.92", "81.23", TUESDAY)]

    [*_, baseline] = legacy.events_of(fixings, None, [], now=NOW)

    assert baseline == Baseline(at=NOW)


def test_what_was_held_back_for_two_symbols_is_said_once_when_the_first_was_seen() -> None:
    seen = datetime(2026, 9, 21, 10, tzinfo=UTC)
    leg = Rate(source="cbr", pair=Pair("USD", "RUB"), value=Decimal("99"), nominal=1, as_of=TUESDAY)
    rouble, som = Fixing(symbol=Pair("RUB", "USD"), legs=(leg,)), cross("92.92", "99", TUESDAY)
    for hours in (-1, 1):
        first, last = sorted((seen, seen + timedelta(hours=hours)))
        held = (LegacyHeld(fixing=rouble, first_seen=seen),)
        held += (LegacyHeld(fixing=som, first_seen=seen + timedelta(hours=hours)),)

        [_, said] = legacy.events_of([], LegacyMemory(held=held), [], now=NOW)

        assert isinstance(said, Said)
        assert said.at == first < last
        assert set(said.table.figures) == {leg.pair, Pair("KGS", "RUB")}


def test_what_was_held_back_is_said_again_after_the_baseline_with_its_whole_table(
    fixing_of: FixingOf,
) -> None:
    seen = datetime(2026, 9, 21, 10, tzinfo=UTC)
    today, before = fixing_of("KGS", "97.45", TUESDAY), fixing_of("KGS", "97.40", september(21))
    believed = fixing_of("KGS", "87.45", TUESDAY)
    remembered = table_of("nbkr", TUESDAY, USD="97.45", EUR="112.1")
    memory = LegacyMemory(
        tables=(remembered, table_of("nbkr", september(21), USD="87", EUR="101.6")),
        held=(LegacyHeld(fixing=today, first_seen=seen, earlier=(before,)),),
        doubted=frozenset({today, before}),
    )

    events = legacy.events_of([believed, before], memory, [], now=NOW)

    assert events == [
        Said(at=NOW, table=table_of("nbkr", TUESDAY, USD="87.45")),
        Baseline(at=NOW),
        Said(at=seen, table=table_of("nbkr", september(21), USD="97.40")),
        Said(at=seen, table=remembered),
    ]


def test_a_symbol_is_put_on_hold_as_it_was_published(quote_of: QuoteOf) -> None:
    coming = Announcement(price=Decimal("0.0114"), inverse=Decimal("87.7"), as_of=september(23))
    quote = quote_of("KGS", "87.45", as_of=TUESDAY, next=coming)

    events = legacy.events_of([], LegacyMemory(kept=frozenset({KGS, KZT})), [quote], now=NOW)

    on_hold = [event for event in events if isinstance(event, Order)]
    kept = replace(quote, status="unconfirmed", next=None, due_at=None)
    assert on_hold == [Order(at=NOW, verb="hold", symbol=KGS, quote=kept)]


def test_days_without_a_table_are_told_as_ranges(fixing_of: FixingOf) -> None:
    barren = {"nbkr": frozenset(map(september, (5, 6, 7, 9))), "nbk": frozenset({september(8)})}

    events = legacy.events_of(
        [fixing_of("KGS", "87.45", september(7))], LegacyMemory(barren=barren), [], now=NOW
    )

    assert [event for event in events if isinstance(event, Empty)] == [
        Empty(at=NOW, source="nbk", first=september(8), last=september(8)),
        Empty(at=NOW, source="nbkr", first=september(5), last=september(6)),
        Empty(at=NOW, source="nbkr", first=september(9), last=september(9)),
    ]


def test_the_days_between_the_publications_of_a_quote_are_known(
    fixing_of: FixingOf, quote_of: QuoteOf
) -> None:
    fixings = [
        fixing_of("KGS", "87.45", september(day), source)
        for day in (10, 17, 21, 25)
        for source in ("nbkr", "cbr")
    ]
    coming = Announcement(price=Decimal("0.0114"), inverse=Decimal("87.7"), as_of=september(25))
    facts: dict[str, Any] = {"as_of": september(21), "source": "demo:nbkr", "next": coming}
    known = quote_of("KGS", "87.45", previous=Decimal("0.0114"), **facts)

    compared = legacy.events_of(fixings, None, [known], now=NOW)
    alone = legacy.events_of(fixings, None, [replace(known, previous=None, next=None)], now=NOW)

    assert [event for event in compared if isinstance(event, Empty)] == [
        Empty(at=NOW, source="nbkr", first=september(18), last=september(20)),
        Empty(at=NOW, source="nbkr", first=september(22), last=september(24)),
    ]
    assert not any(isinstance(event, Empty) for event in alone)
