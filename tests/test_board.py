"""What a quote is worth: the board; and what a reader has not seen: the mirror."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticker.board import Board, Mirror, Rule, change_percent, consensus, fixing_of, published
from ticker.guard import Guard
from ticker.model import NOWHERE, Announcement, Cursor, Fixing, Pair, Quote, Rate
from ticker.sources import SOURCES

KGS, TMT = Pair("KGS", "USD"), Pair("TMT", "USD")
BISHKEK = ZoneInfo("Asia/Bishkek")
WED = date(2026, 9, 16)  # no holiday near, in none of the countries
THU, FRI, SAT, SUN, MON, TUE = (WED + timedelta(days=days) for days in range(1, 7))
HOURS = timedelta(hours=1)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=BISHKEK)


def som(value: str, as_of: date, *, base: str = "USD") -> Rate:
    return Rate(source="nbkr", pair=Pair(base, "KGS"), value=Decimal(value), nominal=1, as_of=as_of)


def table(usd: str, as_of: date, *, others: str = "1") -> list[Rate]:
    """NBKR's table: the dollar, and three more currencies, each `others` times its usual figure."""
    usual = {"EUR": "101.5076", "CNY": "12.0713", "RUB": "1.1330"}
    factor = Decimal(others)
    return [
        som(usd, as_of),
        *(som(str(Decimal(figure) * factor), as_of, base=base) for base, figure in usual.items()),
    ]


def roubles(base: str, value: str, nominal: int, as_of: date) -> Rate:
    return Rate(source="cbr", pair=Pair(base, "RUB"), value=Decimal(value), nominal=nominal, as_of=as_of)


def cbr_table(as_of: date, *, kgs: str = "88.2534") -> list[Rate]:
    """The Bank of Russia's: 88.2534 roubles for 100 som and 77.1770 for a dollar are 87.4493 som a dollar."""
    return [roubles("KGS", kgs, 100, as_of), roubles("USD", "77.1770", 1, as_of)]


def market(source: str, value: str, as_of: date) -> Rate:
    return Rate(source=source, pair=Pair("USD", "KGS"), value=Decimal(value), nominal=1, as_of=as_of)


PEG = Rate(source="peg", pair=Pair("USD", "TMT"), value=Decimal("3.5"), nominal=1, as_of=date(2015, 1, 1))
BAND = (Decimal(60), Decimal(130))
PANEL = ("fawazahmed0", "frankfurter", "floatrates")
RULE = Rule(symbol=KGS, chain=("nbkr", "cbr"), authorities=frozenset({"nbkr"}), panel=PANEL, band=BAND)
ALONE = replace(RULE, chain=("nbkr",), panel=())
PEGGED = Rule(symbol=TMT, chain=("cbt", "cbr"), authorities=frozenset({"cbt"}), peg=PEG)


NOBODY_ELSE = SOURCES.keys() - {"nbkr", "cbr", *PANEL}


def board(*rules: Rule, **others: Any) -> Board:
    return Board(rules or (RULE,), sources=SOURCES, **others)


def of(quotes: Iterable[Quote], symbol: Pair = KGS) -> Quote:
    found = [quote for quote in quotes if quote.symbol == symbol]
    assert len(found) == 1
    return found[0]


def shown(one: Board, symbol: Pair = KGS) -> tuple[str, date, str, str]:
    quote = one.quotes[symbol]
    return str(quote.inverse), quote.as_of, quote.source, quote.status


# A quote


def test_the_first_fixing_is_the_value_with_its_bank_s_own_words_and_an_unknown_change() -> None:
    quote = of(board().post([som("87.4500", WED)], now=noon(WED)))

    assert quote == Quote(
        symbol=KGS,
        price=Decimal("0.01143510577"),
        inverse=Decimal("87.4500"),
        previous=None,
        change=None,
        change_percent=None,
        as_of=WED,
        source="nbkr",
        status="live",
        published_at=noon(WED),
        value=Decimal("87.4500"),
        nominal=1,
        direction=Pair("USD", "KGS"),
    )
    assert str(quote.inverse) == "87.4500"


def test_the_change_is_that_of_the_same_source_at_full_precision() -> None:
    one = board()
    one.post([som("87.4500", WED)], now=noon(WED))

    quote = of(one.post([som("87.8303", THU)], now=noon(THU)))

    # 1/87.8303 - 1/87.45 = -0.00004951333...; 87.45/87.8303 - 1 = -0.43299...%
    assert (quote.previous, quote.change, quote.change_percent) == (
        Decimal("0.01143510577"),
        Decimal("-0.00004951333"),
        Decimal("-0.43"),
    )


def test_an_unchanged_rate_of_a_new_day_is_a_change_of_nought_and_not_of_minus_nought() -> None:
    one = board()
    one.post(table("87.4500", WED), now=noon(WED))

    quote = of(one.post(table("87.4500", THU, others="1.001"), now=noon(THU)))

    assert (str(quote.change), str(quote.change_percent), quote.as_of) == ("0", "0.00", THU)


def test_a_fall_that_rounds_to_nought_is_not_minus_nought() -> None:
    assert str(change_percent(Decimal("1.00000"), Decimal("1.00004"))) == "0.00"


@pytest.mark.parametrize(
    ("price", "previous", "percent"),
    [("1.00005", "1", "0.01"), ("0.99995", "1", "-0.01"), ("1.000049", "1", "0.00"), ("3", "2", "50.00")],
)
def test_a_percentage_is_rounded_half_up_and_last(price: str, previous: str, percent: str) -> None:
    assert str(change_percent(Decimal(price), Decimal(previous))) == percent


def test_the_same_table_again_changes_nothing() -> None:
    one = board()
    one.post([som("87.4500", WED)], now=noon(WED))

    assert one.post([som("87.4500", WED)], now=noon(WED) + HOURS) == []


def test_the_label_stands_before_every_source() -> None:
    quotes = board(RULE, PEGGED, label="demo").post([som("87.4500", WED)], now=noon(WED))

    assert {quote.source for quote in quotes} == {"demo:nbkr", "demo:peg"}


def test_a_symbol_that_no_source_has_gets_no_quote() -> None:
    assert board(replace(RULE, chain=(), panel=())).post([som("87.4500", WED)], now=noon(WED)) == []


def test_a_pair_that_the_bank_lists_itself_keeps_the_bank_s_digits() -> None:
    fixing = fixing_of(Pair("EUR", "KGS"), table("87.4500", WED))

    assert fixing is not None
    assert str(published(fixing)) == "101.5076"


def test_a_cross_of_two_foreign_currencies_is_taken_over_the_bank_s_own() -> None:
    fixing = fixing_of(Pair("EUR", "USD"), table("87.4500", WED))

    assert fixing is not None
    assert published(fixing) == Decimal("1.160750143")


def test_an_aggregator_s_cross_is_taken_over_the_dollar() -> None:
    euro = Rate(source="floatrates", pair=Pair("USD", "EUR"), value=Decimal("0.8564"), nominal=1, as_of=WED)

    fixing = fixing_of(Pair("EUR", "KGS"), [euro, market("floatrates", "87.45", WED)])

    assert fixing is not None
    assert published(fixing) == Decimal("102.1134984")


def test_a_cross_has_no_single_figure_of_a_bank() -> None:
    one = board(replace(ALONE, chain=("cbr",), authorities=frozenset({"cbr"})))

    quote = of(one.post(cbr_table(WED), now=noon(WED)))

    # (88.2534 / 100) / 77.1770 = 0.011435194423...
    assert (quote.price, quote.value, quote.direction) == (Decimal("0.01143519442"), None, None)


def test_a_table_without_the_currency_gives_nothing() -> None:
    assert fixing_of(Pair("EUR", "USD"), [som("87.4500", WED)]) is None


# Two days at once


def test_a_rate_of_tomorrow_is_announced_and_is_the_value_at_midnight_of_its_country() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    midnight = datetime(2026, 9, 17, tzinfo=BISHKEK)

    announced = of(one.post([som("87.8303", THU)], now=noon(WED) + 5 * HOURS))
    before = one.tick(now=midnight - timedelta(microseconds=1))
    after = of(one.tick(now=midnight))

    coming = Announcement(price=Decimal("0.01138559244"), inverse=Decimal("87.8303"), as_of=THU)
    assert (str(announced.inverse), announced.as_of, announced.next) == ("87.4500", WED, coming)
    assert before == []
    assert (str(after.inverse), after.as_of, after.next, after.status) == ("87.8303", THU, None, "live")
    assert after.change_percent == Decimal("-0.43")


