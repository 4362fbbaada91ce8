"""
What one source said of one symbol, day by day. Pure.

A series stores the words and the guard's verdicts on them. After a new word or another verdict, `settle`
computes again which word of a day counts, and whether it is a publication or a repeat.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from ticker.rates.kinds import STALE_REPEATS, Kinds
from ticker.rates.model import Fixing, Pair
from ticker.rates.source import Source
from ticker.rates.words import Row, Word

__all__ = ["STALE_REPEATS", "Proof", "Row", "Series", "Word"]

Proof = Literal["none", "archive", "full"]
"""What confirms a series: nothing yet, its own archive, or more: witnesses, three moves, an operator."""


class DayPublication(NamedTuple):
    """A word that is a publication."""

    word: Word
    corrected: bool

    @property
    def fixing(self) -> Fixing:
        return replace(self.word.fixing, corrected=True) if self.corrected else self.word.fixing


class Change(NamedTuple):
    """The publication of a day in the history, before and now."""

    before: Fixing | None
    now: Fixing | None


class Series(Kinds):
    """
    The days of one source about one symbol.

    `band` is in units of symbol.base for one symbol.quote; `tolerance` and `jump` are the guard's, as shares;
    `serves` says whether its word may become the value.
    """

    def __init__(
        self,
        source: Source,
        symbol: Pair,
        *,
        band: tuple[Decimal, Decimal] | None,
        tolerance: Decimal,
        jump: Decimal,
        serves: bool,
    ) -> None:
        super().__init__(source, band=band, tolerance=tolerance, jump=jump)
        self.symbol = symbol
        self.key = source.key, symbol
        self.serves = serves
        self.proof: Proof = "none"
        self.waited = False
        self._drained: dict[date, DayPublication] = {}
        """The publications, as they were at the last `drain`."""
        self._dirty: tuple[date, date] | None = None
        self._pending: set[date] = set()

    # Input.

    def answer(self, word: Word) -> None:
        """Take a version of a day's table, or the archive's."""
        row = self.rows.get(word.day)
        if row is None:
            row = self.rows[word.day] = Row(day=word.day)
            at = bisect_left(self.days, word.day)
            self.days.insert(at, word.day)
            self.in_order.insert(at, row)
        if word.archive:
            row.told, self.has_archive = word, True
        else:
            row.answers.append(word)
        self.touch(word.day)

    def stand(self, day: date) -> None:
        """The last answer about a day was given again."""
        if (row := self.rows.get(day)) and row.standing:
            row.standing.stood = True
            self.touch(day)

    def prove(self, proof: Proof) -> None:
        """Record what confirms the series."""
        self.proof = proof
        self._pending.update(self.days)

    def wait(self) -> None:
        """Record that the wait of the first rate is over."""
        self.waited = True
        self._pending.update(self.days)

    def touch(self, day: date) -> None:
        """Mark the days around this one to be computed again."""
        if self._dirty is None:
            self._dirty = day, day
        else:
            first, last = self._dirty
            self._dirty = min(first, day), max(last, day)

    def settle(self) -> None:
        """Compute the days that the latest input may have changed."""
        if self._dirty:
            first, last = self._dirty
            self._dirty = None
            self._pending.update(self.work_out(first, last))

    def drop_before(self, day: date) -> None:
        """Drop earlier days."""
        self.settle()
        count = bisect_left(self.days, day)
        gone, self.days, self.in_order = self.days[:count], self.days[count:], self.in_order[count:]
        for each in gone:
            del self.rows[each]
            self._drained.pop(each, None)
        self._pending.difference_update(gone)
        if gone and self.days:
            self.touch(self.days[0])

    # The history.

    def drain(self) -> Iterator[Change]:
        """What changed in the history since the last call."""
        self.settle()
        pending, self._pending = sorted(self._pending), set()
        for day in pending:
            before, now = self._drained.get(day), self._publication(day)
            if before == now:
                continue
            if now:
                self._drained[day] = now
            else:
                del self._drained[day]
            change = Change(before and before.fixing, now and now.fixing)
            if change.before != change.now:
                yield change

    def catch_up(self) -> None:
        """Treat every publication as already handed over."""
        self.settle()
        self._pending = set()
        found = ((row.day, _publication(row)) for row in self.in_order if self.visible)
        self._drained = {day: publication for day, publication in found if publication}

    @property
    def visible(self) -> bool:
        """Whether its words may be shown: something confirms them, or the wait of the first rate is over."""
        return self.proof != "none" or self.waited

    def fixing(self, day: date) -> Fixing | None:
        """The publication of a day in the history, or None."""
        publication = self._publication(day)
        return publication.fixing if publication else None

    def _publication(self, day: date) -> DayPublication | None:
        row = self.rows.get(day)
        return _publication(row) if row and self.visible else None

    def publications(self) -> Iterator[Fixing]:
        """Every publication that is known."""
        return (fixing for day in self.days if (fixing := self.fixing(day)))

    # Questions. Each is about settled days.

    def at(self, day: date) -> Row | None:
        """The newest day up to this one that has a word that counts."""
        return self._last(bisect_right(self.days, day))

    def before(self, day: date) -> Row | None:
        """The newest day before this one that has a word that counts."""
        return self._last(bisect_left(self.days, day))

    def after(self, day: date) -> Iterator[Row]:
        """The days after this one that have a word that counts, the next one first."""
        return (row for row in self.in_order[bisect_right(self.days, day) :] if row.chosen)

    @property
    def newest(self) -> Row | None:
        """The newest day that has a word that counts."""
        return self._last(len(self.days))

    def _last(self, end: int) -> Row | None:
        for index in range(end - 1, -1, -1):
            if (row := self.in_order[index]).chosen:
                return row
        return None

    def newest_word(self, until: date) -> Word | None:
        """The newest word up to a day that is not absurd, accepted or doubted."""
        row = self.in_order[-1] if self.in_order else None
        if row and row.day <= until and row.answers and row.answers[-1].doubt is None:
            return row.answers[-1]  # the usual case
        for index in range(bisect_right(self.days, until) - 1, -1, -1):
            row = self.in_order[index]
            for word in (row.standing, row.told):
                if word and self.is_sane(word):
                    return word
        return None

    def publication(self, row: Row) -> Row:
        """The day whose table this day's table repeats, or the day itself."""
        return self.run(row)[0]

    def run(self, row: Row) -> list[Row]:
        """The publication that a day belongs to, and its repeats up to that day."""
        days = [row]
        while days[-1].repeat and (earlier := self.before(days[-1].day)):
            days.append(earlier)
        return days[::-1]

    def repeats(self, row: Row) -> list[date]:
        """The working days, up to this one, on which a newer table was due and the same one arrived again."""
        first, *again = self.run(row)
        if not again:
            return []
        calendar = self.source.calendar
        due = calendar.late_on(first.day)
        return [each.day for each in again if each.day >= due and calendar.works(each.day)]

    def last_fresh(self) -> Row | None:
        """The newest day whose table moves the due time: the fifth repeat in a row and later ones do not."""
        newest = self.newest
        if newest is None:
            return None
        counted = self.repeats(newest)
        return self.before(counted[STALE_REPEATS - 1]) if len(counted) >= STALE_REPEATS else newest

    def late_at(self, row: Row) -> datetime:
        """The moment from which a quote is late if the newest table is that of this day."""
        return self.source.calendar.late_at(row.day, self.zone)

    def last_stated(self) -> Row | None:
        """The newest day for which the source stated a table, accepted or not."""
        return self.in_order[-1] if self.in_order else None

    def in_doubt(self, today: date) -> Word | None:
        """The newest answer of a day that has begun, if neither it nor a later day is accepted."""
        for row in reversed(self.in_order):
            if row.is_open and row.day <= today:
                return row.standing
            if row.chosen:
                return None
        return None

    def doubted(self) -> list[Word]:
        """The last answers of the newest days if the guard does not accept them, oldest first."""
        found: list[Word] = []
        for row in reversed(self.in_order):
            if row.standing and row.standing.doubt:
                found.append(row.standing)
            elif row.is_polled:
                break
        return found[::-1]


def _publication(row: Row) -> DayPublication | None:
    return None if row.repeat or row.chosen is None else DayPublication(row.chosen, row.corrected)
