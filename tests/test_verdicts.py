"""What is believed at once, what is doubted, what releases it; and the first rate of a source."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from desks import (
    ALONE,
    DAY,
    FRI,
    HOURS,
    KGS,
    KZT,
    MINUTES,
    PANEL,
    PEGGED,
    RULE,
    SAT,
    TENGE,
    THU,
    TUE,
    WED,
    Hearing,
    cbr_table,
    days_of,
    desk,
    late,
    market,
    noon,
    of,
    shown,
    som,
    table,
    tenge,
    with_others,
)

from ticker.rates.events import Said, Waited
from ticker.rates.guard import Doubt, Guard
from ticker.rates.model import Quote, Rate
from ticker.rates.policy import Rule
from ticker.rates.tables import tables_of
from ticker.sources import SOURCES

NOBODY_ELSE = SOURCES.keys() - {"nbkr", "cbr", *PANEL}


# What is doubted


@pytest.mark.parametrize("value", ["8.7450", "874.5000", "0.0114"])
def test_a_rate_out_of_its_band_is_doubted_however_often_it_is_repeated(value: str) -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))

    quote = of(one.post([som(value, THU)], now=noon(THU)))

    assert (str(quote.inverse), quote.as_of, quote.status) == ("87.4500", WED, "unconfirmed")
    assert one.post([som(value, THU)], now=noon(THU) + HOURS) == []
    assert "outside of 60 to 130 KGS per USD" in one.book.doubted("nbkr")["nbkr", KGS].doubt.reason


def test_a_rate_that_the_bank_puts_right_ends_the_doubt() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("8.7450", THU)], now=noon(THU))

    quote = of(one.post([som("87.5000", THU)], now=noon(THU)))

    assert (str(quote.inverse), quote.status, quote.corrected) == ("87.5000", "live", False)
    assert one.book.doubted() == {}


def test_an_older_table_takes_nothing_back_as_a_bank_s_hosts_may_tell_two_days_in_turn() -> None:
    one = desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([som("95.0000", THU)], now=noon(WED) + HOURS)

    assert one.post([som("87.4500", WED)], now=noon(WED) + 2 * HOURS) == []
    assert one.book.doubted("nbkr")["nbkr", KGS].at == noon(WED) + HOURS


def test_a_bank_that_takes_its_word_back_ends_the_doubt_and_its_old_table_is_refused() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("95.0000", THU, others="1.086"), now=noon(WED) + HOURS)

    # Wednesday's figures, stamped Thursday: not a repetition of what is doubted.
    one.post(table("87.4500", THU), now=noon(WED) + 2 * HOURS)
    one.tick(now=noon(THU))

    assert shown(one) == ("87.4500", WED, "nbkr", "unconfirmed")
    assert (one.book.doubted(), list(one.book.refused("nbkr"))) == ({}, [("nbkr", KGS)])


def test_yesterday_s_figures_say_nothing_against_what_is_doubted_of_tomorrow() -> None:
    one = desk(TENGE)
    one.post(tenge("455.59", WED), now=noon(WED))
    one.post(tenge("500.00", FRI), now=noon(THU) + 5 * HOURS)

    one.post(tenge("455.59", THU, of=WED), now=noon(THU) + 6 * HOURS)

    assert list(one.book.doubted()) == [("nbk", KZT)]


def test_what_is_over_is_corrected_in_the_history_and_not_in_the_line() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("87.6000", THU, others="1.001"), now=noon(THU))

    quote = of(one.post(table("87.5000", WED, others="1.0005"), now=noon(THU)))

    assert (str(quote.inverse), quote.as_of, quote.corrected) == ("87.6000", THU, False)
    assert quote.change_percent == Decimal("-0.11")  # since 87.5000
    assert {fixing.day: fixing.corrected for fixing in one.fixings("nbkr")} == {WED: True, THU: False}


def test_a_first_rate_out_of_its_band_is_no_quote_at_all() -> None:
    assert desk(ALONE).post([som("8.7450", WED)], now=noon(WED)) == []


def test_somebody_stands_in_for_a_first_rate_that_is_doubted() -> None:
    one = desk()
    one.post([som("8.7450", WED)], now=noon(WED))

    assert of(one.post(cbr_table(WED), now=noon(WED))).source == "cbr"


def test_a_rate_far_from_the_median_of_the_others_is_doubted() -> None:
    one = desk(RULE)
    one.post([som("87.4500", WED)], now=noon(WED))
    with_others(one, "87.40", WED)

    quote = of(one.post([som("89.0000", THU)], now=noon(THU)))

    assert (str(quote.inverse), quote.status) == ("87.4500", "unconfirmed")
    assert one.book.doubted("nbkr")["nbkr", KGS].doubt.reason == "+1.83 % from the median of the others"


def test_one_other_source_is_no_median() -> None:
    one = desk(RULE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.post([market("floatrates", "87.40", WED)], now=noon(WED))

    assert of(one.post([som("89.0000", THU)], now=noon(THU))).status == "live"


def test_the_tolerance_is_the_symbol_s_own() -> None:
    one = desk(replace(RULE, tolerance=Decimal("0.025")))
    one.post([som("87.4500", WED)], now=noon(WED))
    with_others(one, "87.40", WED)

    assert of(one.post([som("89.0000", THU)], now=noon(THU))).status == "live"


def test_an_official_rate_that_stands_still_is_believed_while_the_market_runs_away() -> None:
    one = desk(RULE, absent=NOBODY_ELSE)
    one.post([*table("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    with_others(one, "87.40", WED)
    with_others(one, "90.00", THU)

    assert of(one.post(table("87.4500", THU, others="1.03"), now=noon(THU))).status == "live"


def test_what_is_doubted_is_not_released_by_time_alone() -> None:
    one = desk()
    one.post([som("87.4500", WED)], now=noon(WED))
    with_others(one, "87.40", WED)
    one.post([som("89.5000", THU)], now=noon(WED) + 4 * HOURS)
    assert shown(one) == ("87.4500", WED, "nbkr", "live")  # until midnight

    one.tick(now=noon(THU))
    with_others(one, "87.40", TUE)

    assert one.unconfirmed("nbkr")
    assert shown(one) == ("87.4500", WED, "nbkr", "unconfirmed")


def test_an_authority_that_says_something_doubted_is_not_silent() -> None:
    one = desk()
    one.post([*table("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    one.post(cbr_table(THU, kgs="88.3000"), now=noon(THU))
    one.miss("nbkr", now=late(THU))
    assert shown(one).source == "cbr"

    quote = of(one.post(table("101.0000", THU), now=late(THU)))

    assert (str(quote.inverse), quote.source, quote.status) == ("87.4500", "nbkr", "unconfirmed")
    assert one.unconfirmed("nbkr")


def test_an_authority_that_says_nothing_after_something_doubted_is_silent() -> None:
    one = desk()
    one.post([*table("87.4500", WED), *cbr_table(FRI)], now=noon(WED))
    one.post(table("101.0000", THU), now=noon(THU))

    before = one.miss("nbkr", now=noon(FRI))
    quote = of(one.miss("nbkr", now=late(FRI)))

    assert before == []
    assert (quote.source, quote.status) == ("cbr", "fallback")


def test_others_whose_rates_are_old_are_not_asked() -> None:
    one = desk(RULE)
    with_others(one, "87.40", WED - 2 * DAY)
    one.post([som("87.4500", WED)], now=noon(WED))

    assert of(one.post([som("89.0000", FRI)], now=noon(FRI))).status == "live"


# What releases it


def test_a_devaluation_of_the_whole_table_is_published_when_the_bank_repeats_it() -> None:
    one = desk(ALONE)
    assert devalued(one, others="1.1175").status == "unconfirmed"

    early = one.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + timedelta(minutes=9))
    quote = of(one.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + timedelta(minutes=10)))

    assert early == []
    assert (str(quote.inverse), quote.status, quote.change_percent) == ("93.8700", "live", Decimal("-10.51"))


def devalued(one: Hearing, *, others: str) -> Quote:
    """NBKR's som falls by 11.75 % from Wednesday to Thursday, as on 26 February 2022."""
    one.post(table("84.0000", WED), now=noon(WED))
    return of(one.post(table("93.8700", THU, others=others), now=noon(THU)))


