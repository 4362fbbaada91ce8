"""One source's days, and what the book keeps of all of them: the corners that no quote shows at once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from desks import (
    ALONE,
    BAND,
    FRI,
    HOURS,
    KGS,
    MINUTES,
    MON,
    PANEL,
    RULE,
    SAT,
    SUN,
    THU,
    TUE,
    WED,
    days_of,
    desk,
    market,
    noon,
    shown,
    som,
    table,
)

from ticker.rates.book import Book
from ticker.rates.events import Baseline, Empty, Entry, Order, Provisional, Said, Stood
from ticker.rates.guard import Guard
from ticker.rates.heard import Heard
from ticker.rates.series import Series, Word
from ticker.rates.tables import Route, Table, routes_of, tables_of
from ticker.sources import SOURCES


def one_table(usd: str, day: object = WED) -> Table:
    (found,) = tables_of(table(usd, day))  # type: ignore[arg-type]
    return found


def one_series() -> Series:
    return Series(
        SOURCES["nbkr"], KGS, band=BAND, tolerance=Decimal("0.015"), jump=Decimal("0.05"), serves=True
    )


def word(stated: Table, *, archive: bool = False) -> Word:
    (route,) = routes_of((KGS,), tuple(stated.figures))
    return Word(number=1, at=noon(stated.day), route=route, table=stated, archive=archive)


def test_a_word_has_the_price_of_its_fixing_either_way_round() -> None:
    said = word(one_table("87.4500"))

    assert (said.price, said.inverse) == (said.fixing.price, said.fixing.inverse)
    assert (said.symbol, said.is_direct, said.fixing.is_direct) == (KGS, False, False)


def test_a_word_in_the_direction_of_its_symbol_is_direct() -> None:
    stated = one_table("87.4500")
    pair = KGS.inverse

    said = Word(number=1, at=noon(WED), route=Route(pair, (pair,)), table=stated)

    assert (said.is_direct, said.fixing.is_direct, said.inverse) == (True, True, said.fixing.inverse)


def test_a_series_that_forgets_everything_has_nothing_newest() -> None:
    series = one_series()
    series.answer(word(one_table("87.4500")))

    series.drop_before(THU)

    assert (series.newest, series.last_stated(), series.last_fresh()) == (None, None, None)
    assert series.newest_word(FRI) is None


def test_a_repetition_of_a_day_that_was_never_stated_is_nothing() -> None:
    series = one_series()

    series.stand(WED)

    assert series.days == []


def test_an_archive_that_is_left_out_is_no_doubt() -> None:
    series = one_series()
    series.answer(word(one_table("8.7000"), archive=True))
    series.settle()

    assert (series.newest, series.in_doubt(WED), series.doubted(), series.newest_word(WED)) == (
        None,
        None,
        [],
        None,
    )


def test_a_publication_that_is_said_again_with_a_change_elsewhere_is_no_news() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.drain()

    one.post(table("87.4500", WED, others="1.001"), now=noon(WED) + HOURS)
    news = one.drain()

    assert (len(news.entries), news.fixings, news.gone) == (1, (), ())


def test_a_first_rate_that_is_turned_down_leaves_the_history() -> None:
    one = desk(RULE, first_start=True)
    one.post(table("101.3000", WED), now=noon(WED))
    one.waited("nbkr", now=noon(WED))
    assert days_of(one.drain().fixings) == {WED}

    one.post([market("floatrates", "87.40", WED)], now=noon(WED))

    assert days_of(one.drain().gone) == {WED}


def test_three_publications_of_which_one_is_absurd_prove_nothing() -> None:
    one = desk(ALONE, first_start=True)
    for value, day in (("8.7000", WED), ("87.4000", THU), ("87.5000", FRI)):
        one.post(table(value, day), now=noon(day))
    one.waited("nbkr", now=noon(FRI))

    assert shown(one).status == "unconfirmed"
    assert one.confirm(KGS, now=noon(FRI))[1].startswith("nbkr's 87.5000")


def test_a_jump_is_confirmed_by_where_two_others_are_that_said_nothing_before() -> None:
    one = desk(RULE)
    one.post(table("84.0000", WED), now=noon(WED))
    for minutes in (0, 10):
        one.post(table("93.8700", THU), now=noon(THU) + minutes * MINUTES)
    assert shown(one).status == "unconfirmed"

    for source in (PANEL[0], PANEL[2]):
        one.post([market(source, "93.90", THU)], now=noon(THU) + HOURS)

    assert shown(one) == ("93.8700", THU, "nbkr", "live")


def test_a_table_with_nothing_before_it_but_its_day_s_archive_moves_nothing_as_a_whole() -> None:
    one = desk(ALONE)
    one.teach([som("84.0000", WED)], now=noon(WED))
    one.none("nbkr", THU, now=noon(FRI))
    one._add(Baseline(at=noon(WED)))
    for minutes in (0, 10):
        one.post(table("93.8700", WED), now=noon(WED) + minutes * MINUTES)

    assert list(one.book.doubted()) == [("nbkr", KGS)]


def test_what_an_operator_could_accept_is_looked_for_behind_the_archive() -> None:
    one = desk(ALONE, first_start=True)
    one.teach([som("87.4500", WED), som("87.5000", THU)], now=noon(THU))

    assert one.confirm(KGS, now=noon(THU)) == ([], "")


def test_an_order_about_a_source_that_said_nothing_changes_nothing() -> None:
    one = desk(ALONE)

    one._add(Order(at=noon(WED), verb="confirm", symbol=KGS, table=one_table("87.4500")))

    assert (one.tick(now=noon(WED)), one.quotes) == ([], {})


def test_a_baseline_proves_all_but_what_it_names() -> None:
    one = desk(ALONE, first_start=True)
    one.post([som("87.4500", WED)], now=noon(WED))

    open_ = Provisional(source="nbkr", symbol=KGS, proof="none", waited=False)
    one._add(Baseline(at=noon(WED), provisional=(open_,)))
    assert (one.tick(now=noon(WED)), one.waiting()) == ([], {"nbkr"})

    one._add(Baseline(at=noon(WED)))
    one.tick(now=noon(WED))
    assert (shown(one).status, one.waiting()) == ("live", set())


def test_a_book_knows_its_events() -> None:
    book = Book([ALONE], sources=SOURCES, guard=Guard())

    with pytest.raises(TypeError, match="is no event"):
        book.apply(Entry(1, "nothing"))  # type: ignore[arg-type]


def test_a_source_that_says_twice_that_it_has_nothing_new_was_asked_once() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    told = len(one.entries)
    for hours in (1, 2):
        one.again("nbkr", now=noon(WED) + hours * HOURS)

    assert len(one.entries) == told


def test_a_repetition_that_was_wanted_needs_no_second_note_that_its_source_was_asked() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("93.8700", THU), now=noon(THU))

    one.again("nbkr", now=noon(THU) + 10 * MINUTES)

    assert [type(entry.event) for entry in one.entries[-2:]] == [Said, Stood]


def test_a_source_without_a_word_that_counts_has_published_what_is_doubted() -> None:
    one = desk(ALONE)
    one.post([som("8.7000", WED)], now=noon(WED))

    assert one.newest_publication("nbkr") == WED
    assert (one.repeats("nbkr", now=noon(WED)), len(one.dues("nbkr"))) == (0, 1)


def test_what_is_known_of_a_day_without_a_word_is_that_there_was_none() -> None:
    heard = Heard(SOURCES)
    heard.deny(Empty(at=datetime(2026, 9, 21, tzinfo=UTC), source="nbkr", first=SUN, last=MON))

    assert [heard.is_none("nbkr", day) for day in (SAT, SUN, MON)] == [False, True, False]
    heard.say(Said(at=noon(TUE), table=one_table("87.4500", TUE)))
    assert [heard.is_none("nbkr", day) for day in (SAT, MON, TUE)] == [False, True, True]
