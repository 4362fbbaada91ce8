"""The words of the domain: pairs, rates by the unit, fixings of one or two legs, cursors."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ticker.rates.model import Cursor, Fixing, Pair, Rate, both_ways

WED = date(2026, 9, 16)


def rate(pair: str, value: str, nominal: int = 1, as_of: date = WED) -> Rate:
    return Rate(source="cbr", pair=Pair.parse(pair), value=Decimal(value), nominal=nominal, as_of=as_of)


def test_a_cross_is_divided_once_whatever_the_directions_of_its_legs() -> None:
    legs = (rate("KGS/RUB", "88.2534", 100), rate("USD/RUB", "77.1770"))

    price = Fixing(symbol=Pair("KGS", "USD"), legs=legs).price

    assert str(price).startswith("0.0114351944232089871334")
    turned = Fixing(symbol=Pair("USD", "KGS"), legs=legs[::-1])
    assert turned.inverse == price


@pytest.mark.parametrize(
    ("legs", "fault"),
    [
        ((rate("EUR/RUB", "90"),), "EUR/RUB does not lead from KGS to USD"),
        ((rate("KGS/RUB", "88.2534", 100),), "KGS/USD: the legs end at RUB"),
        ((rate("KGS/RUB", "88.2534", 100), rate("EUR/USD", "1.1")), "EUR/USD does not lead from RUB to USD"),
    ],
)
def test_legs_that_do_not_lead_from_one_currency_to_the_other_are_no_price(
    legs: tuple[Rate, ...], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        _ = Fixing(symbol=Pair("KGS", "USD"), legs=legs).price


def test_a_cross_is_as_old_as_its_older_leg() -> None:
    moment = datetime(2026, 9, 17, 11, 55, tzinfo=UTC)
    legs = (rate("KGS/RUB", "88", 100, as_of=moment), rate("USD/RUB", "77", as_of=WED))

    fixing = Fixing(symbol=Pair("KGS", "USD"), legs=legs)

    assert (fixing.as_of, fixing.day, legs[0].day) == (WED, WED, date(2026, 9, 17))


def test_the_figures_of_a_fixing_are_what_was_said_without_the_day() -> None:
    today, tomorrow = (
        Fixing(symbol=Pair("KGS", "USD"), legs=(rate("USD/KGS", "87.4500", as_of=day),))
        for day in (WED, date(2026, 9, 17))
    )

    assert today != tomorrow
    assert today.figures == tomorrow.figures == ((Pair("USD", "KGS"), Decimal("87.4500"), 1),)


def test_a_pair_has_two_codes_of_three_capital_letters() -> None:
    assert (Pair.parse(" kgs "), Pair.parse("EUR/KGS").inverse) == (Pair("KGS", "USD"), Pair("KGS", "EUR"))
    for text in (
        "KG",
        "KGS/USD/EUR",
        "К1S",
        "",
        "KGS_USD",
        "KGSUS",
        "KGS//USD",
        "KGS/",
        "/USD",
        "KGS - USD",
        "ſom",
    ):
        with pytest.raises(ValueError, match="is not a symbol like KGS or KGS/USD"):
            Pair.parse(text)


@pytest.mark.parametrize("text", ["kgs", "KGS/USD", "KGS-USD", "KGSUSD", "kgs-usd", " Kgs/uSD ", "kgsusd"])
def test_a_pair_may_be_spelled_in_many_ways(text: str) -> None:
    assert Pair.parse(text) == Pair("KGS", "USD")


@pytest.mark.parametrize("text", ["USD/KGS", "usd-kgs", "USDKGS"])
def test_the_reverse_pair_may_be_spelled_in_as_many(text: str) -> None:
    assert Pair.parse(text) == Pair("USD", "KGS")


def test_symbols_give_the_price_of_their_reverse_unless_that_is_a_symbol_itself() -> None:
    kgs, eur, usd = Pair("KGS", "USD"), Pair("EUR", "KGS"), Pair("USD", "KGS")

    assert list(both_ways((kgs, eur)).items()) == [
        (kgs, kgs),
        (usd, kgs),
        (eur, eur),
        (Pair("KGS", "EUR"), eur),
    ]
    # In the order of the configuration, also where a symbol is another's reverse.
    assert list(both_ways((kgs, eur, usd)).items()) == [
        (kgs, kgs),
        (eur, eur),
        (Pair("KGS", "EUR"), eur),
        (usd, usd),
    ]


def test_a_fixing_the_other_way_round_is_the_same_word() -> None:
    legs = (rate("KGS/RUB", "88.2534", 100), rate("USD/RUB", "77.1770"))
    fixing = Fixing(symbol=Pair("KGS", "USD"), legs=legs, corrected=True)

    turned = fixing.inverted

    assert (turned.symbol, turned.corrected, turned.inverted) == (Pair("USD", "KGS"), True, fixing)
    assert (turned.price, turned.inverse) == (fixing.inverse, fixing.price)


def test_cursors_are_ordered_by_epoch_and_then_by_sequence() -> None:
    assert Cursor.parse("1790000000000-17") == Cursor(1790000000000, 17)
    assert str(Cursor(1790000000000, 17)) == "1790000000000-17"
    assert Cursor(1, 9) < Cursor(2, 0) < Cursor(2, 1)
    for text in ("", "1", "1-", "-1-1", "1-1-1", f"{1 << 64}-0", "１-1"):
        with pytest.raises(ValueError, match="is not a cursor"):
            Cursor.parse(text)
