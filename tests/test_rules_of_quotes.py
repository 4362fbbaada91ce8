"""
The rules of a quote, one after the other, and the unusual days that each of them is for.

After every event the desk here is compared with one that folds the ledger from scratch: a restart between
any two events changes nothing. NBK and NBT answer about each day, NBKR and CBU about their newest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
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
    MON,
    PANEL,
    PEGGED,
    RULE,
    SAT,
    SUN,
    TENGE,
    TENGE_LINE,
    THU,
    TMT,
    TUE,
    WED,
    Careful,
    cbr_table,
    days_of,
    late,
    market,
    midnight,
    noon,
    of,
    roubles_for_tenge,
    shown,
    som,
    table,
    tenge,
)

from ticker.rates.events import Stood
from ticker.rates.late import status_at
from ticker.rates.model import Pair, Quote, Rate
from ticker.rates.policy import Rule
from ticker.sources import SOURCES

NEXT_WED = WED + 7 * DAY


def desk(*rules: Rule, **others: Any) -> Careful:
    return Careful(rules or (TENGE_LINE,), sources=SOURCES, **others)


def afternoon(day: date) -> datetime:
    """When a bank has set the next day's rate."""
    return noon(day) + 5 * HOURS


def due(day: date) -> datetime:
    """When NBK's or CBU's quote is late: an hour after NBKR's, by the clock in Bishkek."""
    return late(day) + HOURS


def days(first: date, last: date) -> Iterable[date]:
    return (first + DAY * ahead for ahead in range((last - first).days + 1))


# Rule 2: a bank that speaks is not silent


def test_rule_2_a_closure_that_no_calendar_knows_is_no_failure() -> None:
    """NBKR was closed on 8 and 9 January 2026 and stated 87.4435 for each day until Monday the 12th."""
    one, first = desk(RULE), date(2026, 1, 8)
    one.post(table("87.4492", first - DAY), now=noon(first - DAY))
    for day in days(first, first + 4 * DAY):
        one.post(table("87.4435", day, others="1.002"), now=noon(day))
        one.post(cbr_table(day, kgs=f"88.{day.day + 10}00"), now=noon(day))
        for hours in (1, 5, 11):
            one.again("nbkr", now=noon(day) + hours * HOURS)
            assert shown(one) == ("87.4435", first, "nbkr", "live")

    assert one.quotes[KGS].change_percent == Decimal("0.01")


@pytest.mark.parametrize("working_day", range(1, 9))
def test_rule_2_the_fifth_repeat_of_a_frozen_server_makes_the_quote_stale_and_nobody_stands_in(
    working_day: int,
) -> None:
    one = desk(TENGE_LINE)
    one.post([*tenge("455.59", WED), *roubles_for_tenge(WED)], now=noon(WED))
    stamped = [day for day in days(THU, THU + 20 * DAY) if day.weekday() < 5][:working_day]
    for day in stamped:
        one.post([*tenge("455.59", day, of=WED), *roubles_for_tenge(day)], now=noon(day))

    # From Thursday on a newer table was due.
    status = "live" if working_day < 5 else "stale"
    assert shown(one, KZT) == ("455.59", WED, "nbk", status)
    assert one.repeats("nbk", now=noon(stamped[-1])) == working_day
    one.miss("nbk", now=due(stamped[-1]))
    assert shown(one, KZT) == ("455.59", WED, "nbk", status)


def test_rule_2_a_repeat_that_is_no_news_moves_the_due_time_until_the_fourth() -> None:
    one = desk(TENGE)
    one.post(tenge("455.59", WED), now=noon(WED))
    dues = []
    for day in (THU, FRI, SAT, SUN, MON, TUE, NEXT_WED, NEXT_WED + DAY):
        one.post(tenge("455.59", day, of=WED), now=noon(day))
        dues.append(one.quotes[KZT].due_at)

    moved = [due(day) for day in (FRI, MON, TUE, TUE, TUE, NEXT_WED)]
    assert dues == [*moved, moved[-1], moved[-1]]


def test_rule_2_repeats_on_a_weekend_are_not_counted_and_a_new_table_ends_the_count() -> None:
    one = desk(TENGE)
    for day in (SAT, SUN, MON, TUE):
        one.post(tenge("455.59", day, of=SAT), now=noon(day))
        assert one.repeats("nbk", now=noon(day)) == (1 if day == TUE else 0)

    one.post(tenge("456.00", NEXT_WED), now=noon(NEXT_WED))

    assert one.repeats("nbk", now=noon(NEXT_WED)) == 0


