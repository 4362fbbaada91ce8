"""
The choice: which source's word is the value of a symbol at a moment, and its status. Pure.

A quote is the word of one source: the authority, which is the currency's central bank, or a fallback while
the authority is silent. It is never an average, and its percentage never compares two sources.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import islice

from ticker.rates import guard
from ticker.rates.book import Book
from ticker.rates.model import Announcement, Fixing, Quote, Status
from ticker.rates.policy import Rule
from ticker.rates.series import STALE_REPEATS, Row, Series
from ticker.rates.source import Source
from ticker.rates.tables import change, change_percent, shown_price

_ALARM = Decimal("0.005")
"""How far a bank's rate may be from a peg, as a share, before it counts against the peg."""
_ALARM_DAYS = 2
_ALARM_BANKS = 3
_CONSENSUS = Decimal("0.01")
_PANEL = 3
_SWITCH = timedelta(minutes=5)
"""How long after the start of an announced rate the quote that it replaces becomes late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The parts of a quote."""

    fixing: Fixing
    """The publication in force."""
    previous: Fixing | None
    """The publication before it; None if that is not known."""
    status: Status
    coming: Fixing | None = None
    """The publication announced for a later day."""
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A source's day that could be the value."""

    series: Series
    row: Row
    due_at: datetime
    """When its quote is late."""
    silent_at: datetime
    """When its source counts as silent: later than `due_at` if it repeats, or states doubted rates."""
    official: bool


