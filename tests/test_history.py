"""What archives tell: the days before, what is left out of them, which days are still unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

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
    SAT,
    SUN,
    TENGE,
    THU,
    TUE,
    WED,
    Hearing,
    days_of,
    desk,
    market,
    noon,
    of,
    shown,
    som,
    table,
    tenge,
)

from ticker.rates.events import Asked, Baseline, Empty, Order, Said
from ticker.rates.model import Pair
from ticker.rates.policy import Rule
from ticker.rates.tables import tables_of

# The change


def test_earlier_days_make_the_change_right() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", THU)], now=noon(THU))

    quote = of(one.teach([som("87.4500", WED), som("87.4000", TUE - 7 * DAY)], now=noon(THU)))

    assert (quote.as_of, quote.change_percent) == (THU, Decimal("-0.43"))


def test_a_table_of_the_history_without_the_symbol_teaches_nothing() -> None:
    one = desk(ALONE)

    assert one.teach([som("101.5076", WED, base="EUR")], now=noon(WED)) == []


def test_a_change_is_unknown_while_a_day_between_is() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    missed = of(one.post([som("87.8303", FRI)], now=noon(FRI)))
    told = of(one.teach([som("87.6000", THU)], now=noon(FRI)))

    assert (missed.previous, missed.change, missed.change_percent) == (None, None, None)
    assert told.change_percent == Decimal("-0.26")


def test_a_day_without_a_publication_leaves_the_change_that_of_the_day_before() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("87.8303", FRI)], now=noon(FRI))

    quote = of(one.none("nbkr", THU, now=noon(FRI)))

    assert quote.change_percent == Decimal("-0.43")


def test_a_change_is_unknown_while_a_day_between_is_refused() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("8.7000", THU)], now=noon(THU))

    quote = of(one.post([som("87.8303", FRI)], now=noon(FRI)))

    assert (quote.status, quote.change_percent) == ("live", None)
    assert one.gaps("nbkr", since=WED, now=noon(FRI)) == [THU]


# What an archive adds


def test_an_archive_tells_nothing_where_it_has_nothing_to_add() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", THU)], now=noon(THU))
    one.drain()

    assert one.teach([som("87.8303", THU)], now=noon(THU)) == []
    assert one.drain().fixings == ()


def test_an_archive_that_says_the_same_again_adds_no_event() -> None:
    one = desk(ALONE)
    one.teach([som("87.4500", WED)], now=noon(THU))
    one.teach([som("101.5076", WED, base="EUR")], now=noon(THU))
    told = len(one.entries)

    one.teach([som("87.4500", WED)], now=noon(FRI))
    one.teach([som("101.5076", WED, base="EUR"), som("87.4500", WED)], now=noon(FRI))

    assert len(one.entries) == told


def test_what_is_known_already_is_not_changed_by_the_history() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", THU)], now=noon(THU))

    one.teach([som("87.9999", THU), som("87.4500", WED), som("87.4000", TUE - 7 * DAY)], now=noon(THU))

    assert shown(one)[0] == "87.8303"


def test_an_answer_outranks_what_the_archive_said_before_it() -> None:
    one = desk(ALONE)
    one.post(table("87.8303", FRI), now=noon(FRI))
    one.teach([som("87.5000", THU)], now=noon(FRI))

    one.post([som("87.6000", THU)], now=noon(FRI))

    assert {str(fixing.legs[0].value) for fixing in one.fixings("nbkr")} == {"87.8303", "87.6000"}
    assert not any(fixing.corrected for fixing in one.fixings("nbkr"))


def test_saturday_s_table_is_learned_though_monday_s_has_the_same_figures() -> None:
    one = desk(ALONE)
    one.post(table("87.8303", MON), now=noon(MON))

    one.teach([*table("87.8303", SAT), *table("87.4500", FRI)], now=noon(MON))

    assert shown(one) == ("87.8303", SAT, "nbkr", "live")
    assert one.quotes[KGS].change_percent == Decimal("-0.43")


@pytest.mark.parametrize(("count", "day"), [(2, WED), (5, FRI - 5 * DAY), (8, FRI), (12, FRI)])
def test_today_s_table_for_so_many_earlier_days_that_none_can_be_its_own_is_not_learned(
    count: int, day: date
) -> None:
    """NBT answers for a day out of its range with today's table; a bank may well repeat one for some days."""
    one = desk(ALONE)
    one.post(table("87.8303", FRI), now=noon(FRI))

    one.teach(
        [rate for back in range(1, count + 1) for rate in table("87.8303", FRI - back * DAY)], now=noon(FRI)
    )

    assert days_of(one.fixings("nbkr")) == {day}