def test_the_day_of_a_stand_in_begins_at_midnight_of_its_own_country() -> None:
    one = board(absent=["nbkr"])
    one.post([*cbr_table(WED), *cbr_table(THU, kgs="88.0000")], now=noon(WED))
    moscow = datetime(2026, 9, 17, tzinfo=ZoneInfo("Europe/Moscow"))

    assert one.tick(now=moscow - timedelta(seconds=1)) == []
    assert of(one.tick(now=moscow)).as_of == THU


def test_a_bank_of_which_only_tomorrow_is_known_has_no_value_yet() -> None:
    one = board(ALONE)

    assert one.post([som("87.4500", THU)], now=noon(WED)) == []
    assert of(one.tick(now=noon(THU))).as_of == THU


def test_nobody_stands_in_for_a_bank_whose_history_may_hold_today() -> None:
    one = board()
    one.expect(["nbkr"])
    one.post(cbr_table(WED), now=noon(WED))

    assert one.post([som("87.8303", THU)], now=noon(WED)) == []
    assert (
        shown_after(one.learn([som("87.4500", WED), som("87.4000", TUE - 7 * DAY)], now=noon(WED))) == "nbkr"
    )


DAY = timedelta(days=1)


def shown_after(quotes: Iterable[Quote]) -> str:
    return of(quotes).source


def test_somebody_stands_in_when_the_history_could_not_be_had() -> None:
    one = board()
    one.expect(["nbkr"])
    one.post([*cbr_table(WED), som("87.8303", THU)], now=noon(WED))

    one.expect_no_longer("nbkr")

    assert shown_after(one.tick(now=noon(WED))) == "cbr"


def test_a_correction_of_the_day_that_holds_says_so_for_as_long_as_it_is_the_value() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("87.8303", THU)], now=noon(THU))

    quote = of(one.post([som("87.6000", THU)], now=noon(THU) + HOURS))

    assert (str(quote.inverse), quote.as_of, quote.corrected) == ("87.6000", THU, True)
    assert quote.previous == Decimal("0.01143510577")
    assert of(one.post([som("87.7000", FRI)], now=noon(FRI))).corrected is False


def test_a_correction_of_an_announcement_is_just_another_announcement() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED), som("87.8303", THU)], now=noon(WED))

    changed = of(one.post([som("87.6000", THU)], now=noon(WED) + HOURS))
    later = of(one.tick(now=noon(THU)))

    assert changed.next
    assert (str(changed.next.inverse), changed.corrected) == ("87.6000", False)
    assert (str(later.inverse), later.corrected) == ("87.6000", False)


def test_an_aggregator_that_moves_during_the_day_corrects_nothing() -> None:
    one = board(replace(ALONE, chain=("fawazahmed0",), authorities=frozenset({"fawazahmed0"})))
    one.post([market("fawazahmed0", "87.4500", WED)], now=noon(WED))

    quote = of(one.post([market("fawazahmed0", "87.4600", WED)], now=noon(WED)))

    assert (str(quote.inverse), quote.corrected) == ("87.4600", False)


def test_an_older_table_is_remembered_but_is_not_the_value() -> None:
    one = board(ALONE)
    one.post([som("87.6000", THU)], now=noon(THU))

    quote = of(one.post([som("87.4500", WED)], now=noon(THU)))

    assert (quote.as_of, str(quote.inverse), quote.previous) == (THU, "87.6000", Decimal("0.01143510577"))


def test_a_table_stamped_anew_on_a_weekend_is_no_publication() -> None:
    one = board(ALONE)
    one.post([som("87.4500", FRI)], now=noon(FRI))
    one.post([som("87.6000", SAT)], now=noon(SAT))

    assert one.post([som("87.6000", SUN)], now=noon(SUN)) == []
    assert one.post([som("87.6000", MON)], now=noon(MON)) == []

    quote = of(one.post([som("87.7000", TUE)], now=noon(TUE)))
    assert quote.previous == published(Fixing(symbol=KGS, legs=(som("87.6000", SAT),)))


def test_a_new_rate_on_a_weekend_is_a_publication() -> None:
    one = board(ALONE)
    one.post([som("87.6000", SAT)], now=noon(SAT))

    assert of(one.post([som("88.0000", SUN)], now=noon(SUN))).as_of == SUN


