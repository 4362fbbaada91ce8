"""What Redis keeps for the pollers alone: it comes back the same, and what was damaged is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticker import records
from ticker.rates.events import (
    Asked,
    Baseline,
    Empty,
    Event,
    Order,
    Provisional,
    Said,
    Stood,
    Verdict,
    Waited,
)
from ticker.rates.model import Fixing, Pair, Quote, Rate
from ticker.rates.tables import Figure, Table
from ticker.records import Document

KGS = Pair("KGS", "USD")
DAY = date(2026, 9, 16)
AT = datetime(2026, 9, 15, 10, 2, 11, 123456, tzinfo=UTC)
TABLE = Table(
    source="nbkr",
    day=DAY,
    figures={
        Pair("USD", "KGS"): Figure(Decimal("87.4500"), 1),
        Pair("KZT", "KGS"): Figure(Decimal("1.8590"), 10),
        Pair("USD", "EUR"): Figure(Decimal("0.86"), 1),
    },
)
SAID = Said(at=AT, table=TABLE, archive=True, document="0123456789abcdef" * 4)
QUOTE = Quote(
    symbol=KGS,
    price=Decimal("0.01143510577"),
    inverse=Decimal("87.4500"),
    previous=None,
    change=None,
    change_percent=None,
    as_of=DAY,
    source="nbkr",
    source_name="NBKR",
    status="unconfirmed",
    published_at=datetime(2026, 9, 15, 10, 2, 11, tzinfo=UTC),
)

# Fixings.

positive = st.decimals(min_value="0.0000000001", max_value="1e12", places=10)
moments = st.datetimes(datetime(1993, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - made aware here
    lambda at: at.replace(tzinfo=UTC)
)
days = st.dates(date(1993, 1, 1), date(2100, 1, 1))
legs = st.builds(
    Rate,
    source=st.sampled_from(["nbkr", "cbr"]),
    pair=st.just(Pair("USD", "KGS")),
    value=positive,
    nominal=st.integers(1, 10_000),
    as_of=days | moments.map(lambda at: at.replace(microsecond=0)),
)
fixings = st.builds(
    Fixing,
    symbol=st.just(KGS),
    legs=st.tuples(legs).filter(lambda all_: all_[0].mid),
    corrected=st.booleans(),
)


@settings(deadline=None)
@given(fixing=fixings)
def test_any_fixing_comes_back_the_same(fixing: Fixing) -> None:
    assert _again(fixing) == fixing


def test_a_fixing_comes_back_the_same_with_its_bank_s_digits() -> None:
    day = date(2026, 3, 3)
    legs = (
        Rate(source="cbr", pair=Pair("KGS", "RUB"), value=Decimal("88.2534"), nominal=100, as_of=day),
        Rate(source="cbr", pair=Pair("USD", "RUB"), value=Decimal("77.1770"), nominal=1, as_of=day),
    )
    fixing = Fixing(symbol=KGS, legs=legs)

    assert _again(fixing) == fixing
    assert "77.1770" in records.encode_fixing(fixing)


def test_a_row_of_the_history_is_short() -> None:
    leg = Rate(source="nbkr", pair=Pair("USD", "KGS"), value=Decimal("87.4500"), nominal=1, as_of=DAY)
    hundred = replace(leg, nominal=100)

    assert records.encode_fixing(Fixing(symbol=KGS, legs=(leg,))) == "2026-09-16|USD/KGS 87.4500"
    corrected = records.encode_fixing(Fixing(symbol=KGS, legs=(hundred,), corrected=True))
    assert corrected == "2026-09-16|USD/KGS 87.4500/100|c"


def test_a_row_of_an_earlier_version_is_read_as_well() -> None:
    text = (
        '{"symbol":"KGS/USD","source":"nbkr","legs":'
        '[{"pair":"USD/KGS","value":"87.4500","nominal":1,"as_of":"2026-09-16"}],"corrected":true}'
    )
    leg = Rate(source="nbkr", pair=Pair("USD", "KGS"), value=Decimal("87.4500"), nominal=1, as_of=DAY)

    fixing = records.decode_fixing(text, symbol=KGS, source="nbkr")

    assert fixing == Fixing(symbol=KGS, legs=(leg,), corrected=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-09-16",
        "2026-09-16|c",
        "2026-09-31|USD/KGS 87.45",
        "2026-09-16|USD/KGS 0.00",
        "2026-09-16|USD/KGS -1",
        "2026-09-16|USD/KGS 87.45/0",
        "2026-09-16|USD/KGS 87.45@noon",
        "2026-09-16|KGS/RUB 1",
        "2026-09-16|USD/RUB 1|KGS/RUB 1|USD/KGS 1",
        '{"symbol":"KGS/USD","source":"cbr","legs":'
        '[{"pair":"KGS/RUB","value":"1","nominal":1,"as_of":"2026-03-03"}]}',
    ],
)
def test_what_is_no_row_of_the_history_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong, the row is left out
        records.decode_fixing(text, symbol=KGS, source="cbr")


def _again(fixing: Fixing) -> Fixing:
    return records.decode_fixing(records.encode_fixing(fixing), symbol=fixing.symbol, source=fixing.source)


# Events.

codes = st.sampled_from(["USD", "KGS", "KZT", "EUR", "RUB"])
pairs = st.builds(Pair, codes, codes)
keys = st.sampled_from(["nbkr", "cbr", "fawazahmed0"])
figures = st.dictionaries(
    pairs, st.builds(Figure, positive, st.just(1) | st.integers(1, 100_000)), min_size=1, max_size=6
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    found, day = draw(figures), draw(days)
    times = st.times().map(lambda time: datetime.combine(day, time, UTC))
    kind = draw(st.sampled_from(["none", "one", "some"]))
    if kind == "none":
        return Table(source=draw(keys), day=day, figures=found)
    alike = dict.fromkeys(found, draw(times))
    some = draw(st.dictionaries(st.sampled_from(sorted(found)), times, min_size=1))
    return Table(source=draw(keys), day=day, figures=found, times=alike if kind == "one" else some)


quotes = st.builds(
    lambda price, day: replace(QUOTE, price=price, as_of=day), positive, days | st.just(QUOTE.published_at)
)
verdicts = st.builds(
    Verdict,
    source=keys,
    symbol=pairs,
    day=days,
    number=st.integers(1, 1 << 40),
    reason=st.text(min_size=1, max_size=80),
    by_hand=st.booleans(),
    absurd=st.booleans(),
)
provisional = st.builds(
    Provisional,
    source=st.just("nbk"),
    symbol=st.just(KGS),
    proof=st.sampled_from(["none", "archive"]),
    waited=st.booleans(),
)
events: dict[type, st.SearchStrategy[Any]] = {
    Said: st.builds(
        Said,
        at=moments,
        table=tables(),
        archive=st.booleans(),
        document=st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=3).map(" ".join),
    ),
    Empty: st.builds(
        lambda at, source, first, length: Empty(
            at=at, source=source, first=first, last=first + timedelta(days=length)
        ),
        moments,
        keys,
        days,
        st.integers(0, 400),
    ),
    Stood: st.builds(Stood, at=moments, source=keys, day=days),
    Asked: st.builds(Asked, at=moments, source=keys, answered=st.booleans()),
    Waited: st.builds(Waited, at=moments, source=keys),
    Order: st.builds(
        Order,
        at=moments,
        verb=st.sampled_from(["confirm", "hold", "release"]),
        symbol=pairs,
        table=st.none() | tables(),
        quote=st.none() | quotes,
    ),
    Baseline: st.builds(
        Baseline,
        at=moments,
        verdicts=st.lists(verdicts, max_size=3).map(tuple),
        provisional=st.lists(provisional, max_size=3).map(tuple),
    ),
}


@pytest.mark.parametrize("kind", events, ids=lambda kind: kind.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_any_event_comes_back_the_same(kind: type, data: st.DataObject) -> None:
    event = data.draw(events[kind])

    assert records.decode_event(records.encode_event(event)) == event


def test_every_event_has_its_text() -> None:
    assert set(events) == set(Event.__args__)  # type: ignore[attr-defined]


def test_a_table_is_written_shortly_and_with_its_bank_s_digits() -> None:
    assert json.loads(records.encode_event(SAID)) == {
        "e": "said",
        "at": "2026-09-15T10:02:11.123456Z",
        "s": "nbkr",
        "d": "2026-09-16",
        "p": "/KGS USD KZT /EUR USD",
        "f": "87.4500 1.8590/10 0.86",
        "a": 1,
        "x": "0123456789abcdef" * 4,
    }
    told = records.decode_event(records.encode_event(SAID))
    assert isinstance(told, Said)
    assert str(told.table.figures[Pair("USD", "KGS")].value) == "87.4500"
    assert list(told.table.figures) == list(TABLE.figures)


def test_a_table_of_an_aggregator_names_the_dollar_and_its_time_once() -> None:
    at = datetime(2026, 9, 16, 0, 0, 1, tzinfo=UTC)
    figures = {Pair("USD", code): Figure(Decimal("87.45"), 1) for code in ("KGS", "EUR", "JPY")}
    table = Table(source="erapi", day=DAY, figures=figures, times=dict.fromkeys(figures, at))

    told = json.loads(records.encode_event(Said(at=AT, table=table)))

    assert (told["p"], told["f"]) == ("USD/ KGS EUR JPY", "87.45 87.45 87.45")
    assert told["t"] == "2026-09-16T00:00:01Z"


def test_figures_that_were_read_are_those_that_were_written() -> None:
    """They are a mapping of their own, and must be equal to a dictionary either way round."""
    one, other, dearer = (
        read_again(table)
        for table in (TABLE, TABLE, replace(TABLE, figures={**TABLE.figures, KGS: Figure(Decimal(1), 1)}))
    )

    assert one == TABLE == one == other
    assert repr(one) == repr(TABLE)
    assert one != dearer
    assert one.figures != dict(dearer.figures)
    assert dict(dearer.figures) != one.figures
    assert Pair("USD", "KGS") in one.figures
    assert KGS not in one.figures
    assert one.figures.get(KGS) is None
    assert one.is_whole_with(other)
    assert one.says_as(dearer)


def test_tables_of_the_same_pairs_say_the_same_if_all_figures_are_equal() -> None:
    dollar = Pair("USD", "KGS")
    one, same, other = (
        read_again(replace(TABLE, figures={**TABLE.figures, dollar: Figure(Decimal(value), 1)}))
        for value in ("87.4500", "87.45", "87.46")
    )

    assert one.figures.keys() is other.figures.keys()
    assert one.says_as(same)
    assert not one.says_as(other)


def read_again(table: Table) -> Table:
    said = records.decode_event(records.encode_event(Said(at=AT, table=table)))
    assert isinstance(said, Said)
    return said.table


def test_an_instant_keeps_its_offset_which_says_of_which_day_it_is() -> None:
    at = datetime(2026, 9, 16, 2, tzinfo=timezone(timedelta(hours=5)))
    table = replace(TABLE, times={Pair("USD", "KGS"): at})

    told = records.decode_event(records.encode_event(Said(at=AT, table=table)))

    assert isinstance(told, Said)
    assert told.table.rate(Pair("USD", "KGS")).day == DAY


def test_an_event_may_be_damaged_in_any_place() -> None:
    """Whatever is still read is an event that can be written again."""
    text, read = records.encode_event(SAID), 0
    for at in range(len(text)):
        for other in ("", "0", "x", '"', "\u0663", text[at] * 2):
            damaged = text[:at] + other + text[at + 1 :]
            try:
                event = records.decode_event(damaged)
            except ValueError:
                continue
            read += 1
            assert records.decode_event(records.encode_event(event)) == event

    assert read < 6 * len(text) / 2


NO_EVENT: list[tuple[str, Any]] = [
    ("e", "table"),
    ("e", None),
    ("at", "2026-09-15T10:02:11"),
    ("at", "2026-09-15"),
    ("at", "2026-09-15T10:02:11+00:00"),
    ("at", 1_790_000_000),
    ("s", ""),
    ("s", 5),
    ("s", "x" * 41),
    ("d", "20260916"),
    ("d", "2026-W38-3"),
    ("d", "2026-09-31"),
    ("d", None),
    ("a", 2),
    ("a", True),
    ("a", "1"),
    ("x", "0123"),
    ("x", "G" * 64),
    ("x", 5),
    ("more", 1),
    ("t", "2026-09-17T00:00:01Z"),
    ("t", "2026-09-16"),
    ("t", {"2026-09-16T00:00:01Z": "USD/RUB"}),
    ("t", {"2026-09-16T00:00:01Z": "USD/KGS "}),
    ("t", {"2026-09-16T00:00:01Z": 5}),
    ("t", {"2026-09-16T00:00:01Z": [[]]}),
    ("t", {"soon": "USD/KGS"}),
    ("t", {}),
    ("t", []),
    ("t", 5),
    ("p", ""),
    ("p", "/KGS"),
    ("p", "KGS USD KZT EUR"),
    ("p", "/KGS USD KZT EUR RUB"),
    ("p", "/KGS USD KZT"),
    ("p", "/KGS USD  KZT /EUR USD"),
    ("p", "/KGS usd KZT /EUR USD"),
    ("p", "/KG USD KZT /EUR USD"),
    ("p", "/KGS USD KZT /KGS USD"),
    ("p", ["/KGS USD KZT /EUR USD"]),
    ("f", ""),
    ("f", "87.4500 1.8590"),
    ("f", "87.4500 1.8590 0.86 1"),
    ("f", "87.4500  0.86"),
    ("f", ["87.4500 1.8590 0.86"]),
    *(
        ("f", f"87.4500 {figure} 0.86")
        for figure in (
            "0",
            "0.000",
            "0.0/7",
            "-87.45",
            "NaN",
            "8e5",
            "8_7",
            "87.",
            "87,45",
            "8" * 31,
            "\u0668\u0667",
            "87.45/0",
            "87.45/",
            "87.45/1.5",
        )
    ),
]


@pytest.mark.parametrize(("key", "value"), NO_EVENT)
def test_what_is_no_event_is_refused(key: str, value: object) -> None:
    text = json.dumps({**json.loads(records.encode_event(SAID)), key: value})

    with pytest.raises(ValueError, match=r".+"):
        records.decode_event(text)


ORDER = Order(at=AT, verb="hold", symbol=KGS, table=TABLE, quote=QUOTE)
UNPROVEN = Baseline(at=AT, provisional=(Provisional(source="nbk", symbol=KGS, proof="none", waited=True),))
BASELINE = Baseline(at=AT, verdicts=(Verdict(source="nbk", symbol=KGS, day=DAY, number=7, reason="+12 %"),))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"e":"said"',
        records.encode_event(Empty(at=AT, source="nbk", first=DAY, last=DAY)).replace(
            '"to":"2026-09-16"', '"to":"2026-09-15"'
        ),
        records.encode_event(Asked(at=AT, source="nbk", answered=True)).replace('"ok":1', '"ok":[]'),
        records.encode_event(Asked(at=AT, source="nbk", answered=True)).replace('"ok":1', '"ok":1.0'),
        records.encode_event(ORDER).replace('"hold"', '"held"'),
        records.encode_event(ORDER).replace('"p":"KGS/USD"', '"p":"KGS"'),
        records.encode_event(ORDER).replace("/KGS USD", "/KGS US"),
        records.encode_event(ORDER).replace('"table":{', '"table":[{').replace("}}", "}]}"),
        records.encode_event(ORDER).replace('"price":"0', '"price":"-0'),
        records.encode_event(ORDER).replace('"table":{', '"table":{"a":1,'),
        records.encode_event(BASELINE).replace('"n":7', '"n":0'),
        records.encode_event(BASELINE).replace('"n":7', '"n":true'),
        records.encode_event(BASELINE).replace('"why"', '"how"'),
        records.encode_event(BASELINE).replace('"n":7', '"n":7,"more":1'),
        records.encode_event(BASELINE).replace("[{", "{").replace("}]", "}"),
        records.encode_event(UNPROVEN).replace('"none"', '"full"'),
        records.encode_event(UNPROVEN).replace('"waited":1', '"waited":2'),
        records.encode_event(UNPROVEN).replace('"proof"', '"poof"'),
        *(records.encode_event(Baseline(at=AT)).replace("}", f',"v":{value}}}') for value in (5, 0, '""')),
        records.encode_event(BASELINE).replace("[{", "[[{").replace("}]", "}]]"),
    ],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        records.decode_event(text)


# Documents.


def test_a_document_is_named_by_its_bytes_and_gives_them_back() -> None:
    raw = b"<CurrencyRates Name='Daily Exchange Rates' Date='16.09.2026'>" * 9
    document = Document.of(
        raw, source="nbkr", address="https://www.nbkr.kg/XML/daily.xml", asked=DAY, heard=AT
    )

    assert document.sha256 == hashlib.sha256(raw).hexdigest()
    assert document.raw == raw
    assert len(document.body) < len(raw) / 4
    assert (document.first_heard, document.last_heard) == (AT, AT)


def test_a_document_comes_back_the_same() -> None:
    document = Document.of(b"{}", source="cbu", address="https://cbu.uz/x?a=1&b=2", asked=DAY, heard=AT)
    heard = replace(document, last_heard=AT + timedelta(hours=3))

    assert records.decode_document(heard.sha256, heard.body, records.encode_about(heard)) == heard


@pytest.mark.parametrize("damage", [slice(0, 0), slice(0, 10), slice(5, 6)])
def test_damaged_bytes_are_no_document(damage: slice) -> None:
    document = Document.of(b"87.4500 som", source="nbkr", address="https://x", asked=DAY, heard=AT)
    other = Document.of(b"87.4600 som", source="nbkr", address="https://x", asked=DAY, heard=AT)

    for body in (document.body[damage], other.body):
        with pytest.raises(ValueError, match=document.sha256):
            _ = replace(document, body=body).raw


@pytest.mark.parametrize(
    ("sha256", "key", "value"),
    [
        ("0" * 63, "s", "nbkr"),
        ("x" * 64, "s", "nbkr"),
        ("0" * 64, "s", ""),
        ("0" * 64, "u", 5),
        ("0" * 64, "d", "today"),
        ("0" * 64, "first", "2026-09-16"),
        ("0" * 64, "last", None),
        ("0" * 64, "more", 1),
    ],
)
def test_what_is_no_document_is_refused(sha256: str, key: str, value: object) -> None:
    document = Document.of(b"{}", source="cbu", address="https://cbu.uz/", asked=DAY, heard=AT)
    about = json.dumps({**json.loads(records.encode_about(document)), key: value})

    with pytest.raises(ValueError, match=r".+"):
        records.decode_document(sha256, document.body, about)
