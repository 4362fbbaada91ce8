"""The guard's parts: doubts, medians, witnesses, tables that move as a whole, spikes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticker.rates import guard
from ticker.rates.guard import Doubt, Guard
from ticker.rates.model import Fixing, Pair, Rate
from ticker.rates.tables import Table, tables_of

KGS = Pair("KGS", "USD")
WED = date(2026, 9, 16)


def rate(value: str, *, base: str = "USD", quote: str = "KGS", day: date = WED, nominal: int = 1) -> Rate:
    return Rate(source="nbkr", pair=Pair(base, quote), value=Decimal(value), nominal=nominal, as_of=day)


def fixing(value: str, *, day: date = WED) -> Fixing:
    return Fixing(symbol=KGS, legs=(rate(value, day=day),))


def doubt(value: str, *, before: str = "", reference: str = "", tolerance: str = "0.015") -> Doubt | None:
    return guard.doubt(
        fixing(value),
        before=fixing(before).price if before else None,
        reference=lambda: fixing(reference).price if reference else None,
        band=(Decimal(60), Decimal(130)),
        tolerance=Decimal(tolerance),
        guard=Guard(),
    )


def test_nothing_is_doubted_of_a_rate_that_has_nothing_beside_it() -> None:
    assert doubt("87.4500") is None


@pytest.mark.parametrize("value", ["60", "130"])
def test_the_ends_of_a_band_are_inside_of_it(value: str) -> None:
    assert doubt(value) is None


@pytest.mark.parametrize(
    ("value", "by_hand"),
    [("91.8224", None), ("91.8226", False), ("100.5674", False), ("100.5676", True), ("83.2858", None)],
)
def test_a_jump_needs_a_confirmation_from_5_percent_on_and_an_operator_from_15(
    value: str, by_hand: bool | None
) -> None:
    found = doubt(value, before="87.4500")

    assert (found.by_hand if found else None) == by_hand


def test_a_jump_down_is_as_far_as_the_same_jump_up() -> None:
    assert doubt("83.2858", before="87.4500") is None
    assert doubt("83.2856", before="87.4500") is not None


def test_a_jump_is_told_in_the_direction_in_which_the_bank_says_it() -> None:
    found = doubt("93.8700", before="84.0000")

    assert found == Doubt(reason="+11.75 % from one publication to the next")
    direct = Fixing(symbol=Pair("EUR", "KGS"), legs=(rate("110", base="EUR"),))
    then = Fixing(symbol=Pair("EUR", "KGS"), legs=(rate("100", base="EUR"),))
    told = guard.doubt(
        direct,
        before=then.price,
        reference=lambda: None,
        band=None,
        tolerance=Decimal("0.015"),
        guard=Guard(),
    )
    assert told
    assert told.reason.startswith("+10.00 %")


@pytest.mark.parametrize(("value", "believed"), [("88.7617", True), ("88.7618", False)])
def test_a_rate_within_the_tolerance_of_the_median_is_believed(value: str, believed: bool) -> None:
    assert (doubt(value, before="87.4500", reference="87.4500") is None) == believed


def test_a_rate_that_comes_nearer_to_the_median_is_believed_though_it_is_far() -> None:
    assert doubt("90.0000", before="87.4500", reference="93.0000") is None
    assert doubt("87.4500", before="87.4500", reference="93.0000") is None
    assert doubt("85.0000", before="87.4500", reference="93.0000") is not None
    assert (
        doubt("85.4600", before="89.4600", reference="87.4500") is not None
    )  # as near, but on the other side


def test_a_rate_that_hardly_moved_from_one_that_was_off_already_is_no_news() -> None:
    assert doubt("87.4000", before="87.4500", reference="93.0000") is None
    assert doubt("92.0000", before="91.9000", reference="87.4500") is None
    assert doubt("88.9000", before="88.7000", reference="87.4500") is not None  # that one was not off


def test_a_first_rate_is_measured_by_the_median_alone() -> None:
    assert doubt("93.0000", reference="87.4500") is not None
    assert doubt("87.0000", reference="87.4500") is None


def votes_of(opinions: list[tuple[int, int]]) -> list[Decimal]:
    """Prices, each as often as it has votes."""
    return [Decimal(price) for price, votes in opinions for _ in range(votes)]


@pytest.mark.parametrize(
    ("opinions", "median"),
    [
        ([(1, 2)], "1"),
        ([(1, 2), (2, 2)], "1.5"),
        ([(1, 2), (2, 1)], "1"),
        ([(3, 2), (1, 2), (2, 2)], "2"),
        ([(1, 1), (2, 1), (3, 2)], "2.5"),
        ([(1, 1), (9, 2), (9, 2)], "9"),
    ],
)
def test_the_median_has_half_of_the_votes_on_either_side(
    opinions: list[tuple[int, int]], median: str
) -> None:
    assert guard.median(votes_of(opinions)) == Decimal(median)


def test_the_middle_of_a_vote_that_is_split_in_halves_is_all_that_is_between_them() -> None:
    split = votes_of([(1, 2), (4, 1), (5, 1)])

    assert (guard.middle(split), guard.median(split)) == ((1, 4), Decimal("2.5"))
    assert guard.middle([*split, Decimal(4)]) == (4, 4)


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 2)), min_size=1, max_size=12))
def test_one_voice_cannot_move_a_median_beyond_its_neighbours(opinions: list[tuple[int, int]]) -> None:
    votes = votes_of(opinions)

    assert min(votes) <= guard.median(votes) <= max(votes)


@pytest.mark.parametrize(
    ("move", "others", "seen"),
    [
        ("0.10", ["0.05"], True),
        ("0.10", ["0.049"], False),
        ("0.10", ["-0.2"], False),
        ("-0.1", ["-0.3"], True),
        ("0.1", [], False),
    ],
)
def test_a_witness_goes_the_same_way_by_half(move: str, others: list[str], seen: bool) -> None:
    assert guard.witnessed(Decimal(move), map(Decimal, others)) is seen


def bank(usd: str, eur: str, cny: str, rub: str = "") -> list[Rate]:
    rows = {"USD": usd, "EUR": eur, "CNY": cny, "RUB": rub}
    return [rate(value, base=base) for base, value in rows.items() if value]


def one_table(rates: list[Rate]) -> Table:
    (found,) = tables_of(rates)
    return found


def moved_as_a_whole(rates: list[Rate], last: list[Rate], *, since: str) -> bool:
    before = Fixing(symbol=KGS, legs=(rate(since),)).price
    return guard.moved_as_a_whole(
        Fixing(symbol=KGS, legs=(rates[0],)), one_table(rates), one_table(last), since=before
    )


@pytest.mark.parametrize(
    ("rates", "whole"),
    [
        (bank("110", "220", "11"), True),
        (bank("110", "210", "10.5"), True),  # by half as much
        (bank("110", "209", "11"), False),
        (bank("110", "200", "10"), False),
        (bank("110", "180", "9"), False),
        (bank("110", "220", "11", "1"), True),  # two of three
        (bank("110", "220", "10", "1"), False),
        (bank("110", "220", ""), False),  # one other is no table
    ],
)
def test_a_table_moves_as_a_whole_or_not(rates: list[Rate], whole: bool) -> None:
    assert moved_as_a_whole(rates, bank("100", "200", "10", "1"), since="100") is whole


def test_without_the_currency_in_the_table_before_nothing_is_known_to_move() -> None:
    assert moved_as_a_whole(bank("110", "220", "11"), bank("", "200", "10"), since="100") is False


def test_a_cross_does_not_move_a_whole_table() -> None:
    rates, last = bank("110", "220", "11"), bank("100", "200", "10")
    cross = Fixing(symbol=Pair("EUR", "USD"), legs=(rates[1], rates[0]))

    assert not guard.moved_as_a_whole(cross, one_table(rates), one_table(last), since=Decimal(1))


def test_a_second_table_with_the_same_slip_shows_no_move_of_its_own() -> None:
    slip, again = bank("110", "200", "10"), bank("110.1", "200.2", "10.01")

    assert moved_as_a_whole(again, slip, since="100") is False


@pytest.mark.parametrize(
    ("values", "off"),
    [
        ("87 87 101 87 87", [2]),
        ("87 87 75 87 87", [2]),
        ("87 87 87 101 101 87", [3, 4]),
        ("87 87 101 101 87 87", [2, 3]),  # CBU's bad print of 2026 lasted for two publications
        ("84 84 84 94 94 94", []),  # a devaluation
        ("84 94 104", [0, 2]),  # the middle one is off both sides, but not the same way
        ("84 94 94 94", [0]),
        ("84 84 94", [2]),
        ("87 101", [0, 1]),
        ("87", []),
    ],
)
def test_a_spike_is_off_both_sides_and_a_devaluation_is_not(values: str, off: list[int]) -> None:
    prices = [Decimal(value) for value in values.split()]
    sides = [
        (prices[max(0, at - guard.NEIGHBOURS) : at][::-1], prices[at + 1 :][: guard.NEIGHBOURS])
        for at in range(len(prices))
    ]

    found = [
        guard.stands_out(price, [side for side in both if side], jump=Decimal("0.05"))
        for price, both in zip(prices, sides, strict=True)
    ]

    assert [at for at, is_off in enumerate(found) if is_off] == off
