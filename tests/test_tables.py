"""What a table says of a symbol, and how it is published: digits, crosses, percentages."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from desks import KGS, THU, WED, market, noon, som, table

from ticker.rates.model import Fixing, Pair, Rate
from ticker.rates.tables import Table, change, change_percent, fixing_of, in_words, shown_price, tables_of


def one_table(rates: list[Rate]) -> Table:
    (found,) = tables_of(rates)
    return found


def test_a_fall_that_rounds_to_nought_is_not_minus_nought() -> None:
    assert str(change_percent(Decimal("1.00000"), Decimal("1.00004"))) == "0.00"


@pytest.mark.parametrize(
    ("price", "previous", "percent"),
    [("1.00005", "1", "0.01"), ("0.99995", "1", "-0.01"), ("1.000049", "1", "0.00"), ("3", "2", "50.00")],
)
def test_a_percentage_is_rounded_half_up_and_last(price: str, previous: str, percent: str) -> None:
    assert str(change_percent(Decimal(price), Decimal(previous))) == percent


def test_a_change_has_the_places_of_the_price_and_is_never_minus_nought() -> None:
    one, two = (Fixing(symbol=KGS, legs=(som(value, WED),)) for value in ("87.4500", "87.8303"))

    assert change(two.price, one.price, shown_price(two)) == Decimal("-0.00004951333")
    assert str(change(one.price, one.price, shown_price(one))) == "0"


def test_a_pair_that_the_bank_lists_itself_keeps_the_bank_s_digits() -> None:
    fixing = fixing_of(Pair("EUR", "KGS"), one_table(table("87.4500", WED)))

    assert fixing is not None
    assert str(shown_price(fixing)) == "101.5076"


def test_a_cross_of_two_foreign_currencies_is_taken_over_the_bank_s_own() -> None:
    fixing = fixing_of(Pair("EUR", "USD"), one_table(table("87.4500", WED)))

    assert fixing is not None
    assert shown_price(fixing) == Decimal("1.160750143")


def test_an_aggregator_s_cross_is_taken_over_the_dollar() -> None:
    euro = Rate(source="floatrates", pair=Pair("USD", "EUR"), value=Decimal("0.8564"), nominal=1, as_of=WED)

    fixing = fixing_of(Pair("EUR", "KGS"), one_table([euro, market("floatrates", "87.45", WED)]))

    assert fixing is not None
    assert shown_price(fixing) == Decimal("102.1134984")


def test_a_table_without_the_currency_gives_nothing() -> None:
    assert fixing_of(Pair("EUR", "USD"), one_table([som("87.4500", WED)])) is None
    assert fixing_of(Pair("EUR", "CNY"), one_table([som("87.4500", WED)])) is None


def test_an_answer_about_two_days_is_two_tables_the_older_first() -> None:
    found = tables_of([som("87.8303", THU), som("87.4500", WED), som("101.5", WED, base="EUR")])

    assert [(each.day, len(each.figures)) for each in found] == [(WED, 2), (THU, 1)]


def test_an_intraday_price_keeps_its_time() -> None:
    at = noon(WED)

    (found,) = tables_of([replace(market("floatrates", "87.45", WED), as_of=at)])

    assert (found.day, found.rate(Pair("USD", "KGS")).as_of) == (WED, at)


def test_a_table_repeats_another_if_three_common_currencies_stand_still() -> None:
    last = one_table(table("87.4500", WED))
    stamped = one_table([replace(rate, as_of=THU) for rate in table("87.4500", WED)])

    assert stamped.repeats(last)
    assert not one_table(table("87.4501", THU)).repeats(last)
    assert not one_table([som("87.4500", THU)]).repeats(last)


def test_a_nominal_is_a_part_of_a_figure() -> None:
    last = one_table(table("87.4500", WED))
    *others, roubles = table("87.4500", THU)

    assert not one_table([*others, replace(roubles, nominal=100)]).says_as(last)


def test_what_else_is_said_of_a_day_is_added_and_the_last_word_holds() -> None:
    one, two = (
        one_table(table("87.4500", WED)),
        one_table([som("87.4600", WED), som("0.19", WED, base="KZT")]),
    )

    both = one.with_also(two)

    assert both.figures == {**one.figures, **two.figures}
    assert (both.day, both.figures[Pair("USD", "KGS")].value) == (WED, Decimal("87.4600"))


@pytest.mark.parametrize("day", [WED, WED + timedelta(days=1)])
def test_a_rate_in_words_names_its_day(day: date) -> None:
    assert in_words(Fixing(symbol=KGS, legs=(som("87.4500", day),))) == f"87.4500 KGS per USD as of {day}"
