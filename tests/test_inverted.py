"""A quote the other way round."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticker import wire
from ticker.rates.choice import Basis, quote_of
from ticker.rates.inverted import inverted
from ticker.rates.model import Announcement, Fixing, Pair, Quote, Rate

KGS, USD_KGS = Pair("KGS", "USD"), Pair("USD", "KGS")
THURSDAY, FRIDAY, SATURDAY = date(2026, 5, 21), date(2026, 5, 22), date(2026, 5, 23)
NOW = datetime(2026, 5, 21, 10, 2, 11, tzinfo=UTC)


def said(symbol: Pair, day: date, *figures: tuple[Pair, str, int]) -> Fixing:
    legs = [
        Rate(source="nbkr", pair=pair, value=Decimal(value), nominal=nominal, as_of=day)
        for pair, value, nominal in figures
    ]
    return Fixing(symbol=symbol, legs=tuple(legs))


def quoted(now: Fixing, before: Fixing | None, coming: Fixing | None = None) -> Quote:
    basis = Basis(fixing=now, status="live", previous=before, coming=coming, due_at=NOW)
    return quote_of(basis, label="", now=NOW)


def bank(value: str, day: date = FRIDAY, pair: Pair = USD_KGS, nominal: int = 1) -> Fixing:
    return said(KGS, day, (pair, value, nominal))


def test_a_quote_the_other_way_round_has_the_banks_own_digits() -> None:
    quote = quoted(bank("87.4500"), bank("86.5000", THURSDAY), bank("87.7100", SATURDAY))

    turned = inverted(quote)

    assert (turned.symbol, str(turned.price), turned.inverse) == (USD_KGS, "87.4500", quote.price)
    # Dear dollars, and not the som's fall (-1.09 %) with its sign turned.
    assert (str(turned.previous), str(turned.change), str(turned.change_percent)) == (
        "86.5000",
        "0.9500",
        "1.10",
    )
    assert turned.next == Announcement(
        price=Decimal("87.7100"), inverse=Decimal("0.01140120853"), as_of=SATURDAY
    )
    kept = (
        "value",
        "nominal",
        "direction",
        "as_of",
        "source",
        "source_name",
        "status",
        "published_at",
        "due_at",
    )
    assert [getattr(turned, name) for name in kept] == [getattr(quote, name) for name in kept]
    assert (turned.value, turned.nominal, turned.direction) == (Decimal("87.4500"), 1, USD_KGS)


@pytest.mark.parametrize(
    ("now", "before", "figures"),
    [
        (bank("87.45"), bank("87.4200"), ("87.45", "87.42", "0.03", "0.03")),
        (bank("87.5"), bank("87.4532"), ("87.5", "87.4532", "0.0", "0.05")),
        (bank("12040"), bank("12000"), ("12040", "12000", "40", "0.33")),
        (bank("87.4500"), bank("87.4500"), ("87.4500", "87.4500", "0", "0.00")),
        # Ten of them: the price of one is worked out.
        (
            bank("874.5000", nominal=10),
            bank("865.0000", nominal=10),
            ("87.4500", "86.5000", "0.9500", "1.10"),
        ),
        # Said as dollars for a som, it is worked out to ten digits.
        (
            bank("0.0114", pair=KGS),
            bank("0.0115", pair=KGS),
            ("87.71929825", "86.95652174", "0.76277651", "0.88"),
        ),
        # Also where the figure in force comes out short.
        (bank("0.0125", pair=KGS), bank("0.0115", pair=KGS), ("80", "86.95652174", "-7", "-8.00")),
        # More digits than a price keeps: the last are worked out.
        (
            bank("87.41234567"),
            bank("86.41234567"),
            ("87.41234567", "86.41234570", "0.99999997", "1.16"),
        ),
    ],
)
def test_every_figure_of_the_other_way_round(now: Fixing, before: Fixing, figures: tuple[str, ...]) -> None:
    turned = inverted(quoted(now, before))

    told = turned.price, turned.previous, turned.change, turned.change_percent
    assert tuple(wire.plain(each) for each in told if each is not None) == figures


def test_a_cross_that_stands_still_does_so_the_other_way_round() -> None:
    legs = (Pair("KGS", "RUB"), "88.2534", 100), (Pair("USD", "RUB"), "77.1770", 1)
    turned = inverted(quoted(said(KGS, FRIDAY, *legs), said(KGS, THURSDAY, *legs)))

    assert (str(turned.price), turned.price) == ("87.44932207", turned.previous)
    assert (str(turned.change), str(turned.change_percent)) == ("0", "0.00")
    assert (turned.value, turned.nominal, turned.direction) == (None, None, None)


def test_what_is_unknown_stays_unknown() -> None:
    turned = inverted(quoted(bank("87.4500"), None))

    assert (turned.previous, turned.change, turned.change_percent, turned.next) == (None, None, None, None)


def test_text_is_inverted_as_the_quote_is() -> None:
    quote = replace(
        quoted(bank("87.4500"), bank("86.5000", THURSDAY)), source_name="NBKR", source_site="www.nbkr.kg"
    )

    assert wire.encode_inverted(wire.encode_quote(quote)) == wire.encode_quote(inverted(quote))


FIGURES = st.decimals("0.01", "99999", places=4)


@given(now=FIGURES, before=FIGURES)
def test_the_banks_figures_come_back_digit_for_digit(now: Decimal, before: Decimal) -> None:
    turned = inverted(quoted(bank(str(now)), bank(str(before), THURSDAY)))
    stated = quoted(
        said(USD_KGS, FRIDAY, (USD_KGS, str(now), 1)), said(USD_KGS, THURSDAY, (USD_KGS, str(before), 1))
    )

    assert turned == stated
    assert str(turned.previous) == str(before)