def test_rule_2_a_bank_that_answers_with_its_old_date_is_silent_and_the_bank_of_russia_stands_in() -> None:
    one = desk(TENGE_LINE)
    one.post([*tenge("455.59", WED), *roubles_for_tenge(WED)], now=noon(WED))
    one.post(roubles_for_tenge(THU, kzt="16.8000"), now=noon(THU))

    one.post(tenge("455.59", WED), now=due(THU) - MINUTES, asked=THU)
    assert shown(one, KZT).status == "live"
    assert of(one.tick(now=due(THU)), KZT).status == "stale"  # it was not asked since
    quote = of(one.post(tenge("455.59", WED), now=due(THU) + MINUTES, asked=THU), KZT)

    assert (quote.source, quote.status, quote.as_of, quote.change_percent) == (
        "cbr",
        "fallback",
        THU,
        Decimal("-0.94"),
    )


def test_rule_2_three_aggregators_that_agree_stand_in_for_both_and_else_the_last_word_stays() -> None:
    one = desk(TENGE_LINE)
    one.post([*tenge("455.59", WED), *roubles_for_tenge(WED)], now=noon(WED))
    for source, value in zip(PANEL[:2], ("455.10", "456.90"), strict=True):
        one.post([market(source, value, FRI, quote="KZT")], now=noon(FRI))
    one.miss("nbk", now=late(FRI))
    assert shown(one, KZT) == ("455.59", WED, "nbk", "stale")

    one.post([market(PANEL[2], "455.80", FRI, quote="KZT")], now=late(FRI))

    assert shown(one, KZT) == ("455.80", FRI, PANEL[2], "fallback")
    assert one.quotes[KZT].due_at == datetime(2026, 9, 21, tzinfo=noon(FRI).tzinfo) + 6 * HOURS


def test_rule_2_a_stand_in_that_is_doubted_does_not_stand_in() -> None:
    one = desk(RULE, absent=["nbkr"])
    one.post(cbr_table(WED), now=noon(WED))
    for source in PANEL:
        one.post([market(source, "87.50", THU)], now=noon(THU))

    one.post(cbr_table(THU, kgs="82.0000"), now=noon(THU))

    assert shown(one)[2:] == (PANEL[1], "fallback")


def test_rule_2_a_rate_that_is_in_force_is_not_replaced_by_what_is_older() -> None:
    one = desk(TENGE_LINE)
    one.post([*tenge("455.59", WED), *roubles_for_tenge(WED)], now=noon(WED))

    one.miss("nbk", now=due(THU))

    assert shown(one, KZT) == ("455.59", WED, "nbk", "stale")


# Rule 3: the bank's own date says from which day a rate holds


CBU = Rule(symbol=Pair("UZS", "USD"), chain=("cbu",), authorities=frozenset({"cbu"}))
SUM = CBU.symbol


def soum(usd: str, day: date, *, of: date | None = None) -> list[Rate]:
    """CBU's table of a day; `of` another day, under this date."""
    moved = Decimal((of or day).day) / 100
    rows = {"USD": Decimal(usd), "EUR": 13970 + moved, "RUB": 153 + moved, "KZT": 26 + moved}
    return [
        Rate(source="cbu", pair=Pair(base, "UZS"), value=value, nominal=1, as_of=day)
        for base, value in rows.items()
    ]


@pytest.mark.parametrize("friday_s", [SAT, MON])
def test_rule_3_a_bank_s_habit_may_change_and_its_rate_holds_from_the_day_that_it_names(
    friday_s: date,
) -> None:
    one = desk(CBU)
    one.post(soum("12000.00", FRI), now=noon(FRI))
    one.post(soum("12010.00", friday_s), now=afternoon(FRI))
    one.none("cbu", *(day for day in (SAT, SUN) if day < friday_s), now=afternoon(FRI))
    assert one.quotes[SUM].next is not None
    assert one.quotes[SUM].next.as_of == friday_s

    seen = []
    for day in (SAT, SUN, MON):
        one.tick(now=midnight(day) + 2 * HOURS)
        seen.append((shown(one, SUM).inverse, shown(one, SUM).status, one.quotes[SUM].change_percent))

    old, new = ("12000.00", "live", None), ("12010.00", "live", Decimal("-0.08"))
    assert seen == ([new, new, new] if friday_s == SAT else [old, old, new])
    assert one.quotes[SUM].due_at == due(TUE)


def test_rule_3_on_the_day_of_the_change_of_habit_nothing_is_late_or_lost() -> None:
    one = desk(CBU)
    one.post(soum("12000.00", MON), now=afternoon(FRI))
    for set_on, holds, value in ((MON, TUE, "12010.00"), (FRI + 7 * DAY, SAT + 7 * DAY, "12030.00")):
        one.tick(now=noon(set_on))
        one.post(soum(value, holds), now=afternoon(set_on))
        if set_on == MON:
            for ahead in (1, 2, 3):
                day = TUE + ahead * DAY
                one.post(soum(f"1201{ahead}.00", day), now=afternoon(day - DAY))

    one.tick(now=noon(SUN + 7 * DAY))

    assert shown(one, SUM) == ("12030.00", SAT + 7 * DAY, "cbu", "live")
    assert one.quotes[SUM].change_percent == Decimal("-0.14")


