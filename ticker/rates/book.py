"""
The state of the ledger: every source's series, the operators' decisions, the polls. Pure.

`Book.apply` takes one event after the other and needs no clock: the state is a fold of the ledger.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import date, datetime

from ticker.rates.calendar import ONE_DAY
from ticker.rates.events import (
    Asked,
    Baseline,
    Empty,
    Entry,
    Order,
    Provisional,
    Said,
    Stood,
    Verdict,
    Waited,
)
from ticker.rates.guard import Doubt, Guard
from ticker.rates.heard import Heard
from ticker.rates.model import Fixing, Pair, Quote
from ticker.rates.policy import Rule
from ticker.rates.series import Row, Series, Word
from ticker.rates.source import Source
from ticker.rates.tables import routes_of
from ticker.rates.verdicts import Verdicts
from ticker.rates.witnesses import Key, Witnesses


class Book:
    """
    The state that follows from the events and from the settings `rules` and `guard`.

    It is long because an event may change any part of it, and nothing else does.
    """

    def __init__(self, rules: Iterable[Rule], *, sources: Mapping[str, Source], guard: Guard) -> None:
        self.rules = {rule.symbol: rule for rule in rules}
        self._symbols = tuple(self.rules)
        self.sources = sources
        self.heard = Heard(sources)
        self.series: dict[Key, Series] = {}
        self.on_hold: dict[Pair, Quote] = {}
        self._guard = guard
        self._witnesses = Witnesses(sources)
        self._verdicts = Verdicts(guard, self._witnesses, all_known=self.all_known)
        self._unsettled: set[Key] = set()

    # The fold.

    def load(self, entries: Iterable[Entry]) -> None:
        """Load a whole ledger. Its last baseline sums up everything before it."""
        entries = list(entries)
        drawn = max((at for at, each in enumerate(entries) if isinstance(each.event, Baseline)), default=0)
        for entry in entries[:drawn]:
            self._take_settled(entry)
        for entry in entries[drawn:]:
            self.apply(entry)

    def apply(self, entry: Entry) -> None:
        """Apply the next event."""
        self._review(self._take(entry))

    def _take_settled(self, entry: Entry) -> None:
        """Apply an event without judging it: a later baseline has the verdicts."""
        if not isinstance(entry.event, Said):
            self._take(entry)
            return
        self.heard.say(entry.event)
        for series, word in self._words(entry.event, entry.number):
            series.answer(word)

    def _take(self, entry: Entry) -> Container[Pair]:
        """Apply an event; return the symbols about which it says something new."""
        match entry.event:
            case Said() as event:
                return self._take_said(event, entry.number)
            case Empty() as event:
                self.heard.deny(event)
                return self._symbols_of(event.source)
            case Asked() as event:
                self.heard.asked[event.source] = event
                return ()
            case Stood() as event:
                return self._take_stood(event)
            case Waited() as event:
                return self._take_waited(event)
            case Order() as event:
                return self._take_order(event)
            case Baseline() as event:
                return self._take_baseline(event)
        raise TypeError(f"{entry.event!r} is no event")

    def _take_said(self, event: Said, number: int) -> Container[Pair]:
        self.heard.say(event)
        words = self._words(event, number)
        for series, word in words:
            if event.archive:
                series.answer(word)
            else:
                self._verdicts.hear(series, word)
            if series.serves and (not event.archive or series.proof != "full"):
                self._unsettled.add(series.key)
        return [series.symbol for series, _ in words]

    def _take_stood(self, event: Stood) -> Container[Pair]:
        self.heard.ask(event.source, event.at)
        for series in self.series_of(event.source):
            series.stand(event.day)
        return self._symbols_of(event.source)

    def _take_waited(self, event: Waited) -> Container[Pair]:
        for series in self.series_of(event.source):
            series.wait()
        return self._symbols_of(event.source)

    def _take_order(self, event: Order) -> Container[Pair]:
        if event.verb == "hold" and event.quote:
            self.on_hold[event.symbol] = event.quote
        elif event.verb == "release":
            self.on_hold.pop(event.symbol, None)
        elif event.table and (series := self.series.get((event.table.source, event.symbol))):
            self._verdicts.confirm(series, event.table)
        return (event.symbol,)

    def _take_baseline(self, event: Baseline) -> Container[Pair]:
        open_ = {(each.source, each.symbol): each for each in event.provisional}
        doubts = {(each.source, each.symbol, each.number): each for each in event.verdicts}
        for key, series in self.series.items():
            found = open_.get(key)
            if found is None or found.waited:
                series.wait()
            series.prove(found.proof if found else "full")
            for row in series.rows.values():
                for word in row.answers:
                    word.doubt = _doubt(doubts.get((*key, word.number)))
                series.touch(row.day)
        self._unsettled.update(key for key, series in self.series.items() if series.serves)
        return self.rules

    def _words(self, event: Said, number: int) -> list[tuple[Series, Word]]:
        if event.source not in self.sources:
            return []
        return [
            (
                self._series(event.source, route.symbol),
                Word(number=number, at=event.at, route=route, table=event.table, archive=event.archive),
            )
            for route in routes_of(self._symbols, tuple(event.table.figures))
        ]

    def _series(self, source: str, symbol: Pair) -> Series:
        key = source, symbol
        if key not in self.series:
            rule = self.rules[symbol]
            self.series[key] = series = Series(
                self.sources[source],
                symbol,
                band=rule.band,
                tolerance=rule.tolerance,
                jump=self._guard.jump,
                serves=rule.may_use(source),
            )
            self._witnesses.join(series)
        return self.series[key]

    def series_of(self, source: str) -> list[Series]:
        """Apply a source's table: what it says of each symbol."""
        return [series for (key, _), series in self.series.items() if key == source]

    def _symbols_of(self, source: str) -> list[Pair]:
        return [series.symbol for series in self.series_of(source)]

    def _review(self, symbols: Container[Pair]) -> None:
        """Judge again every series for which another source's word about these symbols may matter."""
        for key in sorted(key for key in self._unsettled if key[1] in symbols):
            if not self._verdicts.review(self.series[key]):
                self._unsettled.discard(key)

    # The history.

    def drain(self) -> tuple[list[Fixing], list[Fixing]]:
        """The publications that are new, changed or withdrawn since the last call."""
        changes = [change for series in self.series.values() for change in series.drain()]
        gone = [change.before for change in changes if change.now is None and change.before]
        return [change.now for change in changes if change.now], gone

    def catch_up(self) -> None:
        """Treat every publication as already handed over."""
        for series in self.series.values():
            series.catch_up()

    # Questions.

    def settled(self, source: str | None = None) -> Iterator[Series]:
        """The series of one source, or of all, up to date."""
        for series in list(self.series.values()):
            if source in (None, series.source.key):
                series.settle()
                yield series

    def newest_day(self, source: str) -> date | None:
        """The newest day for which a source stated a table."""
        return self.heard.newest_day(source)

    def is_known(self, series: Series, day: date) -> bool:
        """Whether it is known what a source said for a day: a word that counts, or that there is no table."""
        if row := series.rows.get(day):
            return row.chosen is not None
        return self.heard.is_none(series.source.key, day)

    def all_known(self, series: Series, first: date, last: date) -> bool:
        """Whether every day after `first` and before `last` is known."""
        between = (first + ONE_DAY * ahead for ahead in range(1, (last - first).days))
        return all(self.is_known(series, day) for day in between)

    def in_force(self, source: str, symbol: Pair, now: datetime) -> Row | None:
        """The newest day that has begun and has a word that counts; None if it may not be shown yet."""
        series = self.series.get((source, symbol))
        if series is None or not series.visible:
            return None
        series.settle()
        return series.at(self.heard.today(source, now))

    def doubted(self, source: str | None = None) -> dict[Key, Word]:
        """The newest answer of each series that the guard does not accept, of one source or of all."""
        found = ((series.key, series.doubted()) for series in self.settled(source))
        return {key: words[-1] for key, words in found if words}

    def refused(self, source: str) -> dict[Key, Word]:
        """The last answers of a source that are an earlier day's table under a later date."""
        last = ((series.key, series.last_stated()) for series in self.settled(source))
        return {key: row.standing for key, row in last if row and row.refused and row.standing}

    def repeat_wanted(self, source: str) -> set[date]:
        """The days whose last answer could be released if it is heard once more."""
        served = [series for series in self.settled(source) if series.serves]
        words = (self._verdicts.repeat_wanted(series) for series in served)
        return {word.day for word in words if word}

    # What remains after a trimming.

    def verdicts(self) -> tuple[Verdict, ...]:
        """Every answer that is not accepted, for a baseline."""
        return tuple(
            Verdict(
                source=series.source.key,
                symbol=series.symbol,
                day=row.day,
                number=word.number,
                reason=word.doubt.reason,
                by_hand=word.doubt.by_hand,
                absurd=word.doubt.absurd,
            )
            for series in self.series.values()
            for row in series.rows.values()
            for word in row.answers
            if word.doubt
        )

    def provisional(self) -> tuple[Provisional, ...]:
        """Every series without the word of an independent source, for a baseline."""
        return tuple(
            Provisional(
                source=series.source.key, symbol=series.symbol, proof=series.proof, waited=series.waited
            )
            for series in self.series.values()
            if series.proof != "full"
        )

    def needed_since(self, source: str) -> date | None:
        """The oldest day that today's quotes still need: the day of the third newest publication."""
        days = []
        for series in self.settled(source):
            row = series.newest
            for _ in range(3):
                if row:
                    days.append(series.publication(row).day)
                    row = series.before(days[-1])
        return min(days, default=None)

    def drop_before(self, source: str, day: date) -> None:
        """Forget what a source said of earlier days."""
        for series in self.series_of(source):
            series.drop_before(day)
        self.heard.drop_before(source, day)


def _doubt(verdict: Verdict | None) -> Doubt | None:
    if verdict is None:
        return None
    return Doubt(reason=verdict.reason, by_hand=verdict.by_hand, absurd=verdict.absurd)
