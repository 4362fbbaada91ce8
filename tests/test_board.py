"""What a quote is worth: the board; and what a reader has not seen: the mirror."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticker.board import Board, Mirror, Rule, change_percent, fixing_of, published
from ticker.model import NOWHERE, Cursor, Fixing, Pair, Quote, Rate

KGS, TMT = Pair("KGS", "USD"), Pair("TMT", "USD")
BISHKEK = ZoneInfo("Asia/Bishkek")
TUE_TO_SAT = frozenset({1, 2, 3, 4, 5})
NOON = datetime(2026, 5, 20, 6, tzinfo=UTC)  # a Wednesday
WED = date(2026, 5, 20)
THU, FRI, SAT, SUN, MON, TUE = (WED + timedelta(days=days) for days in range(1, 7))


def som(value: str, as_of: date, *, source: str = "nbkr", base: str = "USD") -> Rate:
    return Rate(source=source, pair=Pair(base, "KGS"), value=Decimal(value), nominal=1, as_of=as_of)


def roubles(base: str, value: str, nominal: int, as_of: date) -> Rate:
    return Rate(source="cbr", pair=Pair(base, "RUB"), value=Decimal(value), nominal=nominal, as_of=as_of)


def cbr_table(as_of: date, *, kgs: str = "88.2534") -> list[Rate]:
    return [roubles("KGS", kgs, 100, as_of), roubles("USD", "77.1770", 1, as_of)]


PEG = Rate(source="peg", pair=Pair("USD", "TMT"), value=Decimal("3.5"), nominal=1, as_of=date(2015, 1, 1))


def board(
    *, chain: tuple[str, ...] = ("nbkr", "cbr"), label: str = "", history_days: int = 1830, absent: str = ""
) -> Board:
    rules = [
        Rule(symbol=KGS, chain=chain, zone=BISHKEK, band=(Decimal(60), Decimal(130))),
        Rule(symbol=TMT, chain=("cbr",), zone=UTC, peg=PEG),
    ]
    return Board(
        rules,
        effective_days={"nbkr": TUE_TO_SAT},
        label=label,
        stale_days=5,
        history_days=history_days,
        absent={absent},
    )


def of(quotes: Iterable[Quote], symbol: Pair = KGS) -> Quote:
    found = [quote for quote in quotes if quote.symbol == symbol]
    assert len(found) == 1
    return found[0]


def test_the_first_fixing_is_the_value_with_its_bank_s_own_words_and_an_unknown_change() -> None:
    quote = of(board().post([som("87.4500", WED)], now=NOON))

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
        published_at=NOON,
        value=Decimal("87.4500"),
        nominal=1,
        direction=Pair("USD", "KGS"),
    )
    assert str(quote.inverse) == "87.4500"


def test_the_change_is_that_of_the_same_source_at_full_precision() -> None:
    one = board()
    one.post([som("87.4500", WED)], now=NOON)

    quote = of(one.post([som("87.8303", THU)], now=NOON))

    # 1/87.8303 - 1/87.45 = -0.00004951333...; 87.45/87.8303 - 1 = -0.43299...%
    assert (quote.previous, quote.change, quote.change_percent) == (
        Decimal("0.01143510577"),
        Decimal("-0.00004951333"),
        Decimal("-0.43"),
    )


def test_an_unchanged_rate_of_a_new_day_is_a_change_of_nought_and_not_of_minus_nought() -> None:
    one = board()
    one.post([som("87.4500", WED)], now=NOON)

    quote = of(one.post([som("87.4500", THU)], now=NOON))

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
    one.post([som("87.4500", WED)], now=NOON)

    assert one.post([som("87.4500", WED)], now=NOON + timedelta(hours=1)) == []


def test_a_correction_of_the_same_day_replaces_the_rate() -> None:
    one = board()
    one.post([som("87.4500", WED)], now=NOON)
    one.post([som("88.0000", THU)], now=NOON)

    quote = of(one.post([som("87.6000", THU)], now=NOON))

    assert (quote.inverse, quote.previous) == (Decimal("87.6000"), Decimal("0.01143510577"))


def test_an_older_table_is_remembered_but_is_not_the_value() -> None:
    one = board()
    one.post([som("87.6000", THU)], now=NOON)

    quote = of(one.post([som("87.4500", WED)], now=NOON))

    assert (quote.as_of, quote.inverse, quote.previous) == (THU, Decimal("87.6000"), Decimal("0.01143510577"))


def test_a_table_stamped_anew_on_a_weekend_is_no_publication() -> None:
    one = board()
    one.post([som("87.4500", FRI)], now=NOON)
    one.post([som("87.6000", SAT)], now=NOON)

    assert one.post([som("87.6000", SUN)], now=NOON) == []
    assert one.post([som("87.6000", MON)], now=NOON) == []

    quote = of(one.post([som("87.7000", TUE)], now=NOON + timedelta(days=4)))
    assert quote.previous == published(Fixing(symbol=KGS, legs=(som("87.6000", SAT),)))


def test_a_new_rate_on_a_weekend_is_a_publication() -> None:
    one = board()
    one.post([som("87.6000", SAT)], now=NOON)

    assert of(one.post([som("90.0000", SUN)], now=NOON)).as_of == SUN


def test_a_cross_is_taken_over_the_bank_s_own_currency_and_has_no_single_figure() -> None:
    one = board(chain=("cbr",))

    quote = of(one.post(cbr_table(WED), now=NOON))

    # (88.2534 / 100) / 77.1770 = 0.011435194423...
    assert (quote.price, quote.value, quote.direction) == (Decimal("0.01143519442"), None, None)


def test_a_stand_in_is_silent_while_the_authority_has_not_failed() -> None:
    one = board()

    assert [quote.symbol for quote in one.post(cbr_table(WED), now=NOON)] == [TMT]


def test_a_stand_in_speaks_when_the_authority_failed_and_is_marked_and_has_its_own_change() -> None:
    one = board()
    one.post(cbr_table(WED), now=NOON)
    one.post(cbr_table(THU, kgs="89.0000"), now=NOON)

    quote = of(one.miss("nbkr", now=NOON))

    assert (quote.source, quote.status, quote.change_percent) == ("cbr", "fallback", Decimal("0.85"))


def test_nobody_waits_for_an_authority_that_is_not_polled_and_its_stand_in_is_no_authority() -> None:
    quote = of(board(absent="nbkr").post(cbr_table(WED), now=NOON))

    assert (quote.source, quote.status) == ("cbr", "fallback")


def test_a_stand_in_that_is_old_too_is_the_last_word_and_called_stale() -> None:
    quote = of(board(absent="nbkr").post(cbr_table(WED), now=NOON + timedelta(days=6)))

    assert (quote.source, quote.status) == ("cbr", "stale")


def test_a_symbol_that_no_source_has_gets_no_quote() -> None:
    assert [quote.symbol for quote in board(chain=()).post([som("87.4500", WED)], now=NOON)] == [TMT]


def test_no_percentage_is_printed_across_a_switch_of_source() -> None:
    one = board()
    one.post(cbr_table(WED, kgs="80.0000"), now=NOON)
    one.miss("nbkr", now=NOON)

    quote = of(one.post([som("87.4500", WED)], now=NOON))

    assert (quote.source, quote.status, quote.change_percent) == ("nbkr", "live", None)


def test_an_authority_that_fails_once_keeps_the_value_that_it_gave() -> None:
    one = board()
    one.post([*cbr_table(WED), som("87.4500", WED)], now=NOON)

    assert one.miss("nbkr", now=NOON) == []


@pytest.mark.parametrize("value", ["8.7450", "874.5000", "0.0114"])
def test_a_rate_out_of_its_band_is_held_back(value: str) -> None:
    one = board(chain=("nbkr",))
    one.post([som("87.4500", WED)], now=NOON)

    quote = of(one.post([som(value, THU)], now=NOON))

    assert (quote.inverse, quote.as_of, quote.status) == (Decimal("87.4500"), WED, "unconfirmed")


def test_a_rate_within_its_band_ends_the_holding_back() -> None:
    one = board(chain=("nbkr",))
    one.post([som("87.4500", WED)], now=NOON)
    one.post([som("8.7450", THU)], now=NOON)

    quote = of(one.post([som("87.5000", THU)], now=NOON))

    assert (quote.inverse, quote.status) == (Decimal("87.5000"), "live")


def test_a_first_rate_out_of_its_band_is_no_quote_at_all() -> None:
    one = board(chain=("nbkr",))

    assert [quote.symbol for quote in one.post([som("8.7450", WED)], now=NOON)] == [TMT]


def test_a_peg_is_said_without_any_bank_and_never_moves() -> None:
    one = board()

    quote = of(one.tick(now=NOON), TMT)

    assert (quote.price, quote.inverse, quote.status) == (Decimal("0.2857142857"), Decimal("3.5"), "pegged")
    assert (str(quote.change), str(quote.change_percent), quote.as_of) == ("0", "0.00", date(2015, 1, 1))
    assert one.tick(now=NOON + timedelta(days=400)) == []


def test_a_quote_is_live_over_a_long_weekend_and_stale_after_the_days_of_the_configuration() -> None:
    one = board(chain=("nbkr",))
    one.post([som("87.4500", WED)], now=NOON)

    assert one.tick(now=NOON + timedelta(days=5)) == []
    assert of(one.tick(now=NOON + timedelta(days=6))).status == "stale"


def test_the_day_of_a_quote_begins_at_midnight_of_its_country() -> None:
    one = board(chain=("nbkr",))
    one.post([som("87.4500", WED)], now=NOON)
    midnight = datetime(2026, 5, 26, tzinfo=BISHKEK)

    assert one.tick(now=midnight - timedelta(seconds=1)) == []
    assert of(one.tick(now=midnight)).status == "stale"


def test_a_stale_authority_is_replaced_by_a_fresh_stand_in() -> None:
    one, later = board(), NOON + timedelta(days=6)
    one.post([som("87.4500", WED)], now=NOON)

    quote = of(one.post(cbr_table(TUE), now=later))

    assert (quote.source, quote.status) == ("cbr", "fallback")


def test_the_label_stands_before_every_source() -> None:
    quotes = board(label="demo").post([som("87.4500", WED)], now=NOON)

    assert {quote.source for quote in quotes} == {"demo:nbkr", "demo:peg"}


def test_history_forgets_what_is_too_old() -> None:
    one = board(history_days=2)
    one.post([som("87.4500", WED)], now=NOON)

    one.post([som("87.4500", THU), som("87.4600", FRI), som("87.4700", SAT)], now=NOON)

    assert {fixing.day for fixing in one.fixings("nbkr")} == {THU, FRI, SAT}


def test_a_restored_board_says_nothing_twice_and_knows_the_change() -> None:
    one, two = board(), board()
    one.post([som("87.4500", WED)], now=NOON)
    one.post([som("87.8303", THU)], now=NOON)

    two.restore(one.fixings(), one.quotes.values())

    assert two.tick(now=NOON + timedelta(hours=1)) == []
    assert two.post([som("87.8303", THU)], now=NOON) == []
    assert of(two.post([som("87.4500", FRI)], now=NOON)).change_percent == Decimal("0.43")


def test_a_restored_board_still_holds_back_what_was_held_back() -> None:
    one, two = board(chain=("nbkr",)), board(chain=("nbkr",))
    one.post([som("87.4500", WED)], now=NOON)
    one.post([som("8.7450", THU)], now=NOON)

    two.restore(one.fixings(), one.quotes.values())

    assert two.tick(now=NOON) == []


def test_a_restored_board_leaves_out_symbols_and_sources_that_it_does_not_serve() -> None:
    one, two = board(chain=("nbkr", "cbr")), board(chain=("nbkr",))
    one.post([som("87.4500", WED), *cbr_table(WED)], now=NOON)
    foreign = Fixing(symbol=Pair("EUR", "USD"), legs=(som("1", WED),))

    two.restore([*one.fixings(), foreign], one.quotes.values())

    assert {fixing.source for fixing in two.fixings()} == {"nbkr"}


def test_a_lone_quote_of_an_earlier_process_gets_old_in_words() -> None:
    one, two = board(chain=("nbkr",)), board(chain=("nbkr",))
    one.post([som("87.4500", WED)], now=NOON)

    two.restore([], one.quotes.values())

    assert two.tick(now=NOON + timedelta(days=1)) == []
    assert of(two.tick(now=NOON + timedelta(days=6))).status == "stale"


def test_a_pair_that_the_bank_lists_itself_keeps_the_bank_s_digits() -> None:
    symbol = Pair("EUR", "KGS")

    fixing = fixing_of(symbol, [som("101.5076", WED, base="EUR"), som("87.4500", WED)])

    assert fixing is not None
    assert str(published(fixing)) == "101.5076"


def test_a_cross_of_two_foreign_currencies_is_taken_over_the_bank_s_own() -> None:
    fixing = fixing_of(Pair("EUR", "USD"), [som("101.5076", WED, base="EUR"), som("87.4500", WED)])

    assert fixing is not None
    assert published(fixing) == Decimal("1.160750143")


def test_a_table_without_the_currency_gives_nothing() -> None:
    assert fixing_of(Pair("EUR", "USD"), [som("87.4500", WED)]) is None


values = st.decimals(min_value="61", max_value="129", places=4)
days = st.integers(0, 20).map(lambda number: WED + timedelta(days=number))
events = st.lists(
    st.one_of(
        st.tuples(st.just("nbkr"), days, values),
        st.tuples(st.just("cbr"), days, values),
        st.tuples(st.just("miss"), days, values),
        st.tuples(st.just("restart"), days, values),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=150)
@given(events=events)
def test_whatever_happens_a_quote_is_its_source_s_word_and_its_change_that_of_one_source(
    events: list[tuple[str, date, Decimal]],
) -> None:
    one, said, now = board(), {"nbkr": {}, "cbr": {}}, NOON
    for kind, day, value in events:
        now += timedelta(hours=1)
        if kind == "miss":
            one.miss("nbkr", now=now)
        elif kind == "restart":
            fresh = board()
            fresh.restore(one.fixings(), one.quotes.values())
            one = fresh
        else:
            table = [som(str(value), day)] if kind == "nbkr" else cbr_table(day, kgs=str(value))
            fixing = fixing_of(KGS, table)
            assert fixing is not None
            said[kind].setdefault(day, set()).add(fixing.price)
            one.post(table, now=now)
        quote = one.quotes.get(KGS)
        if quote is None:
            continue
        words = {published_price(price) for price in said[quote.source][quote.as_of]}
        assert quote.price in words
        if quote.change_percent is not None:
            earlier = {
                price for day, prices in said[quote.source].items() if day < quote.as_of for price in prices
            }
            own = {
                price for price in said[quote.source][quote.as_of] if published_price(price) == quote.price
            }
            assert quote.change_percent in {change_percent(now_, then) for now_ in own for then in earlier}


def published_price(price: Decimal) -> Decimal:
    return Decimal(f"{price:.10g}") if price else price


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
