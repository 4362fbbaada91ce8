"""Whatever happens: the state is a fold of the ledger, and a quote is a word of its source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache

from desks import DAY, HOURS, KGS, PANEL, PEGGED, RULE, WED, Hearing, assert_same, desk, noon
from hypothesis import given, settings
from hypothesis import strategies as st

from ticker.rates.choice import Basis
from ticker.rates.model import Fixing, Pair, Quote, Rate
from ticker.rates.policy import Rule
from ticker.rates.tables import fixing_of, shown_price, tables_of

EURO = Rule(symbol=Pair("EUR", "KGS"), chain=("nbkr",), authorities=frozenset({"nbkr"}))
RULES = (RULE, EURO, PEGGED)
SOURCES = ("nbkr", "cbr", *PANEL)
USUAL, ODD = ["87.00", "87.40", "88.10"], ["93.00", "99.00", "102.00", "8.70"]
LATER = (timedelta(0), 3 * HOURS, 13 * HOURS, 27 * HOURS, 75 * HOURS)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that happens, and how long after the step before."""

    what: str
    source: str
    day: date
    usd: str
    eur: str
    whole: bool
    after: timedelta


def steps(count: int, *, since: date = WED, last: int = 9) -> st.SearchStrategy[list[Step]]:
    one = st.builds(
        Step,
        what=st.sampled_from(
            ["say"] * 8 + ["archive"] * 2 + ["again"] * 3 + ["none", "miss", "wait", "confirm", "hold"]
        ),
        source=st.sampled_from(["nbkr", "nbkr", *SOURCES]),
        day=st.integers(0, last).map(lambda ahead: since + ahead * DAY),
        usd=st.sampled_from(USUAL * 3 + ODD),
        eur=st.sampled_from(["101.50", "102.00"]),
        whole=st.booleans(),
        after=st.sampled_from([timedelta(minutes=1), timedelta(minutes=11), 5 * HOURS, DAY, -2 * HOURS]),
    )
    return st.lists(one, max_size=count)


def rates(step: Step) -> list[Rate]:
    """A source's table; a bank's has one currency, or four of which the dollar and the euro move."""
    if step.source in PANEL:
        return [rate(step, "USD", "KGS", step.usd)]
    if step.source == "cbr":
        return [rate(step, "KGS", "RUB", step.usd), rate(step, "USD", "RUB", "7651.69")]
    figures = {"USD": step.usd, "EUR": step.eur, "CNY": "12.07", "RUB": "1.13"}
    return [rate(step, base, "KGS", figures[base]) for base in (figures if step.whole else ["USD"])]


def rate(step: Step, base: str, quote: str, value: str) -> Rate:
    return Rate(source=step.source, pair=Pair(base, quote), value=Decimal(value), nominal=1, as_of=step.day)


def take(one: Hearing, step: Step, now: datetime) -> None:
    match step.what:
        case "say":
            one.post(rates(step), now=now, asked=max(step.day, now.date()) if step.whole else None)
        case "archive":
            one.teach(rates(step), now=now)
        case "again":
            one.again(step.source, now=now)
        case "none":
            one.none(step.source, step.day, now=now)
        case "miss":
            one.miss(step.source, now=now)
        case "wait":
            one.waited(step.source, now=now)
        case "confirm":
            one.confirm(KGS, now=now)
        case "hold":
            one.hold(KGS, now=now)
    one.tick(now=now)


def bases(one: Hearing, now: datetime) -> list[Basis | None]:
    """What the quotes are made of, now and later."""
    return [one._choice.basis(rule, now + later) for rule in RULES for later in LATER]


@settings(deadline=None, max_examples=120)
@given(story=steps(18), first_start=st.booleans())
def test_the_state_is_the_fold_of_what_was_written_after_every_step(
    story: list[Step], first_start: bool
) -> None:
    one, now = desk(*RULES, first_start=first_start), noon(WED)
    for step in story:
        now += step.after
        take(one, step, now)
        folded = one.folded()

        assert_same(one, folded, now)
        assert bases(folded, now) == bases(one, now)