def test_rule_3_the_due_time_of_a_fallback_is_that_of_the_source_shown() -> None:
    one = desk(RULE, absent=["nbkr"])

    quote = of(one.post(cbr_table(WED), now=noon(WED)))

    assert quote.due_at == SOURCES["cbr"].calendar.late_at(WED, noon(WED).tzinfo) + 3 * HOURS  # in Moscow


# Rule 4: kinds of days


def test_rule_4_saturday_s_table_holds_to_monday_and_monday_s_repeats_it() -> None:
    """NBK: Friday's rate holds from Saturday to Monday; its feed has a table for every calendar day."""
    one = desk(TENGE_LINE)
    one.post([*tenge("455.00", FRI), *roubles_for_tenge(FRI)], now=noon(FRI))
    one.post(tenge("455.59", SAT), now=afternoon(FRI))
    early = one.post(tenge("455.59", MON, of=SAT), now=afternoon(FRI) + HOURS, asked=MON)
    one.post(tenge("455.59", SUN, of=SAT), now=afternoon(FRI) + HOURS, asked=SUN)
    assert all(quote.next and quote.next.as_of == SAT for quote in early)

    for day in (SAT, SUN, MON):
        for hours in (-11, 0, 4, 11):
            one.tick(now=noon(day) + hours * HOURS)
            assert shown(one, KZT) == ("455.59", SAT, "nbk", "live")
            assert one.quotes[KZT].change_percent == Decimal("-0.13")
    one.post(tenge("456.10", TUE), now=afternoon(MON))
    one.tick(now=noon(TUE))

    assert one.quotes[KZT].change_percent == Decimal("-0.11")
    assert days_of(one.fixings("nbk")) == {FRI, SAT, TUE}


def test_rule_4_one_currency_alone_may_stand_still_and_repeats_only_after_a_day_off() -> None:
    one = desk(ALONE)
    for day in (FRI, SAT, SUN, MON, TUE):
        one.post([som("87.4500", day)], now=noon(day))

    assert days_of(one.fixings("nbkr")) == {FRI, SAT, TUE}


def test_rule_4_a_true_move_between_two_rows_of_an_archive_is_kept() -> None:
    one = desk(TENGE)
    one.post(tenge("480.00", FRI), now=noon(FRI))

    archive = [("455.00", WED - DAY), ("455.59", WED), ("479.00", THU)]
    one.teach([rate for usd, day in archive for rate in tenge(usd, day)], now=noon(FRI))

    assert days_of(one.fixings("nbk")) == {WED - DAY, WED, THU, FRI}
    assert one.quotes[KZT].change_percent == Decimal("-0.21")


def test_rule_4_a_jump_is_measured_from_the_last_accepted_publication() -> None:
    one = desk(TENGE)
    one.post(tenge("455.59", WED), now=noon(WED))
    one.post(tenge("510.00", THU), now=noon(THU))

    one.post(tenge("456.20", FRI), now=noon(FRI))

    assert shown(one, KZT) == ("456.20", FRI, "nbk", "live")
    assert one.quotes[KZT].change_percent is None  # Thursday is refused


# Rule 5: a rate holds from midnight in its country


def test_rule_5_next_is_told_only_if_each_day_before_it_is_known() -> None:
    """An early repeat for Monday is heard on Friday, while Saturday's request fails."""
    one = desk(TENGE)
    one.post(tenge("455.00", FRI), now=noon(FRI))
    one.post(tenge("455.59", MON, of=SAT), now=afternoon(FRI), asked=MON)
    assert one.quotes[KZT].next is None

    one.none("nbk", SUN, now=afternoon(FRI))
    assert one.quotes[KZT].next is None
    quote = of(one.post(tenge("455.59", SAT), now=afternoon(FRI) + HOURS, asked=SAT), KZT)

    assert quote.next is not None
    assert (quote.next.as_of, str(quote.next.inverse)) == (SAT, "455.59")
    assert quote.due_at == midnight(SAT) + HOURS + 5 * MINUTES  # an hour later in Almaty


def test_rule_5_an_announced_repeat_is_no_next() -> None:
    one = desk(TENGE)
    one.post(tenge("455.59", SAT), now=noon(SAT))

    one.post(tenge("455.59", SUN, of=SAT), now=noon(SAT) + HOURS, asked=SUN)
    quote = one.quotes[KZT]

    assert (quote.next, quote.due_at) == (None, due(TUE))
    one.post(tenge("455.59", MON, of=SAT), now=noon(SAT) + HOURS, asked=MON)
    quote = of(one.post(tenge("456.00", TUE), now=noon(SAT) + 2 * HOURS, asked=TUE), KZT)
    assert quote.next is not None
    assert quote.next.as_of == TUE