def test_what_an_archive_told_of_another_table_is_learned_before_those_days() -> None:
    one = desk(ALONE)
    one.post(table("87.8303", FRI), now=noon(FRI))
    one.teach(table("87.7000", FRI - 9 * DAY, others="1.001"), now=noon(FRI))

    one.teach([rate for back in range(1, 9) for rate in table("87.8303", FRI - back * DAY)], now=noon(FRI))

    assert days_of(one.fixings("nbkr")) == {FRI - 9 * DAY, FRI}


def test_an_archive_s_repeat_of_what_counts_for_the_day_before_is_no_spike() -> None:
    """27 February 2022, a Sunday: the jump of Saturday held, and Tuesday's rate was lower again."""
    one, saturday = desk(ALONE), date(2022, 2, 26)
    one.post(table("84.9000", saturday - DAY), now=noon(saturday - DAY))
    one.post(table("94.8758", saturday, others="1.1175"), now=noon(saturday))
    one.confirm(KGS, now=noon(saturday))

    one.teach(table("94.8758", saturday + DAY, others="1.1175"), now=noon(saturday + 3 * DAY))
    one.post(table("90.2000", saturday + 3 * DAY, others="1.06"), now=noon(saturday + 3 * DAY))

    assert saturday + DAY not in one.gaps("nbkr", since=saturday, now=noon(saturday + 3 * DAY))


def test_what_is_confirmed_may_come_in_by_the_history() -> None:
    one = desk(ALONE)
    one.post(table("84.0000", WED), now=noon(WED))
    one.post(table("93.8700", THU, others="1.1175"), now=noon(THU))
    one.post(table("93.9000", FRI, others="1.1176"), now=noon(FRI))

    one.teach([som("93.8700", THU)], now=noon(FRI))

    assert days_of(one.fixings("nbkr")) == {WED, THU, FRI}


def test_what_was_doubted_does_not_come_in_by_the_history() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("90.1582", THU), now=noon(THU))
    one.post(table("99.5000", FRI, others="1.001"), now=noon(FRI))
    one.post(table("87.5000", SAT, others="1.002"), now=noon(SAT))

    two = one.folded()
    two.teach([som("90.1582", THU), som("99.5000", FRI)], now=noon(SAT))

    assert days_of(two.fixings("nbkr")) == {WED, THU, SAT}  # Thursday was believed: 3 %, no others


def test_an_archive_that_only_repeats_what_is_doubted_is_not_learned() -> None:
    one = desk(first_start=True)
    for source in PANEL:
        one.post([market(source, "87.45", FRI)], now=noon(FRI))
    one.post(table("91.4000", FRI), now=noon(FRI))
    assert one.book.doubted("nbkr")

    bad = [som("91.3000", THU), som("91.2000", WED)]
    good = [som("87.4000", WED - 4 * DAY), som("87.5000", WED - 5 * DAY)]
    one.teach([*bad, *good], now=noon(FRI))
    one.waited("nbkr", now=noon(FRI))

    assert days_of(one.fixings("nbkr")) == {WED - 4 * DAY, WED - 5 * DAY}


def test_yesterday_s_table_under_today_s_date_is_known_also_when_tomorrow_s_is_out() -> None:
    one = desk(TENGE)
    one.post(tenge("454.01", WED), now=noon(WED))
    one.post(tenge("456.00", FRI), now=noon(THU) + 5 * HOURS)

    one.post(tenge("454.01", THU, of=WED), now=noon(THU) + 6 * HOURS)
    one.teach(tenge("454.01", THU, of=WED), now=noon(THU) + 6 * HOURS)

    assert days_of(one.fixings("nbk")) == {WED, FRI}