def dollar(value: str, day: date) -> list[Rate]:
    """What an aggregator says, which finds its prices itself."""
    return [market("fawazahmed0", value, day)]


def test_a_devaluation_may_come_as_a_correction_of_the_day_s_whole_table() -> None:
    one = desk(ALONE)
    one.post(table("84.0000", WED), now=noon(WED))
    one.post(table("93.8700", WED, others="1.1175"), now=noon(WED) + HOURS)
    assert shown(one)[0] == "84.0000"

    quote = of(one.post(table("93.8700", WED, others="1.1175"), now=noon(WED) + 2 * HOURS))

    assert (str(quote.inverse), quote.status, quote.corrected) == ("93.8700", "live", True)


def test_a_correction_of_one_currency_alone_waits_for_a_witness() -> None:
    one = desk(ALONE)
    one.post(table("84.0000", WED), now=noon(WED))
    one.post(table("93.8700", WED, others="1.001"), now=noon(WED) + HOURS)

    assert one.post(table("93.8700", WED, others="1.001"), now=noon(WED) + 2 * HOURS) == []


def test_a_jump_of_one_currency_alone_waits_for_a_witness() -> None:
    one = desk()
    one.post(dollar("84.10", WED), now=noon(WED))
    devalued(one, others="1")

    alone = one.post(table("93.8700", THU), now=noon(THU) + 2 * HOURS)
    quote = of(one.post(dollar("93.90", THU), now=noon(THU) + 3 * HOURS))

    assert alone == []
    assert (str(quote.inverse), quote.source, quote.status) == ("93.8700", "nbkr", "live")