def test_rule_5_a_doubted_announcement_changes_nothing_before_its_midnight() -> None:
    one = desk(TENGE)
    one.post(tenge("455.59", WED), now=noon(WED))

    assert one.post(tenge("510.00", THU), now=afternoon(WED)) == []
    assert one.tick(now=midnight(THU)) == []  # still Wednesday in Almaty
    quote = of(one.tick(now=midnight(THU) + HOURS), KZT)
    assert (str(quote.inverse), quote.status, quote.next, quote.due_at) == (
        "455.59",
        "unconfirmed",
        None,
        None,
    )


def first_start(*rules: Rule) -> Careful:
    return desk(*rules, first_start=True)


def test_rule_5_the_day_before_s_figures_and_then_the_right_ones_are_a_repeat_and_a_publication() -> None:
    """Case 4: a new service; for five seconds NBK answers Tuesday's figures under Wednesday's date."""
    one, tuesday = first_start(TENGE_LINE), WED - DAY
    one.post(tenge("455.00", WED, of=tuesday), now=noon(WED))
    one.post(tenge("454.71", WED), now=noon(WED) + timedelta(seconds=5))
    one.waited("nbk", now=noon(WED) + timedelta(seconds=10))
    assert one.quotes[KZT].change_percent is None

    archive = [*tenge("455.20", tuesday - DAY), *tenge("455.00", tuesday)]
    quote = of(one.teach(archive, now=noon(WED) + timedelta(seconds=11)), KZT)

    assert (str(quote.inverse), quote.change_percent, quote.corrected) == ("454.71", Decimal("0.06"), False)
    assert days_of(one.fixings("nbk")) == {tuesday - DAY, tuesday, WED}


def test_rule_5_an_earlier_day_s_table_is_refused_when_the_archive_tells_whose_it_is() -> None:
    """Case 5: the first day of a service; the right table, then the day before's figures stamped today."""
    one, tuesday = first_start(TENGE_LINE), WED - DAY
    one.post(tenge("454.71", WED), now=noon(WED))
    one.waited("nbk", now=noon(WED))
    one.post(tenge("455.00", WED, of=tuesday), now=noon(WED) + HOURS)
    assert shown(one, KZT).inverse == "455.00"  # nothing is known that speaks against it

    archive = [*tenge("455.20", tuesday - DAY), *tenge("455.00", tuesday)]
    quote = of(one.teach(archive, now=noon(WED) + HOURS), KZT)

    assert (str(quote.inverse), quote.status, quote.corrected) == ("454.71", "unconfirmed", False)
    assert list(one.unconfirmed("nbk")) == [("nbk", KZT)]
    assert quote.change_percent == Decimal("0.06")


def test_rule_5_an_earlier_day_s_table_is_refused_at_once_where_that_day_is_known() -> None:
    one = desk(TENGE)
    one.post(tenge("455.20", TUE - 8 * DAY), now=noon(TUE - 8 * DAY))
    one.post(tenge("455.00", TUE - 7 * DAY), now=noon(TUE - 7 * DAY))
    one.post(tenge("454.71", WED), now=noon(WED))

    for older in (TUE - 7 * DAY, TUE - 8 * DAY):
        usd = "455.00" if older == TUE - 7 * DAY else "455.20"
        one.post(tenge(usd, WED, of=older), now=noon(WED) + HOURS)
        assert shown(one, KZT) == ("454.71", WED, "nbk", "unconfirmed")

    one.post(tenge("454.71", WED), now=noon(WED) + 2 * HOURS)
    assert shown(one, KZT) == ("454.71", WED, "nbk", "live")
    assert one.quotes[KZT].corrected is False


def test_rule_5_an_earlier_day_s_table_is_refused_when_that_day_is_told_late() -> None:
    one = desk(TENGE)
    one.post(tenge("454.71", THU), now=noon(THU))
    one.post(tenge("455.00", THU, of=WED), now=noon(THU) + HOURS)

    one.post(tenge("455.00", WED), now=noon(THU) + 2 * HOURS)

    assert shown(one, KZT) == ("454.71", THU, "nbk", "unconfirmed")


def test_rule_5_a_first_answer_that_is_an_older_day_s_table_is_refused_too() -> None:
    one = desk(TENGE)
    one.post(tenge("455.20", WED), now=noon(WED))
    one.post(tenge("455.00", THU), now=noon(THU))

    one.post(tenge("455.20", FRI, of=WED), now=noon(FRI))

    assert shown(one, KZT) == ("455.00", THU, "nbk", "unconfirmed")