# What is left out


def test_a_day_of_the_archive_that_is_there_and_back_is_left_out() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", FRI), now=noon(FRI))

    one.teach([som("90.5000", THU), som("87.4000", WED - 4 * DAY)], now=noon(FRI))

    assert days_of(one.fixings("nbkr")) == {WED - 4 * DAY, FRI}


def test_an_archive_about_another_currency_shows_on_a_day_that_is_known() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", FRI), now=noon(FRI))

    one.teach([som("102.4000", FRI), som("102.3000", THU)], now=noon(FRI))

    assert days_of(one.fixings("nbkr")) == {FRI}


def test_a_spike_in_the_history_is_left_out() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", FRI)], now=noon(FRI))

    one.teach([som("87.4000", WED), som("101.3000", THU)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {WED, FRI}


def test_a_bad_print_of_two_publications_in_the_history_is_left_out() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", SAT)], now=noon(SAT))
    bad = [som("101.3000", WED), som("101.4000", THU)]
    good = [som("87.4000", WED - DAY), som("87.5000", WED - 4 * DAY), som("87.6000", FRI)]

    one.teach([*bad, *good], now=noon(SAT))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {WED - 4 * DAY, WED - DAY, FRI, SAT}


def test_a_rate_at_the_end_of_the_history_that_is_off_its_neighbour_is_left_out() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", FRI)], now=noon(FRI))

    one.teach([som("101.3000", THU)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {FRI}


def test_a_rate_of_the_history_outside_of_its_band_is_left_out() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", FRI)], now=noon(FRI))

    one.teach([som("8.7400", WED), som("8.7400", THU)], now=noon(FRI))

    assert {fixing.day for fixing in one.fixings("nbkr")} == {FRI}


def test_a_bad_print_over_a_weekend_is_one_publication_and_left_out() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", TUE)], now=noon(TUE))

    bad = [som("101.3000", day) for day in (SAT, SUN, MON)]
    one.teach([*bad, som("87.5000", WED), som("87.6000", THU), som("87.7000", FRI)], now=noon(TUE))

    assert days_of(one.fixings("nbkr")) == {WED, THU, FRI, TUE}


def test_a_rate_that_stood_still_before_a_devaluation_is_no_spike() -> None:
    one = desk(ALONE)
    one.post([som("93.8700", FRI)], now=noon(FRI))

    one.teach([som("84.0000", WED), som("84.0000", THU)], now=noon(FRI))

    assert days_of(one.fixings("nbkr")) == {WED, THU, FRI}


def test_what_was_left_out_is_taken_in_when_its_neighbours_are_told() -> None:
    one = desk(ALONE)
    one.post([som("93.8700", FRI)], now=noon(FRI))
    one.teach([som("84.1000", THU)], now=noon(FRI))
    assert days_of(one.fixings("nbkr")) == {FRI}

    one.teach([som("84.0000", WED)], now=noon(FRI))

    assert days_of(one.fixings("nbkr")) == {WED, THU, FRI}


def test_a_devaluation_in_the_history_is_history() -> None:
    one = desk(ALONE)
    one.post([som("93.9000", SAT)], now=noon(SAT))

    one.teach([som("84.0000", WED), som("84.1000", THU), som("93.8700", FRI)], now=noon(SAT))

    assert [
        str(fixing.legs[0].value) for fixing in sorted(one.fixings("nbkr"), key=lambda each: each.day)
    ] == [
        "84.0000",
        "84.1000",
        "93.8700",
        "93.9000",
    ]


# The gaps


def test_the_gaps_are_the_days_that_are_unknown() -> None:
    one = desk(ALONE)
    one.post([som("87.8303", MON)], now=noon(MON))
    one.teach([som("87.4500", THU), som("87.4000", WED)], now=noon(MON))

    assert one.gaps("nbkr", since=WED - DAY, now=noon(MON)) == [SUN, SAT, FRI, TUE - 7 * DAY]


def test_a_cross_that_a_source_need_not_tell_makes_no_gaps() -> None:
    kzt = Rule(symbol=Pair("KZT", "USD"), chain=("nbk",), authorities=frozenset({"nbk"}))
    one = desk(ALONE, kzt, PEGGED)
    one.post([som("87.8303", SAT), som("0.1859", SAT, base="KZT")], now=noon(SAT))
    one.teach([som("87.4500", FRI), som("87.4500", THU)], now=noon(SAT))

    assert one.gaps("nbkr", since=THU, now=noon(SAT)) == []


def test_a_day_for_which_there_is_no_table_is_no_gap_once_it_is_over_or_a_later_one_is_stated() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("87.4600", SAT)], now=noon(SAT))
    one.none("nbkr", SUN, now=noon(SUN))
    assert one.gaps("nbkr", since=SAT, now=noon(MON)) == [MON, SUN]

    one.none("nbkr", SUN, MON, now=noon(MON))
    assert one.gaps("nbkr", since=SAT, now=noon(MON)) == [MON]

    one.post([som("87.8303", TUE)], now=noon(MON) + 5 * HOURS)
    assert one.gaps("nbkr", since=SAT, now=noon(TUE)) == []


def test_a_day_after_a_working_day_is_a_gap_until_it_is_denied_while_a_later_table_is_out() -> None:
    """A source that stands still has no table for any day."""
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.none("nbkr", THU, now=noon(FRI))
    assert one.gaps("nbkr", since=WED, now=noon(FRI)) == [FRI, THU]

    one.post([som("87.8303", FRI)], now=noon(FRI))
    assert one.gaps("nbkr", since=WED, now=noon(FRI)) == [THU]
    one.none("nbkr", THU, now=noon(FRI))
    told = len(one.entries)
    one.none("nbkr", THU, now=noon(SAT))  # settled already

    assert (one.gaps("nbkr", since=WED, now=noon(FRI)), len(one.entries)) == ([], told)


def test_a_day_without_a_table_is_noted_once_and_again_when_that_settles_it() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    for now in (noon(THU), noon(THU) + HOURS, noon(FRI), noon(FRI) + HOURS, noon(SAT)):
        one.none("nbkr", WED, THU, now=now)

    told = [entry.event for entry in one.entries if isinstance(entry.event, Empty)]
    assert {(each.first, each.last) for each in told} == {(THU, THU)}
    assert [each.at for each in told] == [noon(THU), noon(FRI)]


def test_an_older_table_for_a_later_day_says_that_the_days_between_have_none() -> None:
    one = desk(ALONE)

    one.post([som("87.4500", WED)], now=noon(FRI), asked=FRI)

    told = [entry.event for entry in one.entries if isinstance(entry.event, Empty)]
    assert [(each.first, each.last) for each in told] == [(THU, FRI)]
    assert one.gaps("nbkr", since=WED, now=noon(FRI)) == [FRI, THU]


def test_a_symbol_that_stands_still_hides_no_gap_of_another() -> None:
    euro = Rule(symbol=Pair("EUR", "KGS"), chain=("nbkr",), authorities=frozenset({"nbkr"}))
    yuan = replace(euro, symbol=Pair("CNY", "KGS"))  # not in the archive
    one = desk(ALONE, euro, yuan)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post([som("87.8303", SAT), som("12.1000", SAT, base="CNY")], now=noon(SAT))
    assert one.gaps("nbkr", since=WED, now=noon(SAT)) == [FRI, THU]

    one.teach([som("87.6000", FRI), som("87.5000", THU)], now=noon(SAT))
    assert one.gaps("nbkr", since=WED, now=noon(SAT)) == [FRI, THU]
    one.teach([som("101.5076", day, base="EUR") for day in (THU, FRI)], now=noon(SAT))
    assert one.gaps("nbkr", since=WED, now=noon(SAT)) == []


def test_an_archive_of_one_currency_says_nothing_of_another() -> None:
    rule = Rule(symbol=Pair("USD", "KGS"), chain=("nbkr",), authorities=frozenset({"nbkr"}))
    rouble = replace(rule, symbol=Pair("RUB", "KGS"))
    one = desk(rule, rouble)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("87.5000", FRI, others="1.001"), now=noon(FRI))

    one.teach([som("87.4700", THU)], now=noon(FRI))

    assert one.quotes[rule.symbol].change_percent == Decimal("0.03")
    assert one.quotes[rouble.symbol].change_percent is None


def test_without_any_rate_every_day_is_a_gap() -> None:
    one = desk(ALONE)
    assert one.gaps("nbkr", since=SUN, now=noon(MON)) == [MON, SUN]

    one.none("nbkr", SUN, now=noon(MON))
    assert one.gaps("nbkr", since=SUN, now=noon(MON)) == [MON]


# What is forgotten


def long_story(history_days: int) -> Hearing:
    """Sixty days of rates, one symbol on hold and released, and one answer missed."""
    one = desk(ALONE, history_days=history_days)
    for ahead in range(60):
        day = WED + ahead * DAY
        one.post(table(f"87.{ahead + 10}00", day, others=f"1.00{ahead + 10}"), now=noon(day))
        if ahead == 3:
            one.none("nbkr", WED - DAY, now=noon(day))
            for minutes in (1, 12):  # a bad print that is said again, until the right table is back
                one.post(table("96.0000", day), now=noon(day) + minutes * MINUTES)
            right = table("87.1300", day, others="1.0013")
            one.post(right, now=noon(day) + 13 * MINUTES)
            one._add(Order(at=noon(day), verb="confirm", symbol=KGS, table=tables_of(right)[0]))
        one.miss("nbkr", now=noon(day) + HOURS)
    one.hold(KGS, now=noon(day))
    one.confirm(KGS, now=noon(day))
    one.drain()
    return one


def test_history_forgets_what_is_too_old_and_keeps_a_month_more_than_it_must() -> None:
    one = long_story(20)
    quotes = dict(one.quotes)

    assert one.trim(now=noon(WED + 59 * DAY))
    assert min(days_of(one.fixings())) == WED + 39 * DAY
    assert (one.tick(now=noon(WED + 59 * DAY)), one.quotes) == ([], quotes)
    assert not one.trim(now=noon(WED + 59 * DAY))


def test_what_is_forgotten_is_named_and_another_process_misses_nothing() -> None:
    one = long_story(20)
    numbers = {entry.number for entry in one.entries}
    one.trim(now=noon(WED + 59 * DAY))

    news, two = one.drain(), one.folded()

    assert set(news.dropped) == numbers - {entry.number for entry in one.entries}
    assert isinstance(news.entries[-1].event, Baseline)
    assert (news.fixings, news.gone) == ((), ())
    assert two.fixings() == one.fixings()
    assert (two.tick(now=noon(WED + 59 * DAY)), two.quotes) == ([], one.quotes)


def test_of_events_that_replace_each_other_only_the_last_is_kept() -> None:
    one = long_story(20)
    one.trim(now=noon(WED + 59 * DAY))

    kept = [entry.event for entry in one.entries if not isinstance(entry.event, Said)]

    assert [type(event) for event in kept] == [Asked, Order, Baseline]


def test_nothing_is_trimmed_by_a_date_that_is_years_ahead() -> None:
    one = long_story(20)
    one.post([som("88.0000", WED + 4000 * DAY)], now=noon(WED + 59 * DAY))

    one.trim(now=noon(WED + 59 * DAY))

    assert len(days_of(one.fixings())) >= 20


def test_a_publication_that_is_older_than_the_history_is_kept_while_it_is_in_force() -> None:
    one = desk(ALONE, history_days=5)
    one.post(table("87.4000", WED - DAY), now=noon(WED))
    one.post(table("87.4500", WED, others="1.001"), now=noon(WED))
    for ahead in range(1, 50):
        one.post(table("87.4500", WED + ahead * DAY, others="1.001"), now=noon(WED + ahead * DAY))
    quotes = dict(one.quotes)

    assert one.trim(now=noon(WED + 49 * DAY))
    one.tick(now=noon(WED + 49 * DAY))

    assert one.quotes == quotes
    assert days_of(one.fixings()) == {WED - DAY, WED}
