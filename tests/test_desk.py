"""What a quote is worth, in ordinary times: whose word it is, its change, its days, its operators."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from desks import (
    ALONE,
    DAY,
    FRI,
    HOURS,
    KGS,
    MINUTES,
    MON,
    PANEL,
    PEGGED,
    RULE,
    SAT,
    SUN,
    THU,
    TMT,
    TUE,
    WED,
    cbr_table,
    desk,
    late,
    market,
    midnight,
    noon,
    of,
    shown,
    som,
    table,
    with_others,
)

from ticker.rates.desk import Desk, News
from ticker.rates.events import Entry, Order
from ticker.rates.model import Announcement, Fixing, Pair, Quote, Rate
from ticker.rates.policy import Rule
from ticker.rates.tables import Table, shown_price, tables_of
from ticker.sources import SOURCES

# A quote


def test_the_first_fixing_is_the_value_with_its_bank_s_own_words_and_an_unknown_change() -> None:
    quote = of(desk(ALONE).post([som("87.4500", WED)], now=noon(WED)))

    assert quote == Quote(
        symbol=KGS,
        price=Decimal("0.01143510577"),
        inverse=Decimal("87.4500"),
        previous=None,
        change=None,
        change_percent=None,
        as_of=WED,
        source="nbkr",
        source_name="NBKR",
        status="live",
        published_at=noon(WED),
        value=Decimal("87.4500"),
        nominal=1,
        direction=Pair("USD", "KGS"),
        due_at=late(THU),
    )
    assert str(quote.inverse) == "87.4500"


def test_the_change_is_that_of_the_same_source_at_full_precision() -> None:
    one = desk()
    one.post([som("87.4500", WED)], now=noon(WED))

    quote = of(one.post([som("87.8303", THU)], now=noon(THU)))

    # 1/87.8303 - 1/87.45 = -0.00004951333...; 87.45/87.8303 - 1 = -0.43299...%
    assert (quote.previous, quote.change, quote.change_percent) == (
        Decimal("0.01143510577"),
        Decimal("-0.00004951333"),
        Decimal("-0.43"),
    )


def test_an_unchanged_rate_of_a_new_day_is_a_change_of_nought_and_not_of_minus_nought() -> None:
    one = desk()
    one.post(table("87.4500", WED), now=noon(WED))

    quote = of(one.post(table("87.4500", THU, others="1.001"), now=noon(THU)))

    assert (str(quote.change), str(quote.change_percent), quote.as_of) == ("0", "0.00", THU)


def test_the_same_table_again_changes_nothing() -> None:
    one = desk()
    one.post([som("87.4500", WED)], now=noon(WED))

    assert one.post([som("87.4500", WED)], now=noon(WED) + HOURS) == []


def test_the_label_stands_before_every_source() -> None:
    one = desk(RULE, PEGGED, label="demo")
    one.post([som("87.4500", WED)], now=noon(WED))

    assert {quote.source for quote in one.quotes.values()} == {"demo:nbkr", "demo:peg"}


def names(one: Desk) -> set[tuple[str, str]]:
    return {(quote.source_name, quote.source_site) for quote in one.quotes.values()}


def test_a_quote_names_its_source_by_the_short_name() -> None:
    one = desk(RULE, PEGGED)
    one.post([som("87.4500", WED)], now=noon(WED))

    assert names(one) == {("NBKR", ""), ("peg", "")}


def test_a_cross_and_a_middle_one_are_named_as_those_whose_word_they_are() -> None:
    crossed, middle = desk(absent=["nbkr"]), desk(absent=["nbkr", "cbr"])
    crossed.post(cbr_table(WED), now=noon(WED))
    with_others(middle, "87.45", WED)

    assert names(crossed) == {("CBR", "")}
    assert names(middle) <= {("fawazahmed0", ""), ("Frankfurter", ""), ("FloatRates", "")}
    assert len(names(middle)) == 1


def test_the_site_that_the_terms_require_goes_with_the_name_and_the_label_before_it() -> None:
    somoni = Rate(source="nbt", pair=Pair("USD", "TJS"), value=Decimal("9.3371"), nominal=1, as_of=WED)
    rule = Rule(symbol=Pair.parse("TJS"), chain=("nbt",), authorities=frozenset({"nbt"}))
    for label, name in (("", "NBT"), ("demo", "demo:NBT")):
        one = desk(rule, PEGGED, label=label)
        one.post([somoni], now=noon(WED))

        assert names(one) == {(name, "www.nbt.tj"), (f"{label}:peg" if label else "peg", "")}


@pytest.mark.parametrize("on_hold", [False, True])
def test_the_quotes_of_a_version_that_named_no_source_are_named_at_once(on_hold: bool) -> None:
    one, two = desk(ALONE), desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    if on_hold:
        one.hold(KGS, now=noon(WED))
    nameless = replace(one.quotes[KGS], source_name="nbkr")
    events = (entry.event for entry in one.entries)
    written = (replace(each, quote=nameless) if isinstance(each, Order) else each for each in events)

    two.load([Entry(number, event) for number, event in enumerate(written, 1)], [nameless])

    assert two.quotes == one.quotes
    assert two.tick(now=noon(WED)) == []


def test_a_symbol_that_no_source_has_gets_no_quote() -> None:
    assert desk(replace(RULE, chain=(), panel=())).post([som("87.4500", WED)], now=noon(WED)) == []


def test_a_cross_has_no_single_figure_of_a_bank() -> None:
    one = desk(replace(ALONE, chain=("cbr",), authorities=frozenset({"cbr"})))

    quote = of(one.post(cbr_table(WED), now=noon(WED)))

    # (88.2534 / 100) / 77.1770 = 0.011435194423...
    assert (quote.price, quote.value, quote.direction) == (Decimal("0.01143519442"), None, None)


# Two days at once


def test_a_rate_of_tomorrow_is_announced_and_is_the_value_at_midnight_of_its_country() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    announced = of(one.post([som("87.8303", THU)], now=noon(WED) + 5 * HOURS))
    before = one.tick(now=midnight(THU) - timedelta(microseconds=1))
    after = of(one.tick(now=midnight(THU)))

    coming = Announcement(price=Decimal("0.01138559244"), inverse=Decimal("87.8303"), as_of=THU)
    assert (str(announced.inverse), announced.as_of, announced.next) == ("87.4500", WED, coming)
    assert before == []
    assert (str(after.inverse), after.as_of, after.next, after.status) == ("87.8303", THU, None, "live")
    assert after.change_percent == Decimal("-0.43")


def test_the_day_of_a_stand_in_begins_at_midnight_of_its_own_country() -> None:
    one = desk(absent=["nbkr"])
    one.post([*cbr_table(WED), *cbr_table(THU, kgs="88.0000")], now=noon(WED))
    moscow = datetime(2026, 9, 17, tzinfo=ZoneInfo("Europe/Moscow"))

    assert one.tick(now=moscow - timedelta(seconds=1)) == []
    assert of(one.tick(now=moscow)).as_of == THU


def test_a_bank_of_which_only_tomorrow_is_known_has_no_value_yet() -> None:
    one = desk(ALONE)

    assert one.post([som("87.4500", THU)], now=noon(WED)) == []
    assert of(one.tick(now=noon(THU))).as_of == THU


def test_a_correction_of_the_day_that_holds_says_so_for_as_long_as_it_is_the_value() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("87.8303", THU)], now=noon(THU))

    quote = of(one.post([som("87.6000", THU)], now=noon(THU) + HOURS))

    assert (str(quote.inverse), quote.as_of, quote.corrected) == ("87.6000", THU, True)
    assert quote.previous == Decimal("0.01143510577")
    assert of(one.post([som("87.7000", FRI)], now=noon(FRI))).corrected is False


def test_a_correction_of_an_announcement_is_just_another_announcement() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED), som("87.8303", THU)], now=noon(WED))

    changed = of(one.post([som("87.6000", THU)], now=noon(WED) + HOURS))
    later = of(one.tick(now=noon(THU)))

    assert changed.next
    assert (str(changed.next.inverse), changed.corrected) == ("87.6000", False)
    assert (str(later.inverse), later.corrected) == ("87.6000", False)


def test_an_aggregator_that_moves_during_the_day_corrects_nothing() -> None:
    one = desk(replace(ALONE, chain=("fawazahmed0",), authorities=frozenset({"fawazahmed0"})))
    one.post([market("fawazahmed0", "87.4500", WED)], now=noon(WED))

    quote = of(one.post([market("fawazahmed0", "87.4600", WED)], now=noon(WED)))

    assert (str(quote.inverse), quote.corrected) == ("87.4600", False)


def test_an_older_table_is_remembered_but_is_not_the_value() -> None:
    one = desk(ALONE)
    one.post([som("87.6000", THU)], now=noon(THU))

    quote = of(one.post([som("87.4500", WED)], now=noon(THU)))

    assert (quote.as_of, str(quote.inverse), quote.previous) == (THU, "87.6000", Decimal("0.01143510577"))


def test_a_table_stamped_anew_on_a_weekend_is_no_publication() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", FRI)], now=noon(FRI))
    one.post([som("87.6000", SAT)], now=noon(SAT))

    assert one.post([som("87.6000", SUN)], now=noon(SUN)) == []
    assert one.post([som("87.6000", MON)], now=noon(MON)) == []

    quote = of(one.post([som("87.7000", TUE)], now=noon(TUE)))
    assert quote.previous == shown_price(Fixing(symbol=KGS, legs=(som("87.6000", SAT),)))


def test_a_new_rate_on_a_weekend_is_a_publication() -> None:
    one = desk(ALONE)
    one.post([som("87.6000", SAT)], now=noon(SAT))

    assert of(one.post([som("88.0000", SUN)], now=noon(SUN))).as_of == SUN


def test_yesterday_s_whole_table_under_today_s_date_is_no_publication_and_no_silence() -> None:
    one = desk()
    one.post([*table("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    one.post(cbr_table(THU, kgs="88.3000"), now=noon(WED))

    quote = of(one.post(table("87.4500", THU), now=noon(WED) + 6 * HOURS))

    # Only the moment from which it is late has changed.
    assert (quote.source, quote.status, quote.as_of, quote.due_at) == ("nbkr", "live", WED, late(FRI))
    assert one.tick(now=late(THU)) == []
    assert (one.missed("nbkr", now=late(THU)), one.repeats("nbkr", now=late(THU))) == (0, 1)


def test_a_table_of_one_currency_may_well_stand_still() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    assert of(one.post([som("87.4500", THU)], now=noon(THU))).as_of == THU


# Who is heard


def test_a_stand_in_is_silent_while_the_authority_has_not_failed() -> None:
    assert desk().post(cbr_table(WED), now=noon(WED)) == []


def test_a_stand_in_speaks_when_the_authority_failed_and_is_marked_and_has_its_own_change() -> None:
    one = desk()
    one.post(cbr_table(WED), now=noon(WED))
    one.post(cbr_table(THU, kgs="89.0000"), now=noon(THU))

    quote = of(one.miss("nbkr", now=noon(THU)))

    assert (quote.source, quote.status, quote.change_percent) == ("cbr", "fallback", Decimal("0.85"))


def test_nobody_waits_for_an_authority_that_is_not_polled_and_its_stand_in_is_no_authority() -> None:
    quote = of(desk(absent=["nbkr"]).post(cbr_table(WED), now=noon(WED)))

    assert (quote.source, quote.status) == ("cbr", "fallback")


def test_an_authority_that_fails_keeps_the_value_that_it_gave_until_it_misses_its_slot() -> None:
    one = desk()
    one.post([*cbr_table(WED), som("87.4500", WED)], now=noon(WED))
    one.post(cbr_table(THU, kgs="88.3000"), now=noon(WED))

    assert one.miss("nbkr", now=noon(WED) + HOURS) == []
    assert one.tick(now=late(THU) - timedelta(seconds=1)) == []
    assert of(one.tick(now=late(THU))).status == "stale"
    quote = of(one.miss("nbkr", now=late(THU) + MINUTES))
    assert (quote.source, quote.status, quote.as_of) == ("cbr", "fallback", THU)


def test_a_stand_in_with_nothing_newer_leaves_the_authority_s_last_word_called_stale() -> None:
    one = desk()
    one.post([*cbr_table(WED), som("87.4500", WED)], now=noon(WED))

    quote = of(one.miss("nbkr", now=late(THU)))

    assert (quote.source, quote.status, str(quote.inverse)) == ("nbkr", "stale", "87.4500")


def test_a_stand_in_that_is_late_too_is_the_last_word_and_called_stale() -> None:
    quote = of(desk(absent=["nbkr"]).post(cbr_table(WED), now=noon(FRI)))

    assert (quote.source, quote.status) == ("cbr", "stale")


def test_an_authority_that_comes_back_is_the_value_at_once_and_its_change_its_own() -> None:
    one = desk()
    one.post([*cbr_table(WED), som("87.4500", WED)], now=noon(WED))
    one.post(cbr_table(THU), now=noon(THU))
    one.miss("nbkr", now=late(THU))
    assert shown(one).source == "cbr"
    one.teach([som("87.4500", THU)], now=late(THU))

    quote = of(one.post([som("87.8303", FRI)], now=noon(FRI)))

    assert (quote.source, quote.status, quote.change_percent) == ("nbkr", "live", Decimal("-0.43"))


def test_no_percentage_is_printed_across_a_switch_of_source() -> None:
    one = desk()
    one.post(cbr_table(WED, kgs="88.0000"), now=noon(WED))
    one.miss("nbkr", now=noon(WED))

    quote = of(one.post([som("87.4500", WED)], now=noon(WED)))

    assert (quote.source, quote.status, quote.change_percent) == ("nbkr", "live", None)


def test_friday_s_rate_is_live_on_sunday_and_monday_where_saturday_s_is_the_newest() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", SAT)], now=noon(SAT))

    assert one.tick(now=noon(SUN)) == one.tick(now=noon(MON)) == one.tick(now=noon(TUE)) == []
    assert of(one.tick(now=late(TUE))).status == "stale"


def test_a_bank_that_answers_with_an_old_table_is_late_too_and_how_late_can_be_asked() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))

    for missed, day in enumerate((WED, THU, FRI, SAT, SUN, MON, TUE)):
        assert one.again("nbkr", now=late(day)) == [] or day == THU
        assert one.missed("nbkr", now=late(day)) == {3: 2, 4: 2, 5: 3, 6: 4}.get(missed, missed)
    assert desk().missed("nbkr", now=noon(WED)) == 0


def test_the_middle_of_three_aggregators_stands_in_when_everybody_else_is_silent() -> None:
    one = desk(absent=["nbkr", "cbr"])
    one.post([market("fawazahmed0", "87.40", WED), market("frankfurter", "87.52", WED)], now=noon(WED))

    quote = of(one.post([market("floatrates", "87.45", WED)], now=noon(WED)))

    assert (quote.source, quote.status, str(quote.inverse)) == ("floatrates", "fallback", "87.45")


def test_the_middle_one_speaks_whoever_spoke_before() -> None:
    one = desk(absent=["nbkr", "cbr"])
    with_others(one, "87.40", WED)
    first = one.quotes[KGS].source
    others = [source for source in PANEL if source != first]

    one.post([market(others[0], "87.41", THU), market(others[1], "87.42", THU)], now=noon(THU))
    quote = of(one.post([market(first, "87.43", THU)], now=noon(THU)))

    assert (quote.source, str(quote.inverse)) == (others[1], "87.42")


def test_two_aggregators_and_one_that_is_far_off_are_not_enough() -> None:
    one = desk(absent=["nbkr", "cbr"])
    rates = [market("fawazahmed0", "87.40", WED), market("frankfurter", "87.40", WED)]

    assert one.post([*rates, market("floatrates", "88.60", WED)], now=noon(WED)) == []


def test_of_four_who_agree_the_lower_of_the_two_in_the_middle_speaks_and_who_is_far_off_does_not() -> None:
    rule = replace(RULE, panel=(*PANEL, "erapi", "openexchangerates"))
    one = desk(rule, absent=["nbkr", "cbr"])
    said = zip(rule.panel, ("87.0", "90.0", "87.1", "86.9", "87.2"), strict=True)

    one.post([market(source, value, WED) for source, value in said], now=noon(WED))

    # By the price of a som: 87.2, 87.1, 87.0, 86.9.
    assert shown(one)[:3] == ("87.1", WED, "floatrates")


def test_the_second_bank_of_a_pair_speaks_when_the_first_does_not_list_it() -> None:
    symbol = Pair("KGS", "UZS")
    rule = Rule(symbol=symbol, chain=("nbkr", "cbu", "cbr"), authorities=frozenset({"nbkr", "cbu"}))
    one = desk(rule)
    one.post([som("87.4500", WED)], now=noon(WED))
    sum_ = Rate(source="cbu", pair=symbol, value=Decimal("138.85"), nominal=1, as_of=WED)

    quote = of(one.post([sum_], now=noon(WED)), symbol)

    assert (quote.source, quote.status, str(quote.price)) == ("cbu", "live", "138.85")


def test_a_silent_source_that_says_it_has_nothing_new_is_waited_for_no_less() -> None:
    one = desk()
    one.post(cbr_table(WED), now=noon(WED))
    assert of(one.miss("nbkr", now=noon(WED))).source == "cbr"

    assert one.again("nbkr", now=noon(WED)) == []


# What an operator decides


def test_a_jump_beyond_15_percent_is_an_operator_s_matter() -> None:
    one = desk()
    one.post([*table("84.0000", WED), *cbr_table(WED, kgs="91.8000")], now=noon(WED))
    one.post(table("99.0000", THU, others="1.178"), now=noon(THU))
    one.post(cbr_table(THU, kgs="77.9000"), now=noon(THU))
    assert one.post(table("99.0000", THU, others="1.178"), now=noon(THU) + HOURS) == []

    quotes, done = one.confirm(KGS, now=noon(THU) + 2 * HOURS)

    assert done.startswith(f"nbkr's 99.0000 KGS per USD as of {THU} is accepted")
    assert (str(of(quotes).inverse), of(quotes).status) == ("99.0000", "live")
    assert one.book.doubted("nbkr") == {}


def test_a_confirmation_is_of_the_authority_s_word_and_of_nothing_absurd() -> None:
    one = desk()
    one.post([*table("84.0000", WED), *cbr_table(WED, kgs="91.8000")], now=noon(WED))
    one.post(table("99.0000", THU), now=noon(THU))
    one.post(cbr_table(THU, kgs="9180.0000"), now=noon(THU))
    one.post([market("floatrates", "50.00", THU)], now=noon(THU))

    assert one.confirm(KGS, now=noon(THU))[1].startswith("nbkr's 99.0000")
    assert one.confirm(KGS, now=noon(THU)) == ([], "")
    assert set(one.book.doubted()) == {("cbr", KGS), ("floatrates", KGS)}


def test_a_stand_in_may_be_confirmed_where_the_authority_has_nothing_held_back() -> None:
    one = desk(absent=["nbkr"])
    one.post(cbr_table(WED, kgs="91.8000"), now=noon(WED))
    one.post(cbr_table(THU, kgs="77.0000"), now=noon(THU))

    quotes, done = one.confirm(KGS, now=noon(THU))

    assert done.startswith("cbr's ")
    assert of(quotes).as_of == THU


def test_the_end_of_a_hold_believes_nothing_that_is_doubted() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.hold(KGS, now=noon(WED))
    one.post([som("105.0000", THU)], now=noon(THU))

    first, told = one.confirm(KGS, now=noon(THU))
    second, _ = one.confirm(KGS, now=noon(THU))

    assert told == (
        f"its quote follows its sources again; nbkr's 105.0000 KGS per USD as of {THU} "
        "is still unconfirmed, confirm again to accept it"
    )
    assert (first, str(of(second).inverse)) == ([], "105.0000")


def test_an_operator_may_confirm_what_is_outside_of_its_band() -> None:
    one = desk(ALONE)
    one.post([som("125.0000", WED)], now=noon(WED))
    one.post([som("131.0000", THU)], now=noon(THU))

    one.confirm(KGS, now=noon(THU))

    assert shown(one) == ("131.0000", THU, "nbkr", "live")
    assert one.post([som("131.0000", THU)], now=noon(THU) + HOURS) == []


def test_an_operator_may_keep_a_quote_as_it_is() -> None:
    one = desk()
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))

    quotes, done = one.hold(KGS, now=noon(WED))
    later = one.post([som("87.6000", THU)], now=noon(THU))
    back, _ = one.confirm(KGS, now=noon(THU) + HOURS)

    assert done == f"0.01143510577 as of {WED} is on hold until it is confirmed"
    assert (str(of(quotes).inverse), of(quotes).status) == ("87.4500", "unconfirmed")
    assert later == []
    assert (str(of(back).inverse), of(back).status) == ("87.6000", "live")


def test_a_quote_that_is_kept_announces_nothing() -> None:
    one = desk()
    one.post([som("87.4500", WED), som("87.6000", THU)], now=noon(WED))

    quote = of(one.hold(KGS, now=noon(WED))[0])

    assert (quote.next, one.on_hold) == (None, {KGS})


def test_what_has_no_quote_cannot_be_kept() -> None:
    assert desk().hold(KGS, now=noon(WED)) == ([], "")


# Pegs


def manat(source: str, value: str, day: date) -> Rate:
    return Rate(source=source, pair=Pair("USD", "TMT"), value=Decimal(value), nominal=1, as_of=day)


def test_a_peg_is_said_without_any_bank_and_never_moves() -> None:
    one = desk(PEGGED)

    quote = of(one.tick(now=noon(WED)), TMT)

    assert (quote.price, quote.inverse, quote.status) == (Decimal("0.2857142857"), Decimal("3.5"), "pegged")
    assert (str(quote.change), str(quote.change_percent), quote.as_of) == ("0", "0.00", date(2015, 1, 1))
    assert one.tick(now=noon(WED) + 400 * DAY) == []


def test_two_publications_of_its_own_bank_off_the_peg_are_an_alarm_and_no_new_peg() -> None:
    one = desk(PEGGED)
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
    one = desk(PEGGED)
    for day in (WED, THU):
        for bank in banks:
            one.post([manat(bank, "3.6000", day)], now=noon(day))

    assert shown(one, TMT)[3] == status


def test_an_aggregator_off_the_peg_is_no_sign() -> None:
    one = desk(PEGGED)
    for day in (WED, THU):
        for source in PANEL:
            one.post([manat(source, "3.5747", day)], now=noon(day))

    assert shown(one, TMT)[3] == "pegged"


def test_a_bad_print_of_one_bank_that_it_repeats_leaves_the_peg() -> None:
    one = desk(PEGGED)
    one.post([manat("cbu", "3.5000", TUE - 7 * DAY)], now=noon(WED))
    for day in (WED, THU, FRI):
        one.post([manat("cbu", "3.0198", day)], now=noon(day))

    assert shown(one, TMT) == ("3.5", date(2015, 1, 1), "peg", "pegged")


# What can be asked


# The clock


def test_the_next_change_is_the_bank_s_midnight_or_the_moment_at_which_a_quote_is_late() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    first = one.next_change(now=noon(WED))
    second = one.next_change(now=late(THU) - MINUTES)

    assert (first, second) == (midnight(THU), late(THU))


def test_the_next_change_is_also_the_end_of_an_unconfirmed_word_of_a_bank_that_is_not_polled() -> None:
    one = desk(absent=["nbkr"])
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    one.post([som("99.0000", THU)], now=noon(THU))
    one.post(cbr_table(FRI), now=noon(FRI))

    before, moment = one.quotes[KGS], one.next_change(now=noon(FRI))

    assert (before.status, before.due_at) == ("unconfirmed", None)
    assert moment == late(FRI)
    assert one.tick(now=moment - timedelta.resolution) == []
    assert of(one.tick(now=moment)).status == "fallback"


def test_a_desk_that_has_heard_nothing_never_changes() -> None:
    assert desk(RULE, PEGGED).next_change(now=noon(WED)) is None


def test_a_source_is_to_be_asked_if_it_was_not_since_its_quote_is_late_or_if_the_clock_was_wrong() -> None:
    one = desk(ALONE)
    never = one.is_to_be_asked("nbkr", now=noon(WED))
    one.post([som("87.4500", WED)], now=noon(WED))

    asked = [one.is_to_be_asked("nbkr", now=now) for now in (noon(WED), noon(THU), late(THU), noon(TUE))]
    before = one.is_to_be_asked("nbkr", now=noon(WED) - DAY)
    one.miss("nbkr", now=late(THU))

    assert (never, asked, before) == (True, [False, False, True, True], True)
    assert not one.is_to_be_asked("nbkr", now=late(THU) + HOURS)


def test_what_is_new_is_told_once() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED), som("87.6000", THU)], now=noon(WED))

    news = one.drain()

    assert [fixing.day for fixing in news.fixings] == [WED, THU]
    assert [entry.number for entry in news.entries] == [1, 2, 3]  # two tables, and that they are proven
    assert one.drain() == one.drain()


def test_who_serves_what_can_be_asked() -> None:
    one = desk(RULE, PEGGED)
    one.post([som("87.4500", THU)], now=noon(WED))

    served = [one.serves(source) for source in ("nbkr", "cbr", "cbt", "floatrates")]
    assert served == [True, True, False, False]
    assert one.currencies("cbr") == {"KGS", "USD"}
    assert [one.is_authority(source, KGS) for source in ("nbkr", "cbr")] == [True, False]
    assert [one.announced("nbkr", now=noon(day)) for day in (WED, THU)] == [True, False]
    assert (one.newest_publication("nbkr"), one.newest_publication("cbr")) == (THU, None)
    assert (one.dues("nbkr"), one.dues("cbr")) == ([late(FRI)], [])


def test_the_day_of_the_newest_publication_is_not_that_of_a_repeat_and_that_of_what_is_doubted() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", SAT), now=noon(SAT))
    one.post(table("87.4500", MON), now=noon(MON))
    assert one.newest_publication("nbkr") == SAT

    one.post(table("97.4500", TUE), now=noon(TUE))

    assert one.newest_publication("nbkr") == TUE


def test_an_archive_contradicts_what_its_source_said_if_it_is_further_off_than_the_tolerance() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", FRI), now=noon(FRI))
    said, other = one_table([som("87.4600", FRI)]), one_table([som("102.4000", FRI)])

    euro, wednesday = one_table([som("1", FRI, base="EUR")]), one_table([som("102.4000", WED)])
    assert one.contradiction([said, euro, wednesday]) == ""
    assert one.contradiction([other]) == (
        f"the archive says 102.4000 KGS per USD as of {FRI} of {FRI}, "
        f"not 87.4500 KGS per USD as of {FRI}: is it of another currency?"
    )


def one_table(rates: list[Rate]) -> Table:
    (found,) = tables_of(rates)
    return found


# Another process


def test_another_process_says_nothing_twice_and_knows_the_change() -> None:
    one = desk()
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("87.8303", THU)], now=noon(THU))

    two = one.folded()

    assert (two.tick(now=noon(THU) + HOURS), two.drain()) == ([], News())
    assert two.post([som("87.8303", THU)], now=noon(THU)) == []
    assert of(two.post([som("87.4500", FRI)], now=noon(FRI))).change_percent == Decimal("0.43")


def test_another_process_numbers_its_events_on() -> None:
    one = desk()
    one.post([som("87.4500", WED)], now=noon(WED))
    two = one.folded()

    two.post([som("87.8303", THU)], now=noon(THU))

    assert [entry.number for entry in two.drain().entries] == [3]


def test_after_a_night_off_nobody_stands_in_before_the_first_answer() -> None:
    one = desk()
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    hangs, answers = one.folded(), one.folded()
    for two in (hangs, answers):
        assert of(two.tick(now=late(THU))).status == "stale"  # every reader sees that by `due_at`
        assert two.post(cbr_table(THU), now=late(THU)) == []

    assert of(hangs.miss("nbkr", now=late(THU))).source == "cbr"
    assert of(answers.post([som("87.6000", THU)], now=late(THU))).status == "live"


def test_a_process_that_takes_over_again_knows_what_was_decided_meanwhile() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.hold(KGS, now=noon(WED))
    two = one.folded()
    two.confirm(KGS, now=noon(WED))

    one = two.folded()

    assert (one.tick(now=noon(WED)), shown(one).status, one.on_hold) == ([], "live", frozenset())


def test_another_process_still_doubts_what_was_doubted_and_counts_on() -> None:
    one = desk(ALONE)
    one.post(table("84.0000", WED), now=noon(WED))
    one.post(table("93.8700", THU, others="1.1175"), now=noon(THU))

    two = one.folded()

    assert two.tick(now=noon(THU)) == []
    for minutes in (60, 70):  # the first answer of a process begins its count
        two.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + minutes * MINUTES)
    assert shown(two) == ("93.8700", THU, "nbkr", "live")


def test_another_process_keeps_what_is_on_hold() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.hold(KGS, now=noon(WED))

    assert one.folded().post([som("87.6000", THU)], now=noon(THU)) == []


def test_another_process_knows_a_table_that_was_only_stamped_anew() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))

    two = one.folded()
    two.post(table("87.4500", THU), now=noon(WED) + HOURS)

    assert shown(two) == ("87.4500", WED, "nbkr", "live")
    assert two.drain().fixings == ()


def test_another_process_leaves_out_symbols_and_sources_that_it_does_not_serve() -> None:
    one = desk()
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    unknown = replace(one.quotes[KGS], symbol=Pair("EUR", "USD"))
    fewer = {key: source for key, source in SOURCES.items() if key != "cbr"}
    two = Desk([ALONE], sources=fewer)

    two.load(one.entries, [*one.quotes.values(), unknown])

    assert {fixing.source for fixing in two.fixings()} == {"nbkr"}
    assert set(two.quotes) == {KGS}


def test_a_lone_quote_of_an_earlier_process_gets_old_in_words() -> None:
    one, two = desk(ALONE), desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    two.load([], one.quotes.values())

    assert two.tick(now=noon(THU)) == two.miss("nbkr", now=noon(THU)) == []
    assert of(two.tick(now=late(THU))).status == "stale"
    assert two.tick(now=noon(FRI)) == []


@pytest.mark.parametrize("source", ["peg", "nobody"])
def test_a_lone_quote_that_is_never_due_stays_as_it_is(source: str) -> None:
    one, two = desk(ALONE), desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    two.load([], [replace(one.quotes[KGS], source=source, due_at=None)])

    assert two.tick(now=noon(TUE)) == []


def test_an_intraday_quote_is_late_48_hours_after_the_end_of_its_day() -> None:
    one = desk(replace(ALONE, chain=("floatrates",), authorities=frozenset({"floatrates"})))
    at = datetime(2026, 9, 16, 11, 55, 1, tzinfo=UTC)

    quote = of(one.post([replace(market("floatrates", "87.45", WED), as_of=at)], now=noon(WED)))

    assert (quote.as_of, quote.due_at) == (at, datetime(2026, 9, 19, tzinfo=UTC))