def test_rule_5_of_one_currency_only_the_table_before_counts_and_only_an_operator_confirms_it() -> None:
    one = desk(ALONE)
    for value, day in (("87.40", WED), ("87.50", THU), ("87.60", FRI)):
        one.post([som(value, day)], now=noon(day))
    one.post([som("87.40", FRI)], now=noon(FRI) + HOURS)
    assert shown(one) == ("87.40", FRI, "nbkr", "live")

    one.post([som("87.50", FRI)], now=noon(FRI) + 2 * HOURS)
    one.post([som("87.50", FRI)], now=noon(FRI) + 3 * HOURS)
    assert shown(one) == ("87.40", FRI, "nbkr", "unconfirmed")

    assert (
        one.confirm(KGS, now=noon(FRI) + 3 * HOURS)[1] == f"nbkr's 87.50 KGS per USD as of {FRI} is accepted"
    )
    assert shown(one) == ("87.50", FRI, "nbkr", "live")


def test_rule_5_a_right_a_bad_and_the_right_table_an_hour_later_leave_the_right_one() -> None:
    one = desk(TENGE)
    one.post(tenge("455.00", WED), now=noon(WED))
    one.post(tenge("455.59", THU), now=noon(THU))

    one.post(tenge("520.00", THU), now=noon(THU) + HOURS)
    assert shown(one, KZT) == ("455.59", THU, "nbk", "unconfirmed")
    one.post(tenge("455.59", THU), now=noon(THU) + 2 * HOURS)

    assert shown(one, KZT) == ("455.59", THU, "nbk", "live")
    assert (one.quotes[KZT].corrected, one.unconfirmed("nbk")) == (False, {})


def alternating(one: Careful, *answers: str) -> list[tuple[str, str, bool]]:
    """What is shown of Thursday while a bank gives these answers, one an hour."""
    one.post(tenge("455.00", WED), now=noon(WED))
    seen = []
    for hour, usd in enumerate(answers):
        one.post(tenge(usd, THU), now=noon(THU) + hour * HOURS)
        quote = one.quotes[KZT]
        seen.append((str(quote.inverse), quote.status, quote.corrected))
    return seen


def test_rule_5_a_version_that_comes_back_alternates_until_one_has_stood() -> None:
    one = desk(TENGE)

    seen = alternating(one, "455.59", "459.00", "455.59")

    assert seen == [("455.59", "live", False), ("459.00", "live", True), ("455.59", "unconfirmed", False)]
    assert one.repeat_wanted("nbk")
    one.post(tenge("455.59", THU), now=noon(THU) + 2 * HOURS + 9 * MINUTES)
    assert shown(one, KZT).status == "unconfirmed"
    one.post(tenge("455.59", THU), now=noon(THU) + 2 * HOURS + 10 * MINUTES)
    assert shown(one, KZT) == ("455.59", THU, "nbk", "live")
    assert not one.repeat_wanted("nbk")


def test_rule_5_a_bank_that_gives_two_tables_in_turn_every_hour_publishes_nothing() -> None:
    """Case 8: two tables 1 % apart."""
    one = desk(TENGE)

    seen = alternating(one, "455.59", *["459.00", "455.59"] * 4)

    assert set(seen[2:]) == {("455.59", "unconfirmed", False)}
    assert not [entry for entry in one.entries if isinstance(entry.event, Stood)]


def test_rule_5_an_announcement_that_alternates_is_no_next() -> None:
    one = desk(TENGE)
    one.post(tenge("455.00", WED), now=noon(WED))
    for hour, usd in enumerate(("455.59", "459.00", "455.59")):
        one.post(tenge(usd, THU), now=noon(WED) + hour * HOURS)
        assert (one.quotes[KZT].next is None) == (hour == 2)

    assert shown(one, KZT) == ("455.00", WED, "nbk", "live")


def test_rule_5_the_other_version_that_has_stood_is_a_correction() -> None:
    one = desk(TENGE)
    alternating(one, "455.59", "459.00", "455.59", "459.00")

    one.post(tenge("459.00", THU), now=noon(THU) + 3 * HOURS + 10 * MINUTES)

    assert shown(one, KZT) == ("459.00", THU, "nbk", "live")
    assert one.quotes[KZT].corrected


def test_rule_5_an_operator_may_end_an_alternation() -> None:
    one = desk(TENGE)
    alternating(one, "455.59", "459.00", "455.59")

    one.confirm(KZT, now=noon(THU) + 3 * HOURS)

    assert shown(one, KZT) == ("455.59", THU, "nbk", "live")


def test_rule_5_what_alternated_is_over_when_the_next_day_begins() -> None:
    one = desk(TENGE)
    alternating(one, "455.59", "459.00", "455.59")
    one.post(tenge("456.00", FRI), now=noon(THU) + 4 * HOURS)

    quote = of(one.tick(now=noon(FRI)), KZT)

    assert (str(quote.inverse), quote.status, quote.change_percent) == ("456.00", "live", Decimal("-0.09"))