@pytest.mark.parametrize("value", ["87.90", "80.00", "84.10"])
def test_a_witness_moves_the_same_way_by_half_at_least(value: str) -> None:
    one = desk()
    one.post(dollar("84.10", WED), now=noon(WED))
    devalued(one, others="1")
    one.post(table("93.8700", THU), now=noon(THU) + 2 * HOURS)

    assert one.post(dollar(value, THU), now=noon(THU) + 3 * HOURS) == []


def test_a_jump_that_was_said_only_once_is_not_confirmed_by_witnesses() -> None:
    one = desk()
    one.post(dollar("84.10", WED), now=noon(WED))
    devalued(one, others="1")

    assert one.post(dollar("93.90", THU), now=noon(THU) + 3 * HOURS) == []


def test_who_follows_the_banks_is_no_witness() -> None:
    one = desk(absent=SOURCES.keys() - {"nbkr", "cbr", "frankfurter"})
    one.post([*cbr_table(WED, kgs="91.8000"), market("frankfurter", "84.00", WED)], now=noon(WED))
    devalued(one, others="1")
    one.post(table("93.8700", THU), now=noon(THU) + 2 * HOURS)

    one.post(cbr_table(THU, kgs="82.2000"), now=noon(THU) + 3 * HOURS)
    one.post([market("frankfurter", "93.87", THU)], now=noon(THU) + 3 * HOURS)

    assert shown(one)[0] == "84.0000"


def test_a_slip_in_two_tables_is_no_move_of_the_whole_table() -> None:
    one = desk(ALONE)
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("94.5000", THU), now=noon(THU))

    one.post(table("94.5471", FRI, others="1.0005"), now=noon(FRI))
    one.post(table("94.5471", FRI, others="1.0005"), now=noon(FRI) + HOURS)

    assert shown(one) == ("87.4500", WED, "nbkr", "unconfirmed")


def test_the_days_after_a_devaluation_are_believed_while_the_others_lag() -> None:
    one = desk()
    with_others(one, "84.10", WED)
    devalued(one, others="1.1175")
    one.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + HOURS)
    with_others(one, "84.10", THU)

    quote = of(one.post(table("93.9500", FRI, others="1.118"), now=noon(FRI)))

    assert (str(quote.inverse), quote.status) == ("93.9500", "live")


def test_a_repetition_may_come_with_the_next_day_s_table() -> None:
    one = desk(ALONE)
    devalued(one, others="1.1175")

    quote = of(one.post(table("93.9000", FRI, others="1.1176"), now=noon(FRI)))

    assert (str(quote.inverse), quote.as_of, quote.status) == ("93.9000", FRI, "live")
    assert quote.change_percent == Decimal("-0.03")  # from Thursday's, which was right as well


def test_another_jump_the_next_day_is_no_repetition() -> None:
    one = desk(ALONE)
    devalued(one, others="1.1175")

    assert one.post(table("96.0000", FRI, others="1.12"), now=noon(FRI)) == []


