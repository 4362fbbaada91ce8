"""
The desk: answers in, events and changed quotes out. Pure: every moment is an argument.

It decides which answers are news, makes them events of the ledger, and numbers them. `Book` and `Choice`
derive the quotes from these events. News is collected until `drain` hands it over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from ticker.rates.book import Book
from ticker.rates.calendar import ONE_DAY, spans
from ticker.rates.choice import Basis, Choice, credited, quote_of
from ticker.rates.enquiries import Enquiries
from ticker.rates.events import Asked, Baseline, Empty, Entry, Event, Order, Said, Stood, Waited
from ticker.rates.guard import Guard
from ticker.rates.late import is_late
from ticker.rates.model import Fixing, Pair, Quote
from ticker.rates.policy import Rule
from ticker.rates.series import Word
from ticker.rates.source import Source
from ticker.rates.tables import Table, in_words

TRIM_EVERY = timedelta(days=31)
"""How much longer than the history the ledger may get before it is trimmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The news since the last call of `drain`."""

    entries: tuple[Entry, ...] = ()
    """New events, in order."""
    dropped: tuple[int, ...] = ()
    """The numbers of events that were trimmed."""
    fixings: tuple[Fixing, ...] = ()
    """Publications that are new in the history, or changed."""
    gone: tuple[Fixing, ...] = ()
    """Publications that are no longer in the history."""


class Desk(Enquiries):
    """
    The quotes of all symbols, and the ledger behind them.

    `sources` are all that may be heard. `label` (`demo`) is put before the source's key in every quote, for
    rates that no bank stated. `absent` sources are not polled, so no quote waits for them.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        sources: Mapping[str, Source],
        guard: Guard | None = None,
        history_days: int = 1830,
        label: str = "",
        absent: Iterable[str] = (),
    ) -> None:
        super().__init__(rules, sources=sources)
        self._guard = guard or Guard()
        self._history = timedelta(days=history_days)
        self._label = f"{label}:" if label else ""
        self._absent = frozenset(absent)
        self._bases: dict[Pair, Basis] = {}
        self._new: list[Entry] = []
        self._dropped: list[int] = []
        self._since: dict[tuple[str, date], float] = {}
        self.entries: list[Entry] = []
        """The ledger."""
        self.quotes: dict[Pair, Quote] = {}
        self.book = Book(self._rules.values(), sources=self._sources, guard=self._guard)
        self._choice = Choice(self.book, absent=self._absent)

    def load(self, entries: Iterable[Entry], quotes: Iterable[Quote] = ()) -> None:
        """Load what another process wrote. Nothing of it is news."""
        self.entries = list(entries)
        self.book.load(self.entries)
        # Earlier versions wrote quotes without the names of their sources.
        self.quotes = {each.symbol: self._credited(each) for each in quotes if each.symbol in self._rules}
        self.book.catch_up()

    # Input.

    def hear(
        self,
        tables: Sequence[Table],
        *,
        source: str,
        asked: date,
        now: datetime,
        monotonic: float = 0.0,
        document: str = "",
    ) -> list[Quote]:
        """
        Take a source's answer for the day `asked`; return the quotes that changed.

        `monotonic` counts seconds. The same answer again counts as a repetition from `repeat_minutes` after
        it was first given.
        """
        known = len(self._new)
        for table in tables:
            self._hear_table(table, now=now, monotonic=monotonic, document=document)
        if tables and (newest := max(table.day for table in tables)) < asked:
            self.hear_empty(source, newest + ONE_DAY, asked, now=now)
        if len(self._new) == known:
            self._note_asked(source, answered=True, now=now)
        return self.tick(now=now)

    def _hear_table(self, table: Table, *, now: datetime, monotonic: float, document: str) -> None:
        key = table.source, table.day
        if self.book.heard.last_answer(*key, archive=False) == table:
            self._hear_again(key, now=now, monotonic=monotonic)
            return
        self._since[key] = monotonic
        self._add(Said(at=now, table=table, document=document))

    def _hear_again(self, key: tuple[str, date], *, now: datetime, monotonic: float) -> None:
        since = self._since.setdefault(key, monotonic)
        stood = monotonic - since >= self._guard.repeat.total_seconds()
        if stood and key[1] in self.book.repeat_wanted(key[0]):
            self._since[key] = monotonic
            self._add(Stood(at=now, source=key[0], day=key[1]))

    def hear_empty(self, source: str, first: date, last: date, *, now: datetime) -> None:
        """Record that a source has no table for these days. A repetition is news only if it settles that."""
        days = (first + ONE_DAY * ahead for ahead in range((last - first).days + 1))
        for span in spans(day for day in days if self._is_news(source, day, now)):
            self._add(Empty(at=now, source=source, first=span.first, last=span.last))

    def _is_news(self, source: str, day: date, now: datetime) -> bool:
        if self.book.heard.last_answer(source, day, archive=False) is not None:
            return False
        return self.book.heard.would_settle(source, day, now)

    def learn(self, tables: Iterable[Table], *, now: datetime, document: str = "") -> list[Quote]:
        """Take the answer of a source's archive; return the quotes that changed."""
        for table in tables:
            known = self.book.heard.last_answer(table.source, table.day, archive=True)
            # An archive by currency completes a day's table step by step.
            if (table := known.with_also(table) if known else table) != known:
                self._add(Said(at=now, table=table, archive=True, document=document))
        return self.tick(now=now)

    def miss(self, source: str, *, now: datetime) -> list[Quote]:
        """Record that a source did not answer; return the quotes that changed."""
        self._note_asked(source, answered=False, now=now)
        return self.tick(now=now)

    def _note_asked(self, source: str, *, answered: bool, now: datetime) -> None:
        last = self.book.heard.asked.get(source)
        if last is None or last.answered != answered or self.is_to_be_asked(source, now=now):
            self._add(Asked(at=now, source=source, answered=answered))

    def waited(self, source: str, *, now: datetime) -> list[Quote]:
        """End the wait of a source's first rate; return the quotes that changed."""
        if source in self.waiting():
            self._add(Waited(at=now, source=source))
        return self.tick(now=now)

    def tick(self, *, now: datetime) -> list[Quote]:
        """Judge every symbol again; return the quotes that changed."""
        changed = []
        for rule in self._rules.values():
            quote = self._judge(rule, now)
            if quote is None:
                continue
            known = self.quotes.get(rule.symbol)
            if known is None or replace(quote, published_at=known.published_at) != known:
                self.quotes[rule.symbol] = quote
                changed.append(quote)
        return changed

    def next_change(self, *, now: datetime) -> datetime | None:
        """The next moment after `now` at which `tick` may find a change, if nothing is heard until then."""
        dues = (due for source in {key for key, _ in self.book.series} for due in self.dues(source))
        late = (quote.due_at for quote in self.quotes.values() if quote.due_at)
        return min((each for each in (*self._midnights(now), *dues, *late) if each > now), default=None)

    def _judge(self, rule: Rule, now: datetime) -> Quote | None:
        """The quote of a symbol; None if it is unchanged."""
        if held := self.book.on_hold.get(rule.symbol):
            return self._credited(held)
        basis = self._choice.basis(rule, now)
        if basis is None:
            self._bases.pop(rule.symbol, None)
            known = self.quotes.get(rule.symbol)
            return self._left(known, now) if known else None
        if self._bases.get(rule.symbol) == basis:
            return None
        self._bases[rule.symbol] = basis
        return self._credited(quote_of(basis, label=self._label, now=now))

    def _credited(self, quote: Quote) -> Quote:
        return credited(quote, self._sources, label=self._label)

    def _left(self, known: Quote, now: datetime) -> Quote | None:
        """
        The last quote, for a symbol without any word of a source; None if it is unchanged.

        `unconfirmed` if no word of its source is accepted any more, `stale` if it is late.
        """
        key = known.source.removeprefix(self._label), known.symbol
        series = self.book.series.get(key)
        if series and series.days and series.newest is None:
            return None if known.status == "unconfirmed" else _frozen(known, "unconfirmed", now)
        if known.status in ("live", "fallback") and is_late(known, now):
            return _frozen(known, "stale", now)
        return None

    # Operators' decisions.

    def confirm(self, symbol: Pair, *, now: datetime) -> tuple[list[Quote], str]:
        """
        End the hold on a quote. Without a hold, accept the authority's unconfirmed rate, or the fallback's.

        Returns the quotes that changed, and in words what was done: empty if nothing is unconfirmed.
        """
        word = self.open_word(symbol)
        if symbol in self.book.on_hold:
            self._add(Order(at=now, verb="release", symbol=symbol))
            self._bases.pop(symbol, None)
            still = f"; {_said(word)} is still unconfirmed, confirm again to accept it" if word else ""
            return self.tick(now=now), "its quote follows its sources again" + still
        if word is None:
            return [], ""
        self._add(Order(at=now, verb="confirm", symbol=symbol, table=word.table))
        return self.tick(now=now), f"{_said(word)} is accepted"

    def hold(self, symbol: Pair, *, now: datetime) -> tuple[list[Quote], str]:
        """Put a symbol's quote on hold; return as `confirm` does: empty words if there is no quote."""
        quote = self.quotes.get(symbol)
        if quote is None:
            return [], ""
        kept = _frozen(quote, "unconfirmed", now)
        self._add(Order(at=now, verb="hold", symbol=symbol, quote=kept))
        return self.tick(now=now), f"{quote.price:f} as of {quote.as_of} is on hold until it is confirmed"

    # The ledger.

    def _add(self, event: Event) -> None:
        number = self.entries[-1].number + 1 if self.entries else 1
        entry = Entry(number, event)
        self.entries.append(entry)
        self._new.append(entry)
        self.book.apply(entry)

    def drain(self) -> News:
        """The news since the last call."""
        fixings, gone = self.book.drain()
        news = News(
            entries=tuple(self._new),
            dropped=tuple(self._dropped),
            fixings=tuple(fixings),
            gone=tuple(gone),
        )
        self._new, self._dropped = [], []
        return news

    def trim(self, *, now: datetime) -> bool:
        """
        Drop what is older than the history, counted back from each source's newest table.

        What a quote still needs stays, however old it is. A baseline records the verdicts on everything that
        stays. The clock, which may be wrong, only limits a newest date that is false. Returns whether it
        trimmed.
        """
        heard = self.book.heard
        if all(heard.span(source) <= self._history + TRIM_EVERY for source in self._sources):
            return False
        oldest = {key: day for key in self._sources if (day := self._oldest(key, now))}
        self._add(Baseline(at=now, verdicts=self.book.verdicts(), provisional=self.book.provisional()))
        spent = _spent(self.entries, oldest)
        self._dropped += sorted(spent - {entry.number for entry in self._new})
        self.entries = [entry for entry in self.entries if entry.number not in spent]
        self._new = [entry for entry in self._new if entry.number not in spent]
        for key, day in oldest.items():
            self.book.drop_before(key, day)
        return True

    def _oldest(self, source: str, now: datetime) -> date | None:
        """The oldest day of a source that is not trimmed."""
        if (newest := self.book.newest_day(source)) is None:
            return None
        if newest > now.date() + TRIM_EVERY:  # no bank announces so early, so the date is wrong
            newest = now.date()
        needed = self.book.needed_since(source)
        return min(newest - self._history, needed or newest)