def test_rule_5_a_replaced_announcement_or_repeat_is_no_correction() -> None:
    one = desk(TENGE)
    one.post(tenge("455.00", WED), now=noon(WED))
    one.post(tenge("455.59", THU), now=noon(WED) + HOURS)
    one.post(tenge("455.70", THU), now=noon(WED) + 2 * HOURS)
    assert of(one.tick(now=noon(THU)), KZT).corrected is False

    one.post(tenge("455.70", FRI, of=THU), now=noon(FRI))
    quote = of(one.post(tenge("455.90", FRI), now=noon(FRI) + HOURS), KZT)

    assert (str(quote.inverse), quote.as_of, quote.corrected) == ("455.90", FRI, False)


# Rule 6: at the start nobody's word stands alone


def test_rule_6_a_first_start_during_a_bad_print_shows_nothing_against_the_witnesses() -> None:
    """Case 6: +12 %, and the other sources answer two to eight seconds later."""
    one = first_start(TENGE_LINE)
    one.post(tenge("510.00", WED), now=noon(WED))
    for seconds, source in ((2, "fawazahmed0"), (4, "frankfurter"), (8, "floatrates")):
        one.post([market(source, "455.10", WED, quote="KZT")], now=noon(WED) + timedelta(seconds=seconds))
    one.post(roubles_for_tenge(WED), now=noon(WED) + timedelta(seconds=9))
    one.waited("nbk", now=noon(WED) + timedelta(seconds=10))

    assert shown(one, KZT)[1:] == (WED, "cbr", "fallback")
    assert one.unconfirmed("nbk")


def test_rule_6_a_first_start_during_a_bad_print_that_nobody_speaks_against_is_unconfirmed() -> None:
    one = first_start(TENGE)
    assert one.post(tenge("510.00", WED), now=noon(WED)) == []

    quote = of(one.waited("nbk", now=noon(WED) + timedelta(seconds=10)), KZT)

    assert (str(quote.inverse), quote.status, quote.due_at) == ("510.00", "unconfirmed", None)


def test_rule_6_a_first_start_during_a_bad_print_shows_the_archive_s_rate_unconfirmed() -> None:
    one = first_start(TENGE)
    one.post(tenge("510.00", WED), now=noon(WED))
    one.teach([*tenge("455.20", WED - 2 * DAY), *tenge("455.00", WED - DAY)], now=noon(WED))

    one.waited("nbk", now=noon(WED))

    assert shown(one, KZT) == ("455.00", WED - DAY, "nbk", "unconfirmed")


@pytest.mark.parametrize("wrong", ["4550.00", "482.30"])
def test_rule_6_a_refused_row_of_the_archive_makes_the_change_unknown(wrong: str) -> None:
    """Case 7: the archive's row for yesterday is ten times too high, or 6 %."""
    one = first_start(TENGE)
    one.post(tenge("455.59", WED), now=noon(WED))
    rows = [*tenge(wrong, WED - DAY), *tenge("455.20", WED - 2 * DAY), *tenge("455.10", WED - 3 * DAY)]
    one.teach(rows, now=noon(WED))
    one.waited("nbk", now=noon(WED))

    quote = one.quotes[KZT]
    assert (str(quote.inverse), quote.status, quote.change_percent) == ("455.59", "live", None)
    assert one.gaps("nbk", since=WED - 3 * DAY, now=noon(WED)) == [WED - DAY]


def test_rule_6_a_first_start_on_a_sunday_shows_saturday_s_rate_with_its_change() -> None:
    one = first_start(TENGE)
    one.post(tenge("455.59", SUN, of=SAT), now=noon(SUN))
    one.teach([*tenge("455.59", SAT), *tenge("455.00", FRI), *tenge("454.90", THU)], now=noon(SUN))
    one.waited("nbk", now=noon(SUN))

    assert shown(one, KZT) == ("455.59", SAT, "nbk", "live")
    assert one.quotes[KZT].change_percent == Decimal("-0.13")
    assert days_of(one.fixings("nbk")) == {THU, FRI, SAT}


def test_rule_6_a_first_start_five_days_after_a_true_jump_shows_the_rate_and_keeps_the_jump() -> None:
    """26 February 2022, +11.75 %, was true."""
    one, jump = first_start(RULE), date(2022, 2, 26)
    today = jump + 5 * DAY
    values = {-2: "84.5000", -1: "84.9000", 0: "94.8758", 3: "95.0000", 4: "95.5000", 5: "95.1000"}
    one.post(table("95.1000", today), now=noon(today))
    rows = [(jump + ahead * DAY, value) for ahead, value in values.items() if ahead < 5]
    one.teach([rate for day, value in rows for rate in table(value, day)], now=noon(today))
    one.none("nbkr", jump + DAY, jump + 2 * DAY, now=noon(today))
    one.waited("nbkr", now=noon(today))
    one.post([market("floatrates", "95.00", today)], now=noon(today))

    assert shown(one) == ("95.1000", today, "nbkr", "live")
    assert one.quotes[KGS].change_percent == Decimal("0.42")
    assert days_of(one.fixings("nbkr")) == {day for day, _ in rows} | {today}


