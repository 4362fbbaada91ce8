"""Questions about the sources: which symbols they serve, what is late, unknown or unconfirmed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from ticker.rates import guard
from ticker.rates.book import Book
from ticker.rates.calendar import ONE_DAY
from ticker.rates.model import Fixing, Pair
from ticker.rates.policy import Rule
from ticker.rates.series import Series, Word
from ticker.rates.source import Source
from ticker.rates.tables import Table, fixing_of, in_words
from ticker.rates.witnesses import Key


class Enquiries:
    """Questions about a book that change nothing."""

    def __init__(self, rules: Iterable[Rule], *, sources: Mapping[str, Source]) -> None:
        self._rules = {rule.symbol: rule for rule in rules}
        self._sources = sources
        self.book: Book

    # Which source serves which symbol.

    def is_authority(self, source: str, symbol: Pair) -> bool:
        """Whether a source provides the value of a symbol."""
        return source in self._rules[symbol].authorities

    def serves(self, source: str) -> bool:
        """Whether a source may become the value of a symbol by a rule's chain; a panel does not count."""
        return bool(self._served(source))

    def currencies(self, source: str) -> set[str]:
        """The currencies of the symbols whose value a source may provide."""
        return {code for symbol in self._served(source) for code in (symbol.base, symbol.quote)}

    def _serves(self, source: str, symbol: Pair) -> bool:
        rule = self._rules[symbol]
        return rule.peg is None and source in rule.chain

    def _served(self, source: str) -> list[Pair]:
        return [symbol for symbol in self._rules if self._serves(source, symbol)]

    def _usable(self, source: str) -> list[Series]:
        """What a source said of the symbols whose value it may become, by a chain or a panel."""
        return [series for series in self.book.settled(source) if series.serves]

    # The guard's view.

    @property
    def on_hold(self) -> frozenset[Pair]:
        """The symbols whose quote an operator put on hold."""
        return frozenset(self.book.on_hold)

    def unconfirmed(self, source: str) -> dict[Key, Word]:
        """The doubted or refused words of a source, for symbols whose chain it is in."""
        found = self.book.doubted(source) | self.book.refused(source)
        return {key: word for key, word in found.items() if self._serves(source, key[1])}

    def open_word(self, symbol: Pair) -> Word | None:
        """What an operator could accept: the first such word of the chain; a fallback's only if plausible."""
        rule = self._rules[symbol]
        for source in rule.chain:
            series = self.book.series.get((source, symbol))
            word = _open_word(series) if series else None
            if word and (source in rule.authorities or not (word.doubt and word.doubt.absurd)):
                return word
        return None

    def repeat_wanted(self, source: str) -> bool:
        """Whether hearing a source's answer once more could release a rate."""
        return bool(self.book.repeat_wanted(source))

    def waiting(self) -> set[str]:
        """The sources whose first rate waits for the archive and for the others."""
        found = self.book.series.values()
        return {each.source.key for each in found if each.serves and not each.waited}

    def contradiction(self, tables: Iterable[Table]) -> str:
        """Words about an archive that contradicts its own source; empty if it does not."""
        for table in tables:
            for symbol in self._served(table.source):
                series = self.book.series.get((table.source, symbol))
                word = _accepted(series, table.day) if series else None
                if series and word and (other := _differs(word, table, series.tolerance)):
                    own = in_words(word.fixing)
                    return f"the archive says {other} of {table.day}, not {own}: is it of another currency?"
        return ""

    # What is known and what is missing.

    def announced(self, source: str, *, now: datetime) -> bool:
        """Whether a source has told a rate for a day later than today, and it is accepted."""
        today = self.book.heard.today(source, now)
        told = (series.newest for series in self._usable(source) or self.book.settled(source))
        return any(row.day > today for row in told if row)

    def newest_publication(self, source: str) -> date | None:
        """The day of a source's newest publication, or of a newer doubted answer."""
        days = []
        for series in self._usable(source):
            if row := series.newest:
                days.append(series.publication(row).day)
            days += [word.day for word in series.doubted()]
        return max(days, default=None)

    def missed(self, source: str, *, now: datetime) -> int:
        """The number of late publications of a source, even if it answers."""
        if (newest := self.book.newest_day(source)) is None:
            return 0
        calendar = self._sources[source].calendar
        return calendar.missed(newest, now=now, zone=ZoneInfo(self._sources[source].timezone))

    def repeats(self, source: str, *, now: datetime) -> int:
        """The working days in a row, up to today, on which a source only repeated its table."""
        today = self.book.heard.today(source, now)
        rows = [(series, series.at(today)) for series in self._usable(source)]
        return max((len(series.repeats(row)) for series, row in rows if row), default=0)

    def dues(self, source: str) -> list[datetime]:
        """The moments from which quotes of a source are late, or from which it counts as silent."""
        found = (
            row for series in self._usable(source) for row in (series.last_fresh(), series.last_stated())
        )
        calendar, zone = self._sources[source].calendar, ZoneInfo(self._sources[source].timezone)
        return [calendar.late_at(day, zone) for day in sorted({row.day for row in found if row})]

    def is_to_be_asked(self, source: str, *, now: datetime) -> bool:
        """Whether a quote of a source became late after its last poll, as far as the ledger shows."""
        last = self.book.heard.asked.get(source)
        if last is None or last.at > now:  # a clock that was ahead left a moment in the future
            return True
        return any(last.at < due <= now for due in self.dues(source))

    def _midnights(self, now: datetime) -> Iterator[datetime]:
        """The next midnight of every source."""
        for key in {series.source.timezone for series in self.book.series.values()}:
            zone = ZoneInfo(key)
            yield datetime.combine(now.astimezone(zone).date() + ONE_DAY, time(0), zone)

    def gaps(self, source: str, *, since: date, now: datetime) -> list[date]:
        """The days from `since` to today, newest first, that are unknown or refused for a source."""
        symbols = self._told_symbols(source)
        told = [series for series in self.book.settled(source) if series.symbol in symbols]
        today = self.book.heard.today(source, now)
        days = (today - ONE_DAY * back for back in range((today - since).days + 1))
        return [day for day in days if not self._is_told(source, told, day)]

    def _is_told(self, source: str, told: Sequence[Series], day: date) -> bool:
        if not told:
            return self.book.heard.is_settled(source, day)
        return all(self.book.is_known(series, day) for series in told)

    def _told_symbols(self, source: str) -> list[Pair]:
        """The symbols that a source serves and for which its archive can be asked."""
        served, history = self._served(source), self._sources[source].history
        if history is None:
            return served
        names = {*history.names, self._sources[source].authority_for}
        return [symbol for symbol in served if {symbol.base, symbol.quote} <= names]

    def fixings(self, source: str | None = None) -> list[Fixing]:
        """Every publication that is known, of one source or of all."""
        return [fixing for series in self.book.settled(source) for fixing in series.publications()]


def _open_word(series: Series) -> Word | None:
    """A source's newest answer, if it is doubted, refused, alternates, or if nothing confirms it."""
    series.settle()
    for row in reversed(series.in_order):
        if row.is_open or row.alternates:
            return row.standing
        if row.is_polled:
            return row.chosen if series.proof == "none" else None
    return None


def _accepted(series: Series, day: date) -> Word | None:
    """The source's own accepted answer for a day. An archive may contradict a doubted one."""
    series.settle()
    row = series.rows.get(day)
    return row.chosen if row and row.is_polled else None


def _differs(word: Word, table: Table, tolerance: Decimal) -> str:
    other = fixing_of(word.symbol, table)
    if other is None or guard.apart(other.price, word.price) <= tolerance:
        return ""
    return in_words(other)