def test_a_table_stamped_anew_repeats_what_is_doubted() -> None:
    one = desk(ALONE)
    devalued(one, others="1.1175")

    quote = of(one.post(table("93.8700", FRI, others="1.1175"), now=noon(FRI)))

    assert (str(quote.inverse), quote.as_of) == ("93.8700", THU)


def test_today_s_table_takes_nothing_back_of_tomorrow_s_where_each_day_is_asked_for() -> None:
    one = desk(TENGE)
    one.post(tenge("455.59", WED), now=noon(WED))
    one.post(tenge("500.00", THU), now=noon(WED) + 5 * HOURS)

    one.post(tenge("455.59", WED), now=noon(WED) + 6 * HOURS)

    assert list(one.book.doubted("nbk")) == [("nbk", KZT)]
    one.post(tenge("456.00", WED), now=noon(WED) + 7 * HOURS)
    assert one.quotes[KZT].corrected


def test_what_was_said_again_with_a_change_elsewhere_in_the_table_is_a_repetition() -> None:
    one = desk(ALONE)
    devalued(one, others="1.1175")

    one.post(table("93.8700", THU, others="1.1176"), now=noon(THU) + 10 * MINUTES)

    assert shown(one) == ("93.8700", THU, "nbkr", "live")


def test_what_was_said_before_something_else_is_no_repetition() -> None:
    one = desk(ALONE)
    devalued(one, others="1.1175")
    one.post(table("97.0000", THU, others="1.1175"), now=noon(THU) + 5 * MINUTES)

    one.post(table("93.8700", THU, others="1.1175"), now=noon(THU) + 10 * MINUTES)

    assert shown(one).status == "unconfirmed"


def test_a_wall_clock_that_is_put_back_delays_no_repetition() -> None:
    one = desk(ALONE)
    devalued(one, others="1.1175")
    (stated,) = tables_of(table("93.8700", THU, others="1.1175"))
    seconds = noon(THU).timestamp() + 600

    one.hear([stated], source="nbkr", asked=THU, now=noon(THU) - HOURS, monotonic=seconds)

    assert shown(one) == ("93.8700", THU, "nbkr", "live")


def test_what_an_operator_should_know_is_what_may_become_a_value() -> None:
    one = desk(RULE, PEGGED)
    one.post(table("84.0000", WED), now=noon(WED))
    one.post(table("93.8700", THU), now=noon(THU))
    one.post([market("floatrates", "1", WED)], now=noon(WED))

    assert list(one.unconfirmed("nbkr")) == [("nbkr", KGS)]
    assert one.book.doubted("floatrates")
    assert one.unconfirmed("floatrates") == {}


def test_the_limits_of_the_guard_can_be_set() -> None:
    one = desk(ALONE, guard=Guard(jump=Decimal("0.001"), repeat=timedelta(minutes=1)))
    one.post(table("87.4500", WED), now=noon(WED))
    one.post(table("87.6000", THU, others="1.0018"), now=noon(THU))

    assert shown(one)[3] == "unconfirmed"
    one.post(table("87.6000", THU, others="1.0018"), now=noon(THU) + timedelta(minutes=1))
    assert shown(one)[3] == "live"


# The first rate of a source


def new_desk(*rules: Rule, **others: Any) -> Hearing:
    return desk(*rules, first_start=True, **others)


def test_a_first_rate_waits_and_is_then_unconfirmed_and_the_others_may_speak_against_it() -> None:
    one = new_desk()
    assert one.post([som("101.3000", WED)], now=noon(WED)) == []
    quote = of(one.waited("nbkr", now=noon(WED)))
    assert (str(quote.inverse), quote.status, quote.due_at) == ("101.3000", "unconfirmed", None)

    one.post([market("floatrates", "87.40", WED)], now=noon(WED))
    one.waited("floatrates", now=noon(WED))
    one.post(cbr_table(WED), now=noon(WED))
    one.waited("cbr", now=noon(WED))

    assert one.book.doubted("nbkr")["nbkr", KGS].doubt == Doubt(
        reason="+15.90 % from what another source says"
    )
    assert shown(one)[2:] == ("cbr", "fallback")


def test_a_first_rate_is_confirmed_by_one_who_finds_prices_himself_and_shown_at_once() -> None:
    one = new_desk()
    one.post([som("87.4500", WED)], now=noon(WED))

    quote = of(one.post([market("floatrates", "87.40", WED)], now=noon(WED)))

    assert (quote.source, quote.status) == ("nbkr", "live")