@settings(deadline=None, max_examples=120)
@given(story=steps(12), first_start=st.booleans())
def test_without_an_event_a_quote_changes_only_at_the_moments_that_the_desk_names(
    story: list[Step], first_start: bool
) -> None:
    one, now = desk(*RULES, first_start=first_start), noon(WED)
    for step in story:
        now += step.after
        take(one, step, now)
    one.tick(now=now)

    for _ in range(40):
        moment = one.next_change(now=now)
        if moment is None:
            assert one.tick(now=now + 1000 * DAY) == []
            return
        assert moment > now
        assert one.tick(now=moment - timedelta.resolution) == []
        one.tick(now=moment)
        now = moment


@settings(deadline=None, max_examples=60)
@given(story=steps(8, since=WED + 58 * DAY, last=6), rest=steps(5, since=WED + 60 * DAY, last=6))
def test_trimming_changes_no_quote_and_what_comes_next_is_judged_alike(
    story: list[Step], rest: list[Step]
) -> None:
    one, now = long_desk().folded(), noon(WED + 59 * DAY)
    for step in story:
        now += step.after
        take(one, step, now)
    one.tick(now=now)
    one.drain()
    before, quotes = bases(one, now), dict(one.quotes)

    assert one.trim(now=now)
    news = one.drain()

    assert (bases(one, now), one.tick(now=now), one.quotes) == (before, [], quotes)
    assert (news.fixings, news.gone) == ((), ())
    for step in rest:
        take(one, step, now)
        folded = one.folded()
        assert_same(one, folded, now)
        assert bases(folded, now) == bases(one, now)
        now += abs(step.after)


@cache
def long_desk() -> Hearing:
    """A desk that heard NBKR and the Bank of Russia for two months, of which it may forget one."""
    one = desk(*RULES, history_days=20)
    for ahead in range(58):
        day = WED + ahead * DAY
        for source in ("nbkr", "cbr"):
            step = Step(
                what="say",
                source=source,
                day=day,
                usd=f"87.{ahead:02}",
                eur=f"101.{ahead:02}",
                whole=True,
                after=DAY,
            )
            one.hear(tables_of(rates(step)), source=source, asked=day, now=noon(day))
    return one


@settings(deadline=None, max_examples=150)
@given(story=steps(30, last=13))
def test_whatever_happens_a_quote_is_its_source_s_word_and_its_change_that_of_one_source(
    story: list[Step],
) -> None:
    one, now = desk(), noon(WED)
    said: dict[tuple[str, date], set[Fixing]] = {}
    for step in story:
        now += step.after
        take(one, step, now)
        (table,) = tables_of(rates(step))
        if fixing := fixing_of(KGS, table):
            said.setdefault((step.source, step.day), set()).add(fixing)

        if quote := one.quotes.get(KGS):
            holds_true(quote, said)


def holds_true(quote: Quote, said: dict[tuple[str, date], set[Fixing]]) -> None:
    """The price was said by its source for its day, and the change is that of two words of one source."""
    own = [each for each in said[quote.source, quote.as_of] if shown_price(each) == quote.price]
    assert own
    if quote.previous is None:
        assert quote.change_percent is None
        return
    earlier = [
        each
        for (source, day), fixings in said.items()
        if source == quote.source and day < quote.as_of
        for each in fixings
        if shown_price(each) == quote.previous
    ]
    assert earlier
    assert quote.change_percent in set(percents(own, earlier))


def percents(now: Iterable[Fixing], then: Iterable[Fixing]) -> Iterable[Decimal]:
    """(price - previous) / previous, worked out in whole numbers."""
    for one in now:
        for other in then:
            share = (exact(one) - exact(other)) / exact(other) * 10000
            hundredths = int(abs(share) + Fraction(1, 2))
            yield Decimal(hundredths if share > 0 else -hundredths) / 100


def exact(fixing: Fixing) -> Fraction:
    """Dollars for a som, from the bank's own figures."""
    if len(fixing.legs) == 1:
        return 1 / Fraction(fixing.legs[0].value)
    som, dollar = fixing.legs
    return Fraction(som.value) / Fraction(dollar.value)