def test_yesterday_s_whole_table_under_today_s_date_is_no_publication_and_soon_a_missed_one() -> None:
    one = board()
    one.post([*table("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    one.post(cbr_table(THU, kgs="88.3000"), now=noon(WED))

    assert one.post(table("87.4500", THU), now=noon(WED) + 6 * HOURS) == []
    quote = of(one.tick(now=noon(THU)))

    assert (quote.source, quote.status, quote.as_of) == ("cbr", "fallback", THU)
    assert one.missed("nbkr", now=noon(THU)) == 1


def test_a_table_of_one_currency_may_well_stand_still() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    assert of(one.post([som("87.4500", THU)], now=noon(THU))).as_of == THU


# Who is heard


def test_a_stand_in_is_silent_while_the_authority_has_not_failed() -> None:
    assert board().post(cbr_table(WED), now=noon(WED)) == []


def test_a_stand_in_speaks_when_the_authority_failed_and_is_marked_and_has_its_own_change() -> None:
    one = board()
    one.post(cbr_table(WED), now=noon(WED))
    one.post(cbr_table(THU, kgs="89.0000"), now=noon(THU))

    quote = of(one.miss("nbkr", now=noon(THU)))

    assert (quote.source, quote.status, quote.change_percent) == ("cbr", "fallback", Decimal("0.85"))


def test_nobody_waits_for_an_authority_that_is_not_polled_and_its_stand_in_is_no_authority() -> None:
    quote = of(board(absent=["nbkr"]).post(cbr_table(WED), now=noon(WED)))

    assert (quote.source, quote.status) == ("cbr", "fallback")


def test_an_authority_that_fails_keeps_the_value_that_it_gave_until_it_misses_its_slot() -> None:
    one = board()
    one.post([*cbr_table(WED), som("87.4500", WED)], now=noon(WED))
    one.post(cbr_table(THU, kgs="88.3000"), now=noon(WED))
    due = datetime(2026, 9, 17, 3, tzinfo=BISHKEK)  # three hours into the day

    assert one.miss("nbkr", now=noon(WED) + HOURS) == []
    assert one.tick(now=due - timedelta(seconds=1)) == []
    quote = of(one.tick(now=due))
    assert (quote.source, quote.status, quote.as_of) == ("cbr", "fallback", THU)


def test_a_stand_in_with_nothing_newer_leaves_the_authority_s_last_word_called_stale() -> None:
    one = board()
    one.post([*cbr_table(WED), som("87.4500", WED)], now=noon(WED))

    quote = of(one.tick(now=noon(THU)))

    assert (quote.source, quote.status, str(quote.inverse)) == ("nbkr", "stale", "87.4500")


def test_a_stand_in_that_is_late_too_is_the_last_word_and_called_stale() -> None:
    quote = of(board(absent=["nbkr"]).post(cbr_table(WED), now=noon(FRI)))

    assert (quote.source, quote.status) == ("cbr", "stale")


def test_an_authority_that_comes_back_is_the_value_at_once_and_its_change_its_own() -> None:
    one = board()
    one.post([*cbr_table(WED), som("87.4500", WED)], now=noon(WED))
    one.post(cbr_table(THU), now=noon(THU))
    one.post(cbr_table(FRI), now=noon(FRI))

    quote = of(one.post([som("87.8303", FRI)], now=noon(FRI)))

    assert (quote.source, quote.status, quote.change_percent) == ("nbkr", "live", Decimal("-0.43"))


def test_no_percentage_is_printed_across_a_switch_of_source() -> None:
    one = board()
    one.post(cbr_table(WED, kgs="88.0000"), now=noon(WED))
    one.miss("nbkr", now=noon(WED))

    quote = of(one.post([som("87.4500", WED)], now=noon(WED)))

    assert (quote.source, quote.status, quote.change_percent) == ("nbkr", "live", None)


def test_friday_s_rate_is_live_on_sunday_and_monday_where_saturday_s_is_the_newest() -> None:
    one = board(ALONE)
    one.post([som("87.4500", SAT)], now=noon(SAT))

    assert one.tick(now=noon(SUN)) == one.tick(now=noon(MON)) == []
    assert of(one.tick(now=noon(TUE))).status == "stale"


def test_a_bank_that_answers_with_an_old_table_is_late_too_and_how_late_can_be_asked() -> None:
    one = board(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))

    for missed, day in enumerate((WED, THU, FRI, SAT, SUN, MON, TUE)):
        assert one.hear("nbkr", now=noon(day)) == [] or day == THU
        assert one.missed("nbkr", now=noon(day)) == {4: 3, 5: 3, 6: 4}.get(missed, missed)
    assert board().missed("nbkr", now=noon(WED)) == 0


def test_the_middle_of_three_aggregators_stands_in_when_everybody_else_is_silent() -> None:
    one = board(absent=["nbkr", "cbr"])
    one.post([market("fawazahmed0", "87.40", WED), market("frankfurter", "87.52", WED)], now=noon(WED))

    quote = of(one.post([market("floatrates", "87.45", WED)], now=noon(WED)))

    assert (quote.source, quote.status, str(quote.inverse)) == ("floatrates", "fallback", "87.45")


def test_the_middle_that_is_the_value_stays_it_as_long_as_it_agrees() -> None:
    one = board(absent=["nbkr", "cbr"])
    with_others(one, "87.40", WED)
    first = one.quotes[KGS].source
    others = [source for source in PANEL if source != first]

    one.post([market(others[0], "87.41", THU), market(others[1], "87.42", THU)], now=noon(THU))
    quote = of(one.post([market(first, "87.43", THU)], now=noon(THU)))

    assert (quote.source, str(quote.inverse)) == (first, "87.43")


def test_two_aggregators_and_one_that_is_far_off_are_not_enough() -> None:
    one = board(absent=["nbkr", "cbr"])
    rates = [market("fawazahmed0", "87.40", WED), market("frankfurter", "87.40", WED)]

    assert one.post([*rates, market("floatrates", "88.60", WED)], now=noon(WED)) == []


def test_the_consensus_is_in_order_and_keeps_who_is_near_the_middle() -> None:
    said = [
        Fixing(symbol=KGS, legs=(market(f"m{value}", value, WED),))
        for value in ("87.0", "90.0", "87.1", "86.9")
    ]

    assert [each.source for each in consensus(said)] == ["m87.1", "m87.0", "m86.9"]
    assert consensus([]) == []


def test_the_second_bank_of_a_pair_speaks_when_the_first_does_not_list_it() -> None:
    symbol = Pair("KGS", "UZS")
    rule = Rule(symbol=symbol, chain=("nbkr", "cbu", "cbr"), authorities=frozenset({"nbkr", "cbu"}))
    one = board(rule)
    one.post([som("87.4500", WED)], now=noon(WED))
    sum_ = Rate(source="cbu", pair=symbol, value=Decimal("138.85"), nominal=1, as_of=WED)

    quote = of(one.post([sum_], now=noon(WED)), symbol)

    assert (quote.source, quote.status, str(quote.price)) == ("cbu", "live", "138.85")


def test_a_silent_source_that_says_it_has_nothing_new_is_waited_for_no_less() -> None:
    one = board()
    one.post(cbr_table(WED), now=noon(WED))
    assert shown_after(one.miss("nbkr", now=noon(WED))) == "cbr"

    assert one.hear("nbkr", now=noon(WED)) == []


# The guard


@pytest.mark.parametrize("value", ["8.7450", "874.5000", "0.0114"])
def test_a_rate_out_of_its_band_is_held_back_however_often_it_is_repeated(value: str) -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    quote = of(one.post([som(value, THU)], now=noon(THU)))

    assert (str(quote.inverse), quote.as_of, quote.status) == ("87.4500", WED, "unconfirmed")
    assert one.post([som(value, THU)], now=noon(THU) + HOURS) == []
    assert "outside of 60 to 130 KGS per USD" in one.held("nbkr")["nbkr", KGS].doubt.reason


def test_a_rate_that_the_bank_puts_right_ends_the_holding_back() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("8.7450", THU)], now=noon(THU))

    quote = of(one.post([som("87.5000", THU)], now=noon(THU)))

    assert (str(quote.inverse), quote.status, quote.corrected) == ("87.5000", "live", False)
    assert one.held() == {}


def test_an_older_table_takes_nothing_back_as_a_bank_s_hosts_may_tell_two_days_in_turn() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("95.0000", THU)], now=noon(WED) + HOURS)

    assert one.post([som("87.4500", WED)], now=noon(WED) + 2 * HOURS) == []
    assert one.held("nbkr")["nbkr", KGS].first_seen == noon(WED) + HOURS


def test_a_bank_that_takes_its_word_back_ends_the_holding_back() -> None:
    one = board(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("95.0000", THU, others="1.086"), now=noon(WED) + HOURS)

    # Wednesday's figures, stamped Thursday: not a repetition of what is held back.
    quote = of(one.post(table("87.4500", THU), now=noon(WED) + 2 * HOURS))

    assert (str(quote.inverse), quote.status, one.held()) == ("87.4500", "live", {})


def test_yesterday_s_figures_say_nothing_against_what_is_held_back_of_tomorrow() -> None:
    symbol = Pair("KZT", "USD")
    one = board(Rule(symbol=symbol, chain=("nbk",), authorities=frozenset({"nbk"})))
    one.post(tenge("455.59", WED), now=noon(WED))
    one.post(tenge("500.00", FRI), now=noon(THU) + 5 * HOURS)

    one.post([replace(rate, as_of=THU) for rate in tenge("455.59", WED)], now=noon(THU) + 6 * HOURS)

    assert list(one.held()) == [("nbk", symbol)]


def test_what_is_over_is_not_corrected_by_a_newest_table() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("87.6000", THU)], now=noon(THU))

    assert one.post([som("87.5000", WED)], now=noon(THU)) == []


def test_a_first_rate_out_of_its_band_is_no_quote_at_all() -> None:
    assert board(ALONE).post([som("8.7450", WED)], now=noon(WED)) == []


def test_somebody_stands_in_for_a_first_rate_that_is_held_back() -> None:
    one = board()
    one.post([som("8.7450", WED)], now=noon(WED))

    assert shown_after(one.post(cbr_table(WED), now=noon(WED))) == "cbr"


def with_others(one: Board, value: str, day: date) -> None:
    """All three aggregators say about this."""
    for source in PANEL:
        one.post([market(source, value, day)], now=noon(day))


def test_a_rate_far_from_the_median_of_the_others_is_held_back() -> None:
    one = board(RULE)
    one.post([som("87.4500", WED)], now=noon(WED))
    with_others(one, "87.40", WED)

    quote = of(one.post([som("89.0000", THU)], now=noon(THU)))

    assert (str(quote.inverse), quote.status) == ("87.4500", "unconfirmed")
    assert one.held("nbkr")["nbkr", KGS].doubt.reason == "+1.83 % from the median of the others"