def test_a_first_rate_is_proven_by_nobody_who_follows_the_banks() -> None:
    one = new_desk()
    one.post([som("91.4000", WED)], now=noon(WED))
    one.waited("nbkr", now=noon(WED))
    one.post([market("frankfurter", "91.30", WED), *cbr_table(WED, kgs="84.4000")], now=noon(WED))
    assert shown(one).status == "unconfirmed"

    one.post([market("fawazahmed0", "87.40", WED)], now=noon(WED))
    one.post([market("floatrates", "87.40", WED)], now=noon(WED))

    assert one.unconfirmed("nbkr")


def test_a_first_rate_that_others_are_off_is_confirmed_when_they_have_moved_to_it() -> None:
    one = new_desk()
    one.post([market("floatrates", "87.40", WED)], now=noon(WED))
    one.post([som("89.5000", WED)], now=noon(WED))
    one.waited("nbkr", now=noon(WED))
    assert KGS not in one.quotes

    one.post([market("floatrates", "89.40", WED)], now=noon(WED) + HOURS)

    assert shown(one) == ("89.5000", WED, "nbkr", "live")


def test_what_the_archive_alone_confirmed_is_judged_again_at_the_first_witnesses() -> None:
    """A bank's own bad days would else speak for its bad day today: each moves but little."""
    one = new_desk()
    one.post(table("91.4000", FRI), now=noon(FRI))
    one.teach(
        [som("91.3000", THU), som("87.4000", WED - 4 * DAY), som("87.5000", WED - 5 * DAY)], now=noon(FRI)
    )
    one.waited("nbkr", now=noon(FRI))
    assert shown(one)[::3] == ("91.4000", "live")

    with_others(one, "87.45", FRI)

    assert shown(one) == ("87.4000", WED - 4 * DAY, "nbkr", "unconfirmed")
    assert days_of(one.fixings("nbkr")) == {WED - 4 * DAY, WED - 5 * DAY}
    one.confirm(KGS, now=noon(FRI))
    assert days_of(one.fixings("nbkr")) >= {THU, FRI}  # what was given up with it is back with it


def test_a_devaluation_on_the_day_of_a_first_start_is_confirmed_by_where_the_others_are() -> None:
    one = new_desk()
    one.post(table("97.7254", THU), now=noon(THU))
    one.teach([som("87.4500", WED), som("87.4400", TUE - 7 * DAY)], now=noon(THU))
    one.waited("nbkr", now=noon(THU))
    assert shown(one)[::3] == ("87.4500", "unconfirmed")

    with_others(one, "97.60", THU)

    assert shown(one) == ("97.7254", THU, "nbkr", "live")


