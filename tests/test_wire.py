"""Stream protocol 1 as text: what goes out comes back the same, what comes in is checked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticker import wire
from ticker.rates.model import Announcement, Cursor, Pair, Quote, Selection
from ticker.wire import BadFrame

KGS, TJS, UZS = (Pair(code, "USD") for code in ("KGS", "TJS", "UZS"))
ALL = (KGS, TJS, UZS)
TIME = "2026-09-29T10:02:11.250Z"

QUOTE = Quote(
    symbol=KGS,
    price=Decimal("0.01143510577"),
    inverse=Decimal("87.4500"),
    previous=Decimal("0.01143510577"),
    change=Decimal(0),
    change_percent=Decimal("0.00"),
    as_of=date(2026, 9, 29),
    source="nbkr",
    source_name="NBKR",
    status="live",
    published_at=datetime(2026, 9, 28, 10, 2, 11, tzinfo=UTC),
    value=Decimal("87.4500"),
    nominal=1,
    direction=Pair("USD", "KGS"),
    due_at=datetime(2026, 9, 30, 8, 30, tzinfo=UTC),
)


def test_a_quote_travels_as_the_protocol_says() -> None:
    assert json.loads(wire.encode_quote(QUOTE)) == {
        "symbol": "KGS/USD",
        "price": "0.01143510577",
        "inverse": "87.4500",
        "previous": "0.01143510577",
        "change": "0",
        "change_percent": "0.00",
        "as_of": "2026-09-29",
        "source": "nbkr",
        "source_name": "NBKR",
        "status": "live",
        "published_at": "2026-09-28T10:02:11Z",
        "value": "87.4500",
        "nominal": 1,
        "direction": "USD/KGS",
        "next": None,
        "corrected": False,
        "due_at": "2026-09-30T08:30:00Z",
    }


def test_a_rate_of_tomorrow_travels_with_the_quote() -> None:
    coming = Announcement(price=Decimal("0.0114"), inverse=Decimal("87.7193"), as_of=date(2026, 9, 30))

    told = json.loads(wire.encode_quote(replace(QUOTE, next=coming, corrected=True)))

    assert told["next"] == {"price": "0.0114", "inverse": "87.7193", "as_of": "2026-09-30"}
    assert told["corrected"] is True


def test_a_quote_of_a_version_that_announced_nothing_is_read() -> None:
    told = json.loads(wire.encode_quote(QUOTE))
    del told["next"], told["corrected"]

    assert wire.decode_quote(json.dumps(told)) == QUOTE


def test_a_quote_of_a_version_that_told_no_due_time_is_read() -> None:
    told = json.loads(wire.encode_quote(QUOTE))
    del told["due_at"]

    assert wire.decode_quote(json.dumps(told)) == replace(QUOTE, due_at=None)


def test_a_quote_of_a_version_that_named_no_source_is_read_with_its_key() -> None:
    told = json.loads(wire.encode_quote(QUOTE))
    del told["source_name"]

    assert wire.decode_quote(json.dumps(told)) == replace(QUOTE, source_name="nbkr")


def test_the_site_of_a_source_travels_only_where_its_terms_require_it() -> None:
    somoni = replace(QUOTE, source="nbt", source_name="NBT", source_site="www.nbt.tj")

    assert json.loads(wire.encode_quote(somoni))["source_site"] == "www.nbt.tj"
    assert "source_site" not in json.loads(wire.encode_quote(QUOTE))


def test_where_nothing_is_due_the_due_time_is_null() -> None:
    told = json.loads(wire.encode_quote(replace(QUOTE, status="pegged", due_at=None)))

    assert told["due_at"] is None


def test_a_due_time_travels_in_utc() -> None:
    local = datetime(2026, 9, 30, 14, 30, tzinfo=timezone(timedelta(hours=6)))

    assert json.loads(wire.encode_quote(replace(QUOTE, due_at=local)))["due_at"] == "2026-09-30T08:30:00Z"


def test_a_tiny_price_travels_without_an_exponent() -> None:
    assert wire.plain(Decimal("7.698E-5")) == "0.00007698"


positive = st.decimals(min_value="0.0000000001", max_value="1e12", places=10)
signed = st.decimals(min_value="-1e6", max_value="1e6", places=10)
moments = st.datetimes(
    datetime(1993, 1, 1),  # noqa: DTZ001 - made aware right here
    datetime(2100, 1, 1),  # noqa: DTZ001
).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))
days = st.dates(date(1993, 1, 1), date(2100, 1, 1)) | moments
quotes = st.builds(
    Quote,
    symbol=st.sampled_from(ALL),
    price=positive,
    inverse=positive,
    previous=st.none() | positive,
    change=st.none() | signed,
    change_percent=st.none() | signed,
    as_of=days,
    source=st.sampled_from(["nbkr", "demo:cbr"]),
    source_name=st.sampled_from(["NBKR", "demo:CBR"]),
    status=st.sampled_from(["live", "pegged", "unconfirmed", "stale", "fallback"]),
    published_at=st.just(QUOTE.published_at),
    value=st.none() | positive,
    nominal=st.none() | st.integers(1, 10000),
    direction=st.none() | st.just(Pair("USD", "KGS")),
    next=st.none() | st.builds(Announcement, price=positive, inverse=positive, as_of=days),
    corrected=st.booleans(),
    due_at=st.none() | moments,
    source_site=st.sampled_from(["", "www.nbt.tj"]),
)


@settings(deadline=None)
@given(quote=quotes)
def test_any_quote_comes_back_the_same(quote: Quote) -> None:
    assert wire.decode_quote(wire.encode_quote(quote)) == quote


@settings(deadline=None)
@given(some=st.lists(quotes, max_size=4))
def test_a_list_of_quotes_comes_back_the_same(some: list[Quote]) -> None:
    text = f"[{','.join(map(wire.encode_quote, some))}]"

    assert wire.decode_quotes(text) == tuple(some)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_damaged_quote_is_refused_or_still_a_quote(data: st.DataObject) -> None:
    text = wire.encode_quote(QUOTE)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[end:]
    try:
        quote = wire.decode_quote(damaged)
    except ValueError:
        return

    assert wire.decode_quote(wire.encode_quote(quote)) == quote


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "0"),
        ("price", "0.000"),
        ("price", "-1"),
        ("price", "NaN"),
        ("price", 1.5),
        ("price", "1e3"),
        ("status", "fine"),
        ("symbol", "KGSUSD"),
        ("published_at", "2026-09-28T10:02:11"),
        ("as_of", "29.09.2026"),
        ("nominal", 0),
        ("nominal", True),
        ("extra", 1),
        ("next", {"price": "0.0114", "as_of": "2026-09-30"}),
        ("next", {"price": "0", "inverse": "87", "as_of": "2026-09-30"}),
        ("corrected", "yes"),
        ("due_at", "2026-09-30T08:30:00"),
        ("due_at", ""),
        ("due_at", "tomorrow"),
        ("due_at", 1790757000),
    ],
)
def test_what_is_no_quote_is_refused(field: str, value: object) -> None:
    text = json.dumps({**json.loads(wire.encode_quote(QUOTE)), field: value})

    with pytest.raises(ValueError, match=r".+"):
        wire.decode_quote(text)


def test_a_moment_is_told_in_utc_to_the_millisecond() -> None:
    at = datetime(2026, 9, 29, 15, 2, 11, 250_999, tzinfo=timezone(timedelta(hours=5)))

    assert wire.encode_moment(at) == "2026-09-29T10:02:11.250Z"


def test_frames_are_json_with_their_type_and_cursor() -> None:
    quote = wire.encode_quote(QUOTE)

    assert json.loads(wire.encode_quotes("snapshot", "1-2", TIME, [quote, quote])) == {
        "type": "snapshot",
        "cursor": "1-2",
        "time": TIME,
        "quotes": [json.loads(quote)] * 2,
    }
    awaited = json.loads(wire.encode_quotes("update", "1-2", TIME, [], [(KGS, 'answered "no"\n')]))
    assert awaited["awaited"] == {"KGS/USD": 'answered "no"\n'}
    assert json.loads(wire.encode_heartbeat("1-2", TIME)) == {
        "type": "heartbeat",
        "cursor": "1-2",
        "time": TIME,
    }
    assert json.loads(wire.encode_error("bad_request", 'a "word"')) == {
        "type": "error",
        "code": "bad_request",
        "message": 'a "word"',
    }


def test_a_subscribe_frame_names_its_symbols() -> None:
    assert wire.decode_subscribe('{"type":"subscribe","symbols":["KGS","TJS/USD"]}') == ("KGS", "TJS/USD")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Invalid JSON"),
        ("[]", "the frame"),
        ('{"type":"subscribe"}', "symbols: Field required"),
        ('{"type":"subscribe","symbols":[]}', "symbols: List should have at least 1 item"),
        ('{"type":"unsubscribe","symbols":["KGS"]}', "type: "),
        ('{"type":"subscribe","symbols":[5]}', "symbols.0: "),
        ('{"type":"subscribe","symbols":["KGS"],"x":1}', "x: Extra inputs"),
        ("[" * 100_000, "the frame"),
    ],
)
def test_a_bad_client_frame_is_answered_in_words(text: str, words: str) -> None:
    with pytest.raises(BadFrame) as refusal:
        wire.decode_subscribe(text)

    assert str(refusal.value).startswith('expected {"type":"subscribe","symbols":["KGS/USD"]}, but ')
    assert words in str(refusal.value)


def test_no_symbols_select_everything() -> None:
    assert wire.select((), ALL) == Selection(symbols=ALL, tag=0, is_all=True)
    assert wire.select(("uzs", "kgs/usd", "TJS", "TJS"), ALL) == Selection(symbols=ALL, tag=0)


def test_a_selection_keeps_the_order_of_the_configuration() -> None:
    assert wire.select(("UZS", "KGS"), ALL).symbols == (KGS, UZS)


def test_a_selection_may_name_symbols_the_other_way_round_or_both_ways() -> None:
    usd_kgs = KGS.inverse

    assert wire.select(("USD/KGS",), ALL).symbols == (usd_kgs,)
    assert wire.select(("uzs", "usdkgs", "KGS-USD"), ALL).symbols == (KGS, usd_kgs, UZS)
    tags = [wire.select(names, ALL).tag for names in (("KGS",), ("USD/KGS",), ("KGS", "USD/KGS"))]
    assert len({0, *tags}) == 4
    assert wire.select(("USD/KGS",), (KGS, usd_kgs)) == replace(
        wire.select(("USD/KGS",), ALL), has_reversed=False
    )


@pytest.mark.parametrize("text", ["EUR", "KGS/EUR", "EUR/KGS"])
def test_a_symbol_that_is_not_served_is_named(text: str) -> None:
    with pytest.raises(BadFrame, match=r"is not served here; the symbols are KGS/USD, TJS/USD, UZS/USD"):
        wire.select((text,), ALL)


@pytest.mark.parametrize("text", ["K", "KGS/US", "KGS_USD", "", "../etc"])
def test_what_is_no_symbol_is_said_so(text: str) -> None:
    with pytest.raises(BadFrame, match="is not a symbol like KGS or KGS/USD"):
        wire.select((text,), ALL)


CURSOR = Cursor(1_790_000_000_000, 17)
EVERYTHING, SOME, OTHER = (wire.select(names, ALL) for names in ((), ("KGS",), ("KGS", "TJS")))


def test_a_cursor_of_everything_is_the_stream_s_own_id() -> None:
    assert wire.stamp(CURSOR, EVERYTHING) == "1790000000000-17"


@pytest.mark.parametrize("selection", [EVERYTHING, SOME, OTHER])
def test_a_cursor_is_good_for_its_own_selection(selection: Selection) -> None:
    assert wire.read_cursor(wire.stamp(CURSOR, selection), selection) == CURSOR


def test_a_cursor_of_everything_is_good_for_a_part() -> None:
    assert wire.read_cursor(wire.stamp(CURSOR, EVERYTHING), SOME) == CURSOR


@pytest.mark.parametrize("names", [("USD/KGS",), ("KGS", "USD/KGS"), ("KGS", "TJS", "UZS", "USD/UZS")])
def test_a_cursor_of_everything_is_not_good_for_a_reverse_symbol(names: tuple[str, ...]) -> None:
    selection = wire.select(names, ALL)

    assert wire.read_cursor(wire.stamp(CURSOR, EVERYTHING), selection) is None
    assert wire.read_cursor(wire.stamp(CURSOR, selection), selection) == CURSOR


@pytest.mark.parametrize(("had", "wants"), [(SOME, OTHER), (OTHER, SOME), (SOME, EVERYTHING)])
def test_a_cursor_of_another_selection_is_not_good(had: Selection, wants: Selection) -> None:
    assert wire.read_cursor(wire.stamp(CURSOR, had), wants) is None


def test_the_cursors_of_one_selection_rise() -> None:
    texts = [wire.stamp(Cursor(1, number), SOME) for number in (1, 2, 11)]

    assert sorted(texts, key=Cursor.parse) == texts


@pytest.mark.parametrize(
    "text", ["", "17", "1-2-3", "a-b", "-1-2", "1-", "1" * 21 + "-1", "99999999999999999999-1", "1-٣"]
)
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert wire.read_cursor(text, EVERYTHING) is None