class Choice:
    """Chooses by the rules of a book. Sources in `absent` are not polled, so no quote waits for them."""

    def __init__(self, book: Book, *, absent: Collection[str]) -> None:
        self._book = book
        self._absent = absent

    def basis(self, rule: Rule, now: datetime) -> Basis | None:
        """The parts of the quote of a symbol; None if there are none yet."""
        if rule.peg:
            fixing = Fixing(symbol=rule.symbol, legs=(rule.peg,))
            return Basis(fixing=fixing, previous=fixing, status=self._peg_status(rule))
        chosen = self._choose(rule, now)
        return self._basis(*chosen, now) if chosen else None

    def _basis(self, candidate: _Candidate, status: Status, now: datetime) -> Basis:
        series = candidate.series
        first = series.publication(candidate.row)
        assert first.chosen  # noqa: S101 - a row in force has a word that counts
        fixing = series.fixing(first.day) or first.chosen.fixing
        if status == "unconfirmed":
            return Basis(fixing=fixing, previous=self._previous(series, first), status=status)
        coming = self._coming(series, candidate.row, now) if status != "stale" else None
        due_at = candidate.due_at
        if coming:
            due_at = min(due_at, datetime.combine(coming.day, time(0), series.zone) + _SWITCH)
        previous = self._previous(series, first)
        return Basis(
            fixing=fixing, previous=previous, status=status, coming=coming, due_at=due_at.astimezone(UTC)
        )

    def _previous(self, series: Series, first: Row) -> Fixing | None:
        """The publication before, if every day between is known."""
        before = series.before(first.day)
        if before is None or before.chosen is None or not self._book.all_known(series, before.day, first.day):
            return None
        return before.chosen.fixing

    def _coming(self, series: Series, row: Row, now: datetime) -> Fixing | None:
        """The next publication that is announced, if every day before it is known."""
        today, last = self._book.heard.today(series.source.key, now), row
        for later in series.after(today):
            if not self._book.all_known(series, last.day, later.day):
                return None
            if not later.repeat and later.chosen:
                return None if later.alternates else later.chosen.fixing
            last = later
        return None

    # Which source provides the value.

    def _choose(self, rule: Rule, now: datetime) -> tuple[_Candidate, Status] | None:
        own: _Candidate | None = None
        for source in rule.chain:
            official = source in rule.authorities
            candidate = self._candidate(source, rule, now)
            if official and self._is_waited_for(source, rule, candidate):
                return None
            if candidate is None:
                continue
            if own is None or candidate.row.day > own.row.day:
                status = self._status(candidate, now)
                if status:
                    return candidate, status
            own = own or candidate
        if middle := self._middle(rule, now, own):
            return middle, "fallback"
        if own is None:
            return None
        return own, "unconfirmed" if self._is_unconfirmed(own, now) else "stale"

    def _candidate(self, source: str, rule: Rule, now: datetime) -> _Candidate | None:
        row = self._book.in_force(source, rule.symbol, now)
        if row is None:
            return None
        series = self._book.series[source, rule.symbol]
        fresh, stated = series.last_fresh() or row, series.last_stated() or row
        return _Candidate(
            series=series,
            row=row,
            due_at=series.late_at(fresh),
            silent_at=series.late_at(stated),
            official=source in rule.authorities,
        )

    def _status(self, candidate: _Candidate, now: datetime) -> Status | None:
        """The status of a source's word; None if another source's may be better."""
        if self._is_silent(candidate, now):
            return None
        if self._is_unconfirmed(candidate, now):
            return "unconfirmed" if candidate.official or not self._is_doubted(candidate, now) else None
        late = candidate.due_at <= now or len(candidate.series.repeats(candidate.row)) >= STALE_REPEATS
        if candidate.official:
            return "stale" if late else "live"
        return None if late else "fallback"

    def _is_silent(self, candidate: _Candidate, now: datetime) -> bool:
        """Whether a source stated nothing newer in time. An authority must also have been asked since."""
        if candidate.silent_at > now:
            return False
        source = candidate.series.source.key
        asked = self._book.heard.asked.get(source)
        was_asked = source in self._absent or (asked is not None and asked.at >= candidate.silent_at)
        return was_asked or not candidate.official

    def _is_unconfirmed(self, candidate: _Candidate, now: datetime) -> bool:
        """Whether its newest answer is doubted or refused, it alternates, or nothing confirms it."""
        provisional = candidate.series.proof == "none"
        return provisional or candidate.row.alternates or self._is_doubted(candidate, now)

    def _is_doubted(self, candidate: _Candidate, now: datetime) -> bool:
        return candidate.series.in_doubt(self._book.heard.today(candidate.series.source.key, now)) is not None

    def _is_waited_for(self, source: str, rule: Rule, candidate: _Candidate | None) -> bool:
        """Whether a source may soon have a rate: it was never asked, or its first rate still waits."""
        if candidate or source in self._absent:
            return False
        series = self._book.series.get((source, rule.symbol))
        if series is None:
            return source not in self._book.heard.asked
        return not series.waited and series.newest is not None

    def _middle(self, rule: Rule, now: datetime, own: _Candidate | None) -> _Candidate | None:
        """The word of the middle source of the panel, if three of them agree."""
        said = [each for source in rule.panel if (each := self._candidate(source, rule, now))]
        said = [each for each in said if each.due_at > now and (own is None or each.row.day > own.row.day)]
        agreed = consensus(said)
        return agreed[(len(agreed) - 1) // 2] if len(agreed) >= _PANEL else None

    # Pegs.

    def _peg_status(self, rule: Rule) -> Status:
        """
        `unconfirmed` if its own bank, or three others, differ from the peg for two publications; else
        `pegged`.

        The peg stays the value, because one bank alone can be wrong for days.
        """
        astray = [source for source in self._book.sources if self._strays(source, rule)]
        codes = (rule.symbol.base, rule.symbol.quote)
        own = any(self._book.sources[source].authority_for in codes for source in astray)
        return "unconfirmed" if own or len(astray) >= _ALARM_BANKS else "pegged"

    def _strays(self, source: str, rule: Rule) -> bool:
        series = self._book.series.get((source, rule.symbol))
        if series is None or series.source.kind != "fixing" or rule.peg is None:
            return False
        series.settle()
        peg = Fixing(symbol=rule.symbol, legs=(rule.peg,)).price
        rows = (row for row in reversed(series.in_order) if not row.repeat)
        last = [word.price for row in islice(rows, _ALARM_DAYS) if (word := row.stated)]
        return len(last) == _ALARM_DAYS and all(guard.apart(price, peg) > _ALARM for price in last)


def consensus(said: Sequence[_Candidate]) -> list[_Candidate]:
    """The words within 1 % of the middle one, or within 6 median deviations if that is more; by price."""
    if not said:
        return []
    prices = {id(each): each.row.chosen.price for each in said if each.row.chosen}
    ordered = sorted(said, key=lambda each: prices[id(each)])
    middle = prices[id(ordered[(len(ordered) - 1) // 2])]
    distances = [guard.apart(prices[id(each)], middle) for each in ordered]
    limit = max(6 * sorted(distances)[(len(distances) - 1) // 2], _CONSENSUS)
    return [each for each, distance in zip(ordered, distances, strict=True) if distance <= limit]


def quote_of(basis: Basis, *, label: str, now: datetime) -> Quote:
    """The quote of a basis, with every number rounded for publication."""
    fixing, previous = basis.fixing, basis.previous
    price, leg = shown_price(fixing), fixing.legs[0] if len(fixing.legs) == 1 else None
    return Quote(
        symbol=fixing.symbol,
        price=price,
        inverse=shown_price(fixing, inverse=True),
        previous=shown_price(previous) if previous else None,
        change=change(fixing.price, previous.price, price) if previous else None,
        change_percent=change_percent(fixing.price, previous.price) if previous else None,
        as_of=fixing.as_of,
        source=label + fixing.source,
        source_name=label + fixing.source,
        status=basis.status,
        published_at=now.replace(microsecond=0),
        value=leg.value if leg else None,
        nominal=leg.nominal if leg else None,
        direction=leg.pair if leg else None,
        next=_announcement(basis.coming) if basis.coming else None,
        corrected=fixing.corrected,
        due_at=basis.due_at,
    )


def credited(quote: Quote, sources: Mapping[str, Source], *, label: str) -> Quote:
    """
    The quote with the name of its source, and with the site if the source's terms require it.

    A source that is not among `sources`, such as a peg, is named by its key.
    """
    key = quote.source.removeprefix(label)
    if (source := sources.get(key)) is None:
        return replace(quote, source_name=quote.source, source_site="")
    name = quote.source.removesuffix(key) + source.short
    return replace(quote, source_name=name, source_site=source.site if source.site_required else "")


def _announcement(fixing: Fixing) -> Announcement:
    return Announcement(
        price=shown_price(fixing), inverse=shown_price(fixing, inverse=True), as_of=fixing.as_of
    )