def test_a_first_rate_is_believed_for_good_when_the_others_agree() -> None:
    one = new_desk(absent=NOBODY_ELSE)
    one.post([som("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    with_others(one, "87.40", WED)
    with_others(one, "90.00", THU)

    assert shown(one) == ("87.4500", WED, "nbkr", "live")


def test_a_first_rate_that_its_own_history_contradicts_is_doubted() -> None:
    one = new_desk(ALONE)
    one.post(table("93.8700", WED), now=noon(WED))

    one.teach([som("84.0000", TUE - 7 * DAY), som("84.0000", SAT - 7 * DAY)], now=noon(WED))
    one.waited("nbkr", now=noon(WED))

    assert shown(one) == ("84.0000", TUE - 7 * DAY, "nbkr", "unconfirmed")


def test_an_archive_turns_nothing_down_before_the_days_between_are_known() -> None:
    one = new_desk(ALONE)
    one.post(table("95.1000", FRI), now=noon(FRI))
    one.waited("nbkr", now=noon(FRI))

    one.teach([som("84.8000", TUE - 7 * DAY), som("84.9000", WED)], now=noon(FRI))
    assert shown(one) == ("95.1000", FRI, "nbkr", "unconfirmed")
    one.teach([som("95.0000", THU)], now=noon(FRI))

    assert shown(one) == ("95.1000", FRI, "nbkr", "live")
    assert days_of(one.fixings("nbkr")) == {TUE - 7 * DAY, WED, THU, FRI}


def test_an_archive_turns_a_first_rate_down_once_the_bank_denied_the_day_between() -> None:
    one = new_desk(ALONE)
    one.post(table("95.1000", FRI), now=noon(FRI))
    one.waited("nbkr", now=noon(FRI))
    one.teach([som("84.8000", TUE - 7 * DAY), som("84.9000", WED)], now=noon(FRI))

    quote = of(one.none("nbkr", THU, now=noon(FRI)))

    assert (str(quote.inverse), quote.as_of, quote.status) == ("84.9000", WED, "unconfirmed")


def test_during_its_wait_a_first_rate_far_from_its_archive_is_confirmed_by_a_witness_at_once() -> None:
    one = new_desk()
    one.post(table("97.7254", THU), now=noon(THU))
    one.teach([som("87.4400", TUE - 7 * DAY), som("87.4500", WED)], now=noon(THU))

    with_others(one, "97.60", THU)

    assert shown(one) == ("97.7254", THU, "nbkr", "live")


def test_a_first_rate_that_was_turned_down_is_accepted_with_its_second_next_publication() -> None:
    one = new_desk()
    with_others(one, "87.40", WED)
    for value, day in (("89.5000", WED), ("89.6000", THU), ("89.6000", FRI)):
        one.post(table(value, day), now=noon(day))
    assert one.quotes.get(KGS) is None or shown(one).source != "nbkr"

    one.post(table("89.7000", SAT, others="1.001"), now=noon(SAT))

    assert shown(one) == ("89.7000", SAT, "nbkr", "live")


def test_a_first_rate_that_nobody_speaks_for_is_accepted_with_its_second_next_publication() -> None:
    one = new_desk(ALONE)
    for value, day in (("87.4500", WED), ("87.5000", THU), ("87.5500", FRI)):
        one.post(table(value, day), now=noon(day))
        one.waited("nbkr", now=noon(day))
        if day != FRI:
            assert shown(one) == (value, day, "nbkr", "unconfirmed")

    assert shown(one) == ("87.5500", FRI, "nbkr", "live")


def test_three_publications_that_jump_prove_nothing() -> None:
    one = new_desk(ALONE)
    for value, day in (("87.4500", WED), ("93.0000", THU), ("87.4500", FRI)):
        one.post(table(value, day, others="1.001" if day == THU else "1"), now=noon(day))
    one.waited("nbkr", now=noon(FRI))

    assert shown(one).status == "unconfirmed"


def test_a_jump_beyond_15_percent_in_the_archive_is_an_operator_s_matter_at_a_first_start_too() -> None:
    one = new_desk()
    one.post(table("101.0000", THU), now=noon(THU))
    one.teach([som("87.4500", WED), som("87.4400", TUE - 7 * DAY)], now=noon(THU))
    one.waited("nbkr", now=noon(THU))
    with_others(one, "101.00", THU)
    one.post(table("101.0000", THU), now=noon(THU) + HOURS)
    assert shown(one)[::3] == ("87.4500", "unconfirmed")

    one.confirm(KGS, now=noon(THU) + HOURS)

    assert shown(one) == ("101.0000", THU, "nbkr", "live")


def test_an_operator_may_confirm_a_first_rate_that_nobody_speaks_for() -> None:
    one = new_desk(ALONE)
    one.post([som("87.4500", WED)], now=noon(WED))
    one.waited("nbkr", now=noon(WED))

    quotes, words = one.confirm(KGS, now=noon(WED))

    assert words == f"nbkr's 87.4500 KGS per USD as of {WED} is accepted"
    assert of(quotes).status == "live"
    assert one.confirm(KGS, now=noon(WED)) == ([], "")


def test_a_stand_in_s_first_rate_waits_too_and_is_unconfirmed_without_a_witness() -> None:
    one = new_desk(absent=["nbkr"])

    assert one.post(cbr_table(WED), now=noon(WED)) == []
    quote = of(one.waited("cbr", now=noon(WED)))
    assert (quote.source, quote.status) == ("cbr", "unconfirmed")


def test_a_wait_that_is_over_is_over_once() -> None:
    one = new_desk(RULE, PEGGED)
    one.post([som("87.4500", WED)], now=noon(WED))
    assert one.waiting() == {"nbkr"}

    one.waited("nbkr", now=noon(WED))
    one.waited("nbkr", now=noon(WED))

    assert one.waiting() == set()
    assert [type(entry.event) for entry in one.entries] == [Said, Waited]