def _spent(entries: Sequence[Entry], oldest: Mapping[str, date]) -> set[int]:
    """The numbers of the events that no quote depends on any more. The last event is a baseline."""
    last = {_subject(entry): entry.number for entry in entries}
    return {
        entry.number
        for entry in entries
        if _is_older(entry.event, oldest) or last[_subject(entry)] > entry.number
    }


def _subject(entry: Entry) -> object:
    """The topic of an event, if the next event on the topic replaces it; else its own number."""
    match entry.event:
        case Asked() as event:
            return Asked, event.source
        case Baseline() | Waited():
            return Baseline
        case Order(verb="hold" | "release") as event:
            return Order, event.symbol
    return entry.number


def _is_older(event: Event, oldest: Mapping[str, date]) -> bool:
    """Whether an event is about days before the oldest one that its source keeps."""
    match event:
        case Said():
            return event.table.day < oldest.get(event.source, date.min)
        case Empty():
            return event.last < oldest.get(event.source, date.min)
        case Stood():
            return event.day < oldest.get(event.source, date.min)
        case Order(table=Table() as table):
            return table.day < oldest.get(table.source, date.min)
    return False


def _frozen(quote: Quote, status: Literal["unconfirmed", "stale"], now: datetime) -> Quote:
    return replace(
        quote,
        status=status,
        next=None,
        due_at=None if status == "unconfirmed" else quote.due_at,
        published_at=now.replace(microsecond=0),
    )


def _said(word: Word) -> str:
    return f"{word.table.source}'s {in_words(word.fixing)}"