def test_one_other_source_is_no_median() -> None:
    one = board(RULE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([market("floatrates", "87.40", WED)], now=noon(WED))

    assert of(one.post([som("89.0000", THU)], now=noon(THU))).status == "live"


def test_the_tolerance_is_the_symbol_s_own() -> None:
    one = board(replace(RULE, tolerance=Decimal("0.025")))
    one.post([som("87.4500", WED)], now=noon(WED))
    with_others(one, "87.40", WED)

    assert of(one.post([som("89.0000", THU)], now=noon(THU))).status == "live"


def test_an_official_rate_that_stands_still_is_believed_while_the_market_runs_away() -> None:
    one = board(RULE, absent=NOBODY_ELSE)
    one.post([*table("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    with_others(one, "87.40", WED)
    with_others(one, "90.00", THU)

    assert of(one.post(table("87.4500", THU, others="1.03"), now=noon(THU))).status == "live"


def test_what_is_held_back_is_not_released_by_time_alone() -> None:
    one = board()
    one.post([som("87.4500", WED)], now=noon(WED))
    with_others(one, "87.40", WED)
    one.post([som("89.5000", THU)], now=noon(WED) + 4 * HOURS)
    with_others(one, "87.40", TUE)

    assert shown(one)[:1] + shown(one)[3:] == ("87.4500", "unconfirmed")


def test_a_line_that_shows_a_stand_in_of_today_does_not_go_back_to_what_an_authority_said_before() -> None:
    one = board()
    one.post([*table("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    one.post(cbr_table(THU, kgs="88.3000"), now=noon(THU))
    assert shown(one)[1:3] == (THU, "cbr")

    assert one.post(table("101.0000", THU), now=noon(THU)) == []
    assert one.held_back("nbkr")


def test_others_whose_rates_are_old_are_not_asked() -> None:
    one = board(RULE)
    with_others(one, "87.40", WED - 2 * DAY)
    one.post([som("87.4500", WED)], now=noon(WED))

    assert of(one.post([som("89.0000", FRI)], now=noon(FRI))).status == "live"


def devalued(one: Board, *, others: str) -> Quote:
    """NBKR's som falls by 11.75 % from Wednesday to Thursday, as on 26 February 2022."""
    one.post(table("84.0000", WED), now=noon(WED))
    return of(one.post(table("93.8700", THU, others=others), now=noon(THU)))


def test_a_devaluation_of_the_whole_table_is_published_when_the_bank_repeats_it() -> None:
    one = board(ALONE)
    assert devalued(one, others="1.1175").status == "unconfirmed"

    early = one.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + timedelta(minutes=9))
    quote = of(one.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + timedelta(minutes=10)))

    assert early == []
    assert (str(quote.inverse), quote.status, quote.change_percent) == ("93.8700", "live", Decimal("-10.51"))


def dollar(value: str, day: date) -> list[Rate]:
    """What an aggregator says, which finds its prices itself."""
    return [market("fawazahmed0", value, day)]


def test_a_devaluation_may_come_as_a_correction_of_the_day_s_whole_table() -> None:
    one = board(ALONE)
    one.post(table("84.0000", WED), now=noon(WED))
    one.post(table("93.8700", WED, others="1.1175"), now=noon(WED) + HOURS)
    assert shown(one)[0] == "84.0000"

    quote = of(one.post(table("93.8700", WED, others="1.1175"), now=noon(WED) + 2 * HOURS))

    assert (str(quote.inverse), quote.status, quote.corrected) == ("93.8700", "live", True)


def test_a_correction_of_one_currency_alone_waits_for_a_witness() -> None:
    one = board(ALONE)
    one.post(table("84.0000", WED), now=noon(WED))
    one.post(table("93.8700", WED, others="1.001"), now=noon(WED) + HOURS)

    assert one.post(table("93.8700", WED, others="1.001"), now=noon(WED) + 2 * HOURS) == []


def test_a_jump_of_one_currency_alone_waits_for_a_witness() -> None:
    one = board()
    one.post(dollar("84.10", WED), now=noon(WED))
    devalued(one, others="1")

    alone = one.post(table("93.8700", THU), now=noon(THU) + 2 * HOURS)
    quote = of(one.post(dollar("93.90", THU), now=noon(THU) + 3 * HOURS))

    assert alone == []
    assert (str(quote.inverse), quote.source, quote.status) == ("93.8700", "nbkr", "live")


@pytest.mark.parametrize("value", ["87.90", "80.00", "84.10"])
def test_a_witness_moves_the_same_way_by_half_at_least(value: str) -> None:
    one = board()
    one.post(dollar("84.10", WED), now=noon(WED))
    devalued(one, others="1")
    one.post(table("93.8700", THU), now=noon(THU) + 2 * HOURS)

    assert one.post(dollar(value, THU), now=noon(THU) + 3 * HOURS) == []


def test_a_jump_that_was_said_only_once_is_not_confirmed_by_witnesses() -> None:
    one = board()
    one.post(dollar("84.10", WED), now=noon(WED))
    devalued(one, others="1")

    assert one.post(dollar("93.90", THU), now=noon(THU) + 3 * HOURS) == []


def test_who_follows_the_banks_is_no_witness() -> None:
    one = board(absent=SOURCES.keys() - {"nbkr", "cbr", "frankfurter"})
    one.post([*cbr_table(WED, kgs="91.8000"), market("frankfurter", "84.00", WED)], now=noon(WED))
    devalued(one, others="1")
    one.post(table("93.8700", THU), now=noon(THU) + 2 * HOURS)

    one.post(cbr_table(THU, kgs="82.2000"), now=noon(THU) + 3 * HOURS)
    one.post([market("frankfurter", "93.87", THU)], now=noon(THU) + 3 * HOURS)

    assert shown(one)[0] == "84.0000"


def test_a_slip_in_two_tables_is_no_move_of_the_whole_table() -> None:
    one = board(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("94.5000", THU), now=noon(THU))

    one.post(table("94.5471", FRI, others="1.0005"), now=noon(FRI))
    one.post(table("94.5471", FRI, others="1.0005"), now=noon(FRI) + HOURS)

    assert shown(one) == ("87.4500", WED, "nbkr", "unconfirmed")


def test_a_rate_that_was_held_back_does_not_come_in_by_the_history() -> None:
    one = board(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("90.1582", THU), now=noon(THU))
    one.post(table("99.5000", FRI, others="1.001"), now=noon(FRI))
    one.post(table("87.5000", SAT, others="1.002"), now=noon(SAT))

    two = again(one, ALONE)
    two.learn([som("90.1582", THU), som("99.5000", FRI)], now=noon(SAT))

    assert {fixing.day for fixing in two.fixings("nbkr")} == {
        WED,
        THU,
        SAT,
    }  # THU was believed: 3 %, no others


def test_what_is_confirmed_may_come_in_by_the_history() -> None:
    one = board(ALONE)
    devalued(one, others="1.1175")
    one.post(table("93.9000", FRI, others="1.1176"), now=noon(FRI))

    one.learn([som("93.8700", THU)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {WED, THU, FRI}


def test_today_s_table_takes_nothing_back_of_tomorrow_s_where_each_day_is_asked_for() -> None:
    symbol = Pair("KZT", "USD")
    rule = Rule(symbol=symbol, chain=("nbk",), authorities=frozenset({"nbk"}))
    one = board(rule)
    wednesday, thursday = tenge("455.59", WED), tenge("500.00", THU)
    one.post(wednesday, now=noon(WED))
    one.post(thursday, now=noon(WED) + 5 * HOURS)

    one.post(wednesday, now=noon(WED) + 6 * HOURS)

    assert list(one.held("nbk")) == [("nbk", symbol)]
    one.post(tenge("456.00", WED), now=noon(WED) + 7 * HOURS)
    assert one.quotes[symbol].corrected


def tenge(usd: str, day: date) -> list[Rate]:
    rows = {"USD": usd, "EUR": "520.10", "CNY": "63.70", "RUB": "5.80"}
    moved = Decimal(day.day) / 1000
    return [
        Rate(
            source="nbk",
            pair=Pair(base, "KZT"),
            value=Decimal(value) + (moved if base != "USD" else 0),
            nominal=1,
            as_of=day,
        )
        for base, value in rows.items()
    ]


def test_yesterday_s_table_under_today_s_date_is_known_also_when_tomorrow_s_is_out() -> None:
    symbol = Pair("KZT", "USD")
    one = board(Rule(symbol=symbol, chain=("nbk",), authorities=frozenset({"nbk"})))
    one.post(tenge("454.01", WED), now=noon(WED))
    one.post(tenge("456.00", FRI), now=noon(THU) + 5 * HOURS)
    false = [replace(rate, as_of=THU) for rate in tenge("454.01", WED)]

    one.post(false, now=noon(THU) + 6 * HOURS)
    one.learn(false, now=noon(THU) + 6 * HOURS)

    assert {fixing.day for fixing in one.fixings("nbk")} == {WED, FRI}


def test_the_days_after_a_devaluation_are_believed_while_the_others_lag() -> None:
    one = board()
    with_others(one, "84.10", WED)
    devalued(one, others="1.1175")
    one.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + HOURS)
    with_others(one, "84.10", THU)

    quote = of(one.post(table("93.9500", FRI, others="1.118"), now=noon(FRI)))

    assert (str(quote.inverse), quote.status) == ("93.9500", "live")


def test_a_repetition_may_come_with_the_next_day_s_table() -> None:
    one = board(ALONE)
    devalued(one, others="1.1175")

    quote = of(one.post(table("93.9000", FRI, others="1.1176"), now=noon(FRI)))

    assert (str(quote.inverse), quote.as_of, quote.status) == ("93.9000", FRI, "live")
    assert quote.change_percent == Decimal("-0.03")  # from Thursday's, which was right as well


def test_another_jump_the_next_day_is_no_repetition() -> None:
    one = board(ALONE)
    devalued(one, others="1.1175")

    assert one.post(table("96.0000", FRI, others="1.12"), now=noon(FRI)) == []


def test_a_table_stamped_anew_repeats_what_is_held_back() -> None:
    one = board(ALONE)
    devalued(one, others="1.1175")

    quote = of(one.post(table("93.8700", FRI, others="1.1175"), now=noon(FRI)))

    assert (str(quote.inverse), quote.as_of) == ("93.8700", THU)


def test_a_jump_beyond_15_percent_is_an_operator_s_matter() -> None:
    one = board()
    one.post([*table("84.0000", WED), *cbr_table(WED, kgs="91.8000")], now=noon(WED))
    one.post(table("99.0000", THU, others="1.178"), now=noon(THU))
    one.post(cbr_table(THU, kgs="77.9000"), now=noon(THU))
    assert one.post(table("99.0000", THU, others="1.178"), now=noon(THU) + HOURS) == []

    quotes, done = one.confirm(KGS, now=noon(THU) + 2 * HOURS)

    assert done.startswith(f"nbkr's 99.0000 KGS per USD as of {THU} is believed")
    assert (str(of(quotes).inverse), of(quotes).status) == ("99.0000", "live")
    assert one.held("nbkr") == {}


def test_a_confirmation_is_of_the_authority_s_word_and_of_nothing_absurd() -> None:
    one = board()
    one.post([*table("84.0000", WED), *cbr_table(WED, kgs="91.8000")], now=noon(WED))
    one.post(table("99.0000", THU), now=noon(THU))
    one.post(cbr_table(THU, kgs="9180.0000"), now=noon(THU))
    one.post([market("floatrates", "50.00", THU)], now=noon(THU))

    assert one.confirm(KGS, now=noon(THU))[1].startswith("nbkr's 99.0000")
    assert one.confirm(KGS, now=noon(THU)) == ([], "")
    assert set(one.held()) == {("cbr", KGS), ("floatrates", KGS)}


def test_a_stand_in_may_be_confirmed_where_the_authority_has_nothing_held_back() -> None:
    one = board(absent=["nbkr"])
    one.post(cbr_table(WED, kgs="91.8000"), now=noon(WED))
    one.post(cbr_table(THU, kgs="77.0000"), now=noon(THU))

    quotes, done = one.confirm(KGS, now=noon(THU))

    assert done.startswith("cbr's ")
    assert of(quotes).as_of == THU


def test_the_end_of_a_hold_believes_nothing_that_is_doubted() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.keep(KGS, now=noon(WED))
    one.post([som("105.0000", THU)], now=noon(THU))

    first, told = one.confirm(KGS, now=noon(THU))
    second, _ = one.confirm(KGS, now=noon(THU))

    assert told.endswith("is still held back, confirm again to believe it")
    assert (first, str(of(second).inverse)) == ([], "105.0000")


def test_an_operator_may_confirm_what_is_outside_of_its_band() -> None:
    one = board(ALONE)
    one.post([som("125.0000", WED)], now=noon(WED))
    one.post([som("131.0000", THU)], now=noon(THU))

    one.confirm(KGS, now=noon(THU))

    assert shown(one) == ("131.0000", THU, "nbkr", "live")
    assert one.post([som("131.0000", THU)], now=noon(THU) + HOURS) == []


def test_an_operator_may_keep_a_quote_as_it_is() -> None:
    one = board()
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))

    quotes, done = one.keep(KGS, now=noon(WED))
    later = one.post([som("87.6000", THU)], now=noon(THU))
    back, _ = one.confirm(KGS, now=noon(THU) + HOURS)

    assert done == f"0.01143510577 as of {WED} is kept until it is confirmed"
    assert (str(of(quotes).inverse), of(quotes).status) == ("87.4500", "unconfirmed")
    assert later == []
    assert (str(of(back).inverse), of(back).status) == ("87.6000", "live")


def test_a_quote_that_is_kept_announces_nothing() -> None:
    one = board()
    one.post([som("87.4500", WED), som("87.6000", THU)], now=noon(WED))

    quote = of(one.keep(KGS, now=noon(WED))[0])

    assert (quote.next, one.kept) == (None, {KGS})


def test_what_has_no_quote_cannot_be_kept() -> None:
    assert board().keep(KGS, now=noon(WED)) == ([], "")


def test_a_first_rate_is_believed_until_the_others_say_something_else() -> None:
    one = board(RULE)
    assert of(one.post([som("101.3000", WED)], now=noon(WED))).status == "live"
    one.post([market("floatrates", "87.40", WED)], now=noon(WED))

    quote = of(one.post([market("fawazahmed0", "87.45", WED)], now=noon(WED)))

    assert (str(quote.inverse), quote.status) == ("101.3000", "unconfirmed")
    assert shown_after(one.post(cbr_table(WED), now=noon(WED))) == "cbr"


def test_a_first_rate_is_proven_by_nobody_before_everybody_has_spoken() -> None:
    one = board(RULE)
    one.post([som("91.4000", WED)], now=noon(WED))
    one.post([market("frankfurter", "91.30", WED), *cbr_table(WED, kgs="84.4000")], now=noon(WED))
    assert shown(one)[3] == "live"

    one.post([market("fawazahmed0", "87.40", WED)], now=noon(WED))
    one.post([market("floatrates", "87.40", WED)], now=noon(WED))

    assert one.held_back("nbkr")


def test_a_first_rate_that_two_wrong_voices_released_is_not_proven_by_them() -> None:
    one = board(RULE)
    one.post([market("frankfurter", "95.00", WED), *cbr_table(WED, kgs="77.1770")], now=noon(WED))  # 100.00
    one.post([som("91.4000", WED)], now=noon(WED))
    assert one.held_back("nbkr")

    one.post([market("fawazahmed0", "88.00", WED)], now=noon(WED))  # the middle of 88, 95 and 100 is 91.37
    assert not one.held_back("nbkr")
    one.post([market("floatrates", "88.00", WED)], now=noon(WED))

    assert one.held_back("nbkr")


def test_what_the_archive_says_of_the_last_days_is_measured_by_the_others_too() -> None:
    """A bank's own bad days would else speak for its bad day today: each moves but little."""
    one = board()
    one.post(table("91.4000", FRI), now=noon(FRI))
    one.learn(
        [som("91.3000", THU), som("87.4000", WED - 4 * DAY), som("87.5000", WED - 5 * DAY)], now=noon(FRI)
    )
    assert shown(one)[0] == "91.4000"

    with_others(one, "87.45", FRI)

    assert shown(one) == ("87.4000", WED - 4 * DAY, "nbkr", "unconfirmed")
    assert {fixing.day for fixing in one.withdrawn()} == {THU, FRI}
    assert one.withdrawn() == []
    one.confirm(KGS, now=noon(FRI))
    assert {fixing.day for fixing in one.fixings("nbkr")} >= {
        THU,
        FRI,
    }  # what was given up with it is back with it


def test_an_archive_that_only_repeats_what_is_held_back_is_not_learned() -> None:
    one = board()
    with_others(one, "87.45", FRI)
    one.post(table("91.4000", FRI), now=noon(FRI))
    assert one.held("nbkr")

    bad = [som("91.3000", THU), som("91.2000", WED)]
    good = [som("87.4000", WED - 4 * DAY), som("87.5000", WED - 5 * DAY)]
    one.learn([*bad, *good], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {WED - 4 * DAY, WED - 5 * DAY}
    assert shown(one)[1:] == (FRI, "frankfurter", "fallback")


def test_a_day_of_the_archive_that_is_there_and_back_is_left_out() -> None:
    one = board()
    one.post(table("87.4500", FRI), now=noon(FRI))

    one.learn([som("90.5000", THU), som("87.4000", WED - 4 * DAY)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {WED - 4 * DAY, FRI}


def test_an_archive_about_another_currency_shows_on_a_day_that_is_known() -> None:
    one = board(ALONE)
    one.post(table("87.4500", FRI), now=noon(FRI))

    one.learn([som("102.4000", FRI), som("102.3000", THU), som("102.2000", WED)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {FRI}


def test_a_devaluation_on_the_day_of_a_first_start_is_confirmed_by_where_the_others_are() -> None:
    one = board()
    one.post(table("97.7254", THU), now=noon(THU))
    one.learn([som("87.4500", WED), som("87.4400", TUE - 7 * DAY)], now=noon(THU))
    with_others(one, "97.60", THU)
    assert shown(one)[3] == "unconfirmed"

    quote = of(one.post(table("97.7254", THU), now=noon(THU) + HOURS))

    assert (str(quote.inverse), quote.status) == ("97.7254", "live")


def test_a_first_rate_is_believed_for_good_when_the_others_agree() -> None:
    one = board(RULE, absent=NOBODY_ELSE)
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    with_others(one, "87.40", WED)
    with_others(one, "90.00", THU)

    assert one.memory.unproven == frozenset()
    assert shown(one)[3] in ("live", "fallback", "stale")


def test_a_first_rate_that_its_own_history_contradicts_is_held_back() -> None:
    one = board(ALONE)
    one.post(table("93.8700", WED), now=noon(WED))

    one.learn([som("84.0000", TUE - 7 * DAY), som("84.0000", SAT - 7 * DAY)], now=noon(WED))

    assert shown(one) == ("84.0000", TUE - 7 * DAY, "nbkr", "unconfirmed")


def test_a_first_rate_that_is_held_back_is_believed_when_two_days_agree() -> None:
    one = board(RULE)
    with_others(one, "87.40", WED)
    one.post([som("89.5000", WED)], now=noon(WED))
    assert shown_or_none(one) != "nbkr"

    one.post([som("89.6000", THU)], now=noon(THU))

    assert shown(one) == ("89.6000", THU, "nbkr", "live")


def shown_or_none(one: Board) -> str | None:
    quote = one.quotes.get(KGS)
    return quote.source if quote else None


def test_what_an_operator_should_know_is_what_may_become_a_value() -> None:
    one = board(RULE, PEGGED)
    one.post(table("84.0000", WED), now=noon(WED))
    one.post(table("93.8700", THU), now=noon(THU))
    one.post([market("floatrates", "1", WED)], now=noon(WED))

    assert list(one.held_back("nbkr")) == [("nbkr", KGS)]
    assert one.held("floatrates")
    assert one.held_back("floatrates") == {}


def test_the_limits_of_the_guard_can_be_set() -> None:
    one = board(ALONE, guard=Guard(jump=Decimal("0.001"), repeat=timedelta(minutes=1)))
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("87.6000", THU, others="1.0018"), now=noon(THU))

    assert shown(one)[3] == "unconfirmed"
    one.post(table("87.6000", THU, others="1.0018"), now=noon(THU) + timedelta(minutes=1))
    assert shown(one)[3] == "live"


# Pegs


def test_a_peg_is_said_without_any_bank_and_never_moves() -> None:
    one = board(PEGGED)

    quote = of(one.tick(now=noon(WED)), TMT)

    assert (quote.price, quote.inverse, quote.status) == (Decimal("0.2857142857"), Decimal("3.5"), "pegged")
    assert (str(quote.change), str(quote.change_percent), quote.as_of) == ("0", "0.00", date(2015, 1, 1))
    assert one.tick(now=noon(WED) + 400 * DAY) == []


def manat(source: str, value: str, day: date) -> Rate:
    return Rate(source=source, pair=Pair("USD", "TMT"), value=Decimal(value), nominal=1, as_of=day)


def test_two_publications_of_its_own_bank_off_the_peg_are_an_alarm_and_no_new_peg() -> None:
    one = board(PEGGED)
    one.post([manat("cbt", "3.5000", WED)], now=noon(WED))
    one.post([manat("cbt", "3.5400", THU)], now=noon(THU))

    quote = of(one.post([manat("cbt", "3.5500", FRI)], now=noon(FRI)), TMT)

    assert (str(quote.inverse), quote.source, quote.status) == ("3.5", "peg", "unconfirmed")


@pytest.mark.parametrize(
    ("banks", "status"), [(("cbr", "nbt"), "pegged"), (("cbr", "nbt", "cbu"), "unconfirmed")]
)
def test_three_other_banks_off_the_peg_are_an_alarm_and_two_are_not(
    banks: tuple[str, ...], status: str
) -> None:
    one = board(PEGGED)
    for day in (WED, THU):
        for bank in banks:
            one.post([manat(bank, "3.6000", day)], now=noon(day))

    assert shown(one, TMT)[3] == status


def test_an_aggregator_off_the_peg_is_no_sign() -> None:
    one = board(PEGGED)
    for day in (WED, THU):
        for source in PANEL:
            one.post([manat(source, "3.5747", day)], now=noon(day))

    assert shown(one, TMT)[3] == "pegged"


def test_a_bad_print_of_one_bank_that_it_repeats_leaves_the_peg() -> None:
    one = board(PEGGED)
    one.post([manat("cbu", "3.5000", TUE - 7 * DAY)], now=noon(WED))
    for day in (WED, THU, FRI):
        one.post([manat("cbu", "3.0198", day)], now=noon(day))

    assert shown(one, TMT) == ("3.5", date(2015, 1, 1), "peg", "pegged")


# The history


def test_earlier_days_make_the_change_right() -> None:
    one = board(ALONE)
    one.post([som("87.8303", THU)], now=noon(THU))

    quote = of(one.learn([som("87.4500", WED), som("87.4000", TUE - 7 * DAY)], now=noon(THU)))

    assert (quote.as_of, quote.change_percent) == (THU, Decimal("-0.43"))


def test_a_table_of_the_history_without_the_symbol_teaches_nothing() -> None:
    one = board(ALONE)

    assert one.learn([som("101.5076", WED, base="EUR")], now=noon(WED)) == []


def test_a_change_is_unknown_while_the_publication_before_is_still_to_be_told() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.expect(["nbkr"])

    missed = of(one.post([som("87.8303", FRI)], now=noon(FRI)))
    told = of(one.learn([som("87.6000", THU)], now=noon(FRI)))

    assert (missed.previous, missed.change_percent) == (None, None)
    assert told.change_percent == Decimal("-0.26")


def test_a_day_without_a_publication_leaves_the_change_that_of_the_day_before() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.expect(["nbkr"])
    one.post([som("87.8303", FRI)], now=noon(FRI))

    one.asked_in_vain("nbkr", [THU])

    assert of(one.tick(now=noon(FRI))).change_percent == Decimal("-0.43")


def test_the_oldest_days_of_a_batch_wait_for_their_neighbours() -> None:
    one = board(ALONE)
    one.post([som("87.8303", SAT)], now=noon(SAT))
    batch = [som(f"87.{40 + number}00", WED - number * DAY) for number in range(6)]

    one.learn(batch, now=noon(SAT), more=True)

    assert {fixing.day for fixing in one.fixings("nbkr")} == {SAT, WED, WED - DAY, WED - 2 * DAY}


def test_an_archive_tells_nothing_where_it_has_nothing_to_add() -> None:
    one = board(ALONE)
    one.post([som("87.8303", THU)], now=noon(THU))
    one.drain()

    assert one.learn([som("87.8303", THU)], now=noon(THU)) == []
    assert one.drain() == []


def test_what_is_known_already_is_not_changed_by_the_history() -> None:
    one = board(ALONE)
    one.post([som("87.8303", THU)], now=noon(THU))

    one.learn([som("87.9999", THU), som("87.4500", WED), som("87.4000", TUE - 7 * DAY)], now=noon(THU))

    assert shown(one)[0] == "87.8303"


def test_a_spike_in_the_history_is_left_out() -> None:
    one = board(ALONE)
    one.post([som("87.8303", FRI)], now=noon(FRI))

    one.learn([som("87.4000", WED), som("101.3000", THU)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {WED, FRI}


def test_a_bad_print_of_two_publications_in_the_history_is_left_out() -> None:
    one = board(ALONE)
    one.post([som("87.8303", SAT)], now=noon(SAT))
    bad = [som("101.3000", WED), som("101.4000", THU)]
    good = [som("87.4000", WED - DAY), som("87.5000", WED - 4 * DAY), som("87.6000", FRI)]

    one.learn([*bad, *good], now=noon(SAT))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {WED - 4 * DAY, WED - DAY, FRI, SAT}


def test_a_rate_at_the_end_of_the_history_that_is_off_its_neighbour_is_left_out() -> None:
    one = board(ALONE)
    one.post([som("87.8303", FRI)], now=noon(FRI))

    one.learn([som("101.3000", THU)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {FRI}


def test_a_rate_of_the_history_outside_of_its_band_is_left_out() -> None:
    one = board(ALONE)
    one.post([som("87.8303", FRI)], now=noon(FRI))

    one.learn([som("8.7400", WED), som("8.7400", THU)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {FRI}


def test_a_devaluation_in_the_history_is_history() -> None:
    one = board(ALONE)
    one.post([som("93.9000", SAT)], now=noon(SAT))

    one.learn([som("84.0000", WED), som("84.1000", THU), som("93.8700", FRI)], now=noon(SAT))

    assert [
        str(fixing.legs[0].value) for fixing in sorted(one.fixings("nbkr"), key=lambda each: each.day)
    ] == [
        "84.0000",
        "84.1000",
        "93.8700",
        "93.9000",
    ]


def test_today_s_table_for_an_asked_past_day_is_not_learned() -> None:
    one = board(ALONE)
    one.post(table("87.8303", FRI), now=noon(FRI))

    one.learn([*table("87.8303", WED), *table("87.8303", THU)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {FRI}


def test_saturday_s_table_is_learned_though_monday_s_has_the_same_figures() -> None:
    one = board(ALONE)
    one.post(table("87.8303", MON), now=noon(MON))

    one.learn([*table("87.8303", SAT), *table("87.4500", FRI)], now=noon(MON))

    assert shown(one) == ("87.8303", SAT, "nbkr", "live")
    assert one.quotes[KGS].change_percent == Decimal("-0.43")


def test_the_gaps_are_the_days_on_which_a_rate_took_effect_and_is_not_known() -> None:
    one = board(ALONE)
    one.post([som("87.8303", MON)], now=noon(MON))
    one.learn([som("87.4500", THU), som("87.4000", WED)], now=noon(MON))

    # Effective Tuesday to Saturday; nothing is set for a Sunday or a Monday.
    assert one.gaps("nbkr", since=WED - 5 * DAY, now=noon(MON)) == [
        SAT,
        FRI,
        WED - DAY,
        WED - 4 * DAY,
        WED - 5 * DAY,
    ]


def test_a_cross_that_a_source_need_not_tell_makes_no_gaps() -> None:
    kzt = Rule(symbol=Pair("KZT", "USD"), chain=("nbk",), authorities=frozenset({"nbk"}))
    one = board(ALONE, kzt, PEGGED)
    one.post([som("87.8303", SAT), som("0.1859", SAT, base="KZT")], now=noon(SAT))
    one.learn([som("87.4500", FRI), som("87.4500", THU)], now=noon(SAT))

    assert one.gaps("nbkr", since=THU, now=noon(SAT)) == []


def test_a_day_that_was_asked_for_in_vain_is_no_gap_until_it_is_to_be_asked_again() -> None:
    one = board(ALONE)
    one.post([som("87.8303", SAT)], now=noon(SAT))
    one.asked_in_vain("nbkr", [FRI])
    one.asked_in_vain("nbkr", [THU])

    assert one.gaps("nbkr", since=WED, now=noon(SAT)) == [WED]
    one.ask_again("nbkr")
    assert one.gaps("nbkr", since=WED, now=noon(SAT)) == [FRI, THU, WED]


def test_a_symbol_that_stands_still_hides_no_gap_of_another() -> None:
    euro = Rule(symbol=Pair("EUR", "KGS"), chain=("nbkr",), authorities=frozenset({"nbkr"}))
    yuan = replace(euro, symbol=Pair("CNY", "KGS"))  # not in the archive
    one = board(ALONE, euro, yuan)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post([som("87.8303", SAT), som("12.1000", SAT, base="CNY")], now=noon(SAT))

    assert one.gaps("nbkr", since=WED, now=noon(SAT)) == [FRI, THU]
    one.learn([som("87.6000", FRI), som("87.5000", THU)], now=noon(SAT))
    assert one.gaps("nbkr", since=WED, now=noon(SAT)) == []


def test_a_day_that_is_still_to_come_from_the_bank_is_no_gap() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    assert one.gaps("nbkr", since=WED, now=noon(FRI)) == []


def test_without_any_rate_every_day_is_a_gap() -> None:
    assert board(ALONE).gaps("nbkr", since=WED, now=noon(THU)) == [THU, WED]


def test_history_forgets_what_is_too_old() -> None:
    one = board(ALONE, history_days=2)
    one.post([som("87.4500", WED)], now=noon(WED))

    one.post([som("87.4500", THU), som("87.4600", FRI), som("87.4700", SAT)], now=noon(SAT))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {THU, FRI, SAT}


def test_what_is_new_is_told_once() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED), som("87.6000", THU)], now=noon(WED))

    assert [fixing.day for fixing in one.drain()] == [WED, THU]
    assert one.drain() == []


def test_who_serves_what_can_be_asked() -> None:
    one = board(RULE, PEGGED)
    one.post([som("87.4500", THU)], now=noon(WED))

    assert [one.serves(source) for source in ("nbkr", "cbr", "cbt", "floatrates")] == [
        True,
        True,
        False,
        False,
    ]
    assert one.currencies("cbr") == {"KGS", "USD"}
    assert [one.is_authority(source, KGS) for source in ("nbkr", "cbr")] == [True, False]
    assert (one.announced("nbkr", now=noon(WED)), one.in_force("nbkr", now=noon(WED))) == (True, False)
    assert (one.announced("nbkr", now=noon(THU)), one.in_force("nbkr", now=noon(THU))) == (False, True)
    assert one.in_force("nbkr", now=noon(FRI)) is False  # it holds, but a later one should
    assert (one.published("nbkr"), one.published("cbr")) == (THU, None)


# Another process


def again(one: Board, *rules: Rule) -> Board:
    """The board of another process that has read what this one had published."""
    two = board(*rules)
    two.restore(one.fixings(), one.quotes.values(), one.memory)
    return two


def test_a_restored_board_says_nothing_twice_and_knows_the_change() -> None:
    one = board()
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("87.8303", THU)], now=noon(THU))

    two = again(one)

    assert two.tick(now=noon(THU) + HOURS) == []
    assert two.post([som("87.8303", THU)], now=noon(THU)) == []
    assert of(two.post([som("87.4500", FRI)], now=noon(FRI))).change_percent == Decimal("0.43")


def test_after_a_night_off_a_board_waits_for_the_first_answer_before_it_calls_a_quote_old() -> None:
    one = board()
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    hangs, answers = again(one), again(one)
    for two in (hangs, answers):
        assert two.tick(now=noon(THU)) == two.post(cbr_table(THU), now=noon(THU)) == []

    assert shown_after(hangs.miss("nbkr", now=noon(THU))) == "cbr"
    assert of(answers.post([som("87.6000", THU)], now=noon(THU))).status == "live"


def test_a_board_that_takes_over_again_forgets_what_was_decided_meanwhile() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.keep(KGS, now=noon(WED))
    two = again(one, ALONE)
    two.confirm(KGS, now=noon(WED))

    one.restore(two.fixings(), two.quotes.values(), two.memory)

    assert (one.tick(now=noon(WED)), shown(one)[3]) == ([], "live")


def test_a_restored_board_still_holds_back_what_was_held_back_and_counts_on() -> None:
    one = board(ALONE)
    devalued(one, others="1.1175")

    two = again(one, ALONE)

    assert two.tick(now=noon(THU)) == []
    quote = of(two.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + HOURS))
    assert (str(quote.inverse), quote.status) == ("93.8700", "live")


def test_a_restored_board_keeps_what_an_operator_keeps() -> None:
    one = board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.keep(KGS, now=noon(WED))

    assert again(one, ALONE).post([som("87.6000", THU)], now=noon(THU)) == []


def test_a_restored_board_knows_a_table_that_was_only_stamped_anew() -> None:
    one = board(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))

    assert again(one, ALONE).post(table("87.4500", THU), now=noon(WED) + HOURS) == []


def test_a_restored_board_does_not_believe_again_what_it_had_given_up() -> None:
    one = board(RULE)
    one.post([som("101.3000", WED)], now=noon(WED))
    published_then = one.fixings()
    with_others(one, "87.45", WED)
    two = board(RULE)

    two.restore(published_then | one.fixings(), one.quotes.values(), one.memory)

    assert {fixing.source for fixing in two.fixings()} == set(PANEL)


def test_a_restored_board_leaves_out_symbols_and_sources_that_it_does_not_serve() -> None:
    one = board()
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    foreign = Fixing(symbol=Pair("EUR", "USD"), legs=(som("1", WED, base="EUR"),))
    unknown = replace(one.quotes[KGS], symbol=Pair("EUR", "USD"))
    fewer = {key: source for key, source in SOURCES.items() if key != "cbr"}
    two = Board([ALONE], sources=fewer)

    two.restore([*one.fixings(), foreign], [*one.quotes.values(), unknown], one.memory)

    assert {fixing.source for fixing in two.fixings()} == {"nbkr"}
    assert set(two.quotes) == {KGS}
    assert set(two.memory.tables) == {"nbkr"}


def test_a_lone_quote_of_an_earlier_process_gets_old_in_words() -> None:
    one, two = board(ALONE), board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    two.restore([], one.quotes.values())

    assert two.tick(now=noon(THU)) == []  # nobody was asked yet
    assert two.miss("nbkr", now=noon(WED) + HOURS) == []
    assert of(two.tick(now=noon(THU))).status == "stale"
    assert two.tick(now=noon(FRI)) == []


@pytest.mark.parametrize("source", ["peg", "nobody"])
def test_a_lone_quote_of_a_source_that_is_gone_stays_as_it_is(source: str) -> None:
    one, two = board(ALONE), board(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    two.restore([], [replace(one.quotes[KGS], source=source)])

    assert two.tick(now=noon(TUE)) == []


def test_a_lone_intraday_quote_is_judged_by_its_day() -> None:
    rule = replace(ALONE, chain=("floatrates",), authorities=frozenset({"floatrates"}))
    one, two = board(rule), board(rule)
    at = datetime(2026, 9, 16, 11, 55, 1, tzinfo=UTC)
    one.post([replace(market("floatrates", "87.45", WED), as_of=at)], now=noon(WED))

    two.restore([], one.quotes.values())

    assert two.miss("floatrates", now=noon(FRI)) == []
    assert of(two.tick(now=noon(SUN))).status == "stale"


# Whatever happens

STORY = [WED + timedelta(days=number) for number in range(14)]
values = st.decimals(min_value="80", max_value="110", places=4)
events = st.lists(
    st.one_of(
        st.tuples(st.just("nbkr"), st.sampled_from(STORY), values),
        st.tuples(st.just("cbr"), st.sampled_from(STORY), values),
        st.tuples(st.sampled_from(PANEL), st.sampled_from(STORY), values),
        st.tuples(
            st.sampled_from(["miss", "restart", "learn", "confirm", "keep", "hear", "wait"]),
            st.sampled_from(STORY),
            values,
        ),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=250)
@given(events=events)
def test_whatever_happens_a_quote_is_its_source_s_word_and_its_change_that_of_one_source(
    events: list[tuple[str, date, Decimal]],
) -> None:
    one, now = board(), noon(WED)
    said: dict[tuple[str, date], set[Fixing]] = {}
    for kind, day, value in events:
        now += timedelta(hours=7)
        rates = _told(kind, day, value)
        for rate in rates:
            fixing = fixing_of(KGS, rates)
            assert fixing
            said.setdefault((rate.source, day), set()).add(fixing)
        if kind == "restart":
            one = again(one)
        elif kind == "miss":
            one.miss("nbkr", now=now)
        elif kind == "hear":
            one.hear("nbkr", now=now)
        elif kind == "learn":
            one.learn(rates, now=now)
        elif kind == "confirm":
            one.confirm(KGS, now=now)
        elif kind == "keep":
            one.keep(KGS, now=now)
        else:
            one.post(rates, now=now)
        if quote := one.quotes.get(KGS):
            _holds_true(quote, said)


def _told(kind: str, day: date, value: Decimal) -> list[Rate]:
    if kind in ("nbkr", "learn"):
        return [som(str(value), day)]
    if kind == "cbr":
        return cbr_table(day, kgs=str(value))
    return [market(kind, str(value), day)] if kind in PANEL else []


def _holds_true(quote: Quote, said: dict[tuple[str, date], set[Fixing]]) -> None:
    """The price was said by its source for its day, and the change is that of two words of one source."""
    own = [each for each in said[quote.source, quote.as_of] if published(each) == quote.price]
    assert own
    if quote.previous is None:
        assert quote.change_percent is None
        return
    earlier = [
        each
        for (source, day), fixings in said.items()
        if source == quote.source and day < quote.as_of
        for each in fixings
        if published(each) == quote.previous
    ]
    assert earlier
    assert quote.change_percent in {_percent(now, then) for now in own for then in earlier}


def _percent(now: Fixing, then: Fixing) -> Decimal:
    """(price - previous) / previous, worked out in whole numbers."""
    share = (_exact(now) - _exact(then)) / _exact(then) * 10000
    hundredths = int(abs(share) + Fraction(1, 2))
    return Decimal(hundredths if share > 0 else -hundredths) / 100


def _exact(fixing: Fixing) -> Fraction:
    """Dollars for a som, from the bank's own figures."""
    if len(fixing.legs) == 1:
        return 1 / Fraction(fixing.legs[0].value)
    som_, dollar = fixing.legs
    return Fraction(som_.value) / 100 / Fraction(dollar.value)


ONE, TWO, THREE = Cursor(1000, 1), Cursor(1000, 2), Cursor(1000, 3)


def mirror() -> Mirror[str]:
    one: Mirror[str] = Mirror([KGS, TMT])
    one.apply(ONE, [(KGS, ONE, "kgs 1"), (TMT, ONE, "tmt 1")])
    one.apply(TWO, [(KGS, TWO, "kgs 2")])
    return one


@pytest.mark.parametrize("cursor", [None, Cursor(999, 2), Cursor(1001, 1), Cursor(1000, 3)])
def test_a_foreign_or_future_cursor_is_answered_with_a_snapshot(cursor: Cursor | None) -> None:
    delta = mirror().since(cursor)

    assert (delta.kind, delta.cursor, delta.items) == ("snapshot", TWO, ("kgs 2", "tmt 1"))


def test_a_good_cursor_is_answered_with_what_is_new() -> None:
    assert (mirror().since(ONE).kind, mirror().since(ONE).items) == ("update", ("kgs 2",))


def test_a_cursor_with_nothing_new_is_answered_with_an_empty_update() -> None:
    assert (mirror().since(TWO).kind, mirror().since(TWO).items) == ("update", ())


def test_a_selection_sees_only_its_symbols() -> None:
    assert mirror().since(None, [TMT]).items == ("tmt 1",)


def test_a_lagging_reader_gets_only_the_newest_of_each_symbol() -> None:
    one = mirror()
    one.apply(THREE, [(KGS, THREE, "kgs 3")])

    assert one.since(ONE).items == ("kgs 3",)


def test_an_older_publication_is_no_news() -> None:
    one = mirror()

    for older in (ONE, Cursor(999, 7)):
        assert one.apply(older, [(KGS, older, "kgs 1")]) == frozenset()
        assert (one.cursor, one.get(KGS), one.get(TMT)) == (TWO, "kgs 2", "tmt 1")


def test_a_new_epoch_voids_what_was_known() -> None:
    one, first = mirror(), Cursor(2000, 1)

    changed = one.apply(first, [(KGS, first, "kgs new")])

    assert (changed, one.since(TWO).kind, one.since(TWO).items) == ({KGS}, "snapshot", ("kgs new",))


def test_a_symbol_that_is_not_served_is_left_out() -> None:
    assert mirror().apply(THREE, [(Pair("EUR", "USD"), THREE, "eur")]) == frozenset()


def test_an_empty_mirror_gives_an_empty_snapshot() -> None:
    assert Mirror[str]([KGS]).since(None).cursor == NOWHERE


@settings(deadline=None)
@given(
    publications=st.lists(st.sets(st.sampled_from([KGS, TMT]), min_size=1), max_size=20),
    reads=st.sets(st.integers(0, 20)),
)
def test_a_reader_that_comes_and_goes_ends_with_the_mirror_s_state_and_sees_no_step_back(
    publications: list[set[Pair]], reads: set[int]
) -> None:
    one: Mirror[tuple[Pair, int]] = Mirror([KGS, TMT])
    seen: dict[Pair, int] = {}
    cursor = None
    for number, symbols in enumerate(publications):
        at = Cursor(1000, number + 1)
        one.apply(at, [(symbol, at, (symbol, number)) for symbol in symbols])
        if number in reads or number == len(publications) - 1:
            delta = one.since(cursor)
            cursor = delta.cursor
            for symbol, value in delta.items:
                assert value >= seen.get(symbol, -1)
                seen[symbol] = value

    assert seen == dict(one.since(None).items)