def test_rule_6_during_the_first_wait_nobody_stands_in_and_afterwards_who_is_spoken_for() -> None:
    one = first_start(TENGE_LINE)
    one.post(roubles_for_tenge(WED), now=noon(WED))
    assert one.waited("cbr", now=noon(WED)) == []  # the authority was not asked yet
    one.post(tenge("455.59", THU), now=noon(WED))
    assert KZT not in one.quotes

    one.waited("nbk", now=noon(WED))

    # The authority's own word for tomorrow speaks for the stand-in today.
    assert shown(one, KZT)[2:] == ("cbr", "fallback")


# Rule 7: the guard


def test_rule_7_a_doubt_ends_when_its_source_states_an_undoubted_table_or_a_later_day_is_accepted() -> None:
    for day in (THU, FRI):
        one = desk(TENGE)
        one.post(tenge("455.00", WED), now=noon(WED))
        one.post(tenge("510.00", THU), now=noon(THU))
        assert shown(one, KZT).status == "unconfirmed"

        one.post(tenge("455.59", day), now=noon(THU) + HOURS)

        assert (one.unconfirmed("nbk"), one.quotes[KZT].status) == ({}, "live")


def test_rule_7_no_doubt_expires_and_nothing_is_discarded() -> None:
    one = desk(TENGE)
    one.post(tenge("455.00", WED), now=noon(WED))
    one.post(tenge("510.00", THU), now=noon(THU))
    for ahead in range(1, 4):
        one.post(tenge("510.00", THU), now=noon(THU) + ahead * DAY)

    assert shown(one, KZT) == ("455.00", WED, "nbk", "unconfirmed")
    one.confirm(KZT, now=noon(MON))
    assert shown(one, KZT)[:2] == ("510.00", THU)


def test_rule_7_what_was_released_is_not_doubted_again_when_its_witness_leaves() -> None:
    one = desk(TENGE_LINE)
    one.post([*tenge("455.00", WED), market("floatrates", "455.10", WED, quote="KZT")], now=noon(WED))
    one.post([replace(rate, as_of=THU) for rate in tenge("500.00", WED)], now=noon(THU))
    one.post([replace(rate, as_of=THU) for rate in tenge("500.00", WED)], now=noon(THU) + 10 * MINUTES)
    assert one.unconfirmed("nbk")
    one.post([market("floatrates", "499.00", THU, quote="KZT")], now=noon(THU) + 11 * MINUTES)
    assert shown(one, KZT)[::3] == ("500.00", "live")

    one.post([market("floatrates", "455.10", FRI, quote="KZT")], now=noon(FRI))

    assert shown(one, KZT)[::3] == ("500.00", "live")


def test_rule_7_beyond_15_percent_a_repetition_on_the_next_day_releases_nothing() -> None:
    one = desk(ALONE)
    one.post(table("84.0000", WED), now=noon(WED))
    for usd, day in (("99.0000", THU), ("99.1000", FRI)):
        one.post(table(usd, day, others="1.178"), now=noon(day))

    assert shown(one) == ("84.0000", WED, "nbkr", "unconfirmed")


def test_rule_10_a_bank_s_cross_of_two_foreign_currencies_is_no_witness() -> None:
    one = desk(RULE)
    for usd, cross, day in (("84.0000", "5.4200", WED), ("93.8700", "4.8500", THU)):
        one.post(table(usd, day), now=noon(day))
        one.post(in_tenge(cross, day), now=noon(day))
    one.post(table("93.8700", THU), now=noon(THU) + HOURS)

    assert shown(one) == ("84.0000", WED, "nbkr", "unconfirmed")


def in_tenge(som: str, day: date) -> list[Rate]:
    """NBK lists the som and the dollar."""
    rows = {"KGS": som, "USD": "455.28"}
    return [
        Rate(source="nbk", pair=Pair(base, "KZT"), value=Decimal(value), nominal=1, as_of=day)
        for base, value in rows.items()
    ]


# Rule 8: the status


def test_rule_8_due_at_is_unknown_for_what_is_pegged_on_hold_or_unconfirmed() -> None:
    one = desk(TENGE, PEGGED)
    one.post(tenge("455.00", WED), now=noon(WED))
    assert (one.quotes[KZT].due_at, one.quotes[TMT].due_at) == (due(THU), None)

    one.hold(KZT, now=noon(WED))
    assert one.quotes[KZT].due_at is None
    one.confirm(KZT, now=noon(WED))
    one.post(tenge("510.00", WED), now=noon(WED))
    assert (one.quotes[KZT].status, one.quotes[KZT].due_at) == ("unconfirmed", None)


def test_rule_8_what_is_heard_while_a_quote_is_on_hold_is_shown_when_it_is_confirmed() -> None:
    one = desk(TENGE)
    one.post(tenge("455.00", WED), now=noon(WED))
    one.hold(KZT, now=noon(WED))
    for usd, day in (("455.59", THU), ("510.00", FRI)):
        assert one.post(tenge(usd, day), now=noon(day)) == []
    assert one.tick(now=late(TUE)) == []

    one.confirm(KZT, now=noon(FRI) + HOURS)

    assert shown(one, KZT) == ("455.59", THU, "nbk", "unconfirmed")
    assert one.quotes[KZT].change_percent == Decimal("-0.13")


@pytest.mark.parametrize("status", ["live", "fallback", "stale"])
def test_rule_8_every_reader_sees_for_himself_that_a_quote_is_late(status: Any) -> None:
    quote: Quote = of(desk(ALONE).post(table("87.4500", WED), now=noon(WED)))
    quote = replace(quote, status=status)

    assert status_at(quote, late(THU) - timedelta(seconds=1)) == status
    assert status_at(quote, late(THU)) == "stale"
    assert status_at(replace(quote, status="unconfirmed", due_at=None), late(TUE)) == "unconfirmed"


# Rule 9: the clock


def test_rule_9_a_clock_that_was_wrong_leaves_the_quotes_as_they_were() -> None:
    one = desk(TENGE_LINE)
    one.post([*tenge("455.00", WED), *roubles_for_tenge(WED)], now=noon(WED))
    before, told = dict(one.quotes), len(one.entries)

    for wrong in (noon(WED) + 4000 * DAY, noon(WED) - 4000 * DAY):
        one.tick(now=wrong)
        one.trim(now=wrong)
    one.tick(now=noon(WED))

    right = {symbol: replace(quote, published_at=noon(WED)) for symbol, quote in one.quotes.items()}
    assert (right, len(one.entries)) == (before, told)


def test_rule_4_a_repeat_on_a_day_off_may_follow_a_bad_print() -> None:
    one = desk(TENGE)
    for value, day in (("455.00", FRI), ("455.59", SAT)):
        one.post(tenge(value, day), now=noon(day))
    one.post(tenge("520.00", SUN), now=noon(SUN) - 9 * HOURS)

    one.post(tenge("455.59", SUN, of=SAT), now=noon(SUN))
    sunday = shown(one, KZT)
    one.post(tenge("456.59", MON), now=noon(MON))

    assert sunday == ("455.59", SAT, "nbk", "live")
    assert one.quotes[KZT].change_percent == Decimal("-0.22")


def test_rule_5_a_bank_alternates_on_a_day_off_as_on_any_other() -> None:
    one = desk(TENGE)
    for value, day in (("455.00", FRI), ("455.59", SAT)):
        one.post(tenge(value, day), now=noon(day))
    one.post(tenge("455.59", SUN, of=SAT), now=noon(SUN) - 8 * HOURS)
    one.post(tenge("459.00", SUN), now=noon(SUN) - 7 * HOURS)

    one.post(tenge("455.59", SUN, of=SAT), now=noon(SUN) - 6 * HOURS)
    back = shown(one, KZT)
    one.post(tenge("455.59", SUN, of=SAT), now=noon(SUN) - 5 * HOURS)
    stood = shown(one, KZT)
    one.post(tenge("455.59", MON, of=SAT), now=noon(MON))

    assert back == ("455.59", SAT, "nbk", "unconfirmed")
    assert stood == shown(one, KZT) == ("455.59", SAT, "nbk", "live")


def test_rule_6_a_witness_outweighs_the_archive_whoever_speaks_first() -> None:
    one = first_start(replace(TENGE, panel=PANEL))
    one.post(tenge("455.59", WED), now=noon(WED))
    one.waited("nbk", now=noon(WED) + MINUTES)
    one.teach([*tenge("482.60", WED - 2 * DAY), *tenge("482.30", WED - DAY)], now=noon(WED) + MINUTES)
    turned_down = one.quotes[KZT].status

    for source in PANEL:
        rate = Rate(source=source, pair=KZT.inverse, value=Decimal("455.2"), nominal=1, as_of=WED)
        one.post([rate], now=noon(WED) + 2 * MINUTES)

    assert turned_down == "unconfirmed"
    assert shown(one, KZT) == ("455.59", WED, "nbk", "live")


def test_rule_9_who_was_asked_by_a_clock_that_was_ahead_was_not_asked_yet() -> None:
    one = desk(replace(RULE, panel=()))
    one.post([*table("87.4500", WED), *cbr_table(WED)], now=noon(WED))
    one.post(table("87.4500", WED), now=noon(SAT), asked=SAT)
    one.post(table("87.4500", WED), now=noon(WED) + 2 * HOURS)
    one.post(cbr_table(THU, kgs="88.3000"), now=noon(THU))

    one.tick(now=late(THU))
    before = shown(one)
    one.post(table("87.4500", WED), now=late(THU) + MINUTES, asked=THU)

    assert before[2:] == ("nbkr", "stale")
    assert shown(one)[2:] == ("cbr", "fallback")
