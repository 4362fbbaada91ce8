"""
The kind of a day: which word of it counts, and whether that is a publication or a repeat. Pure.

Everything follows from the words and the guard's verdicts on them, and from no earlier conclusion.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from ticker.rates import guard
from ticker.rates.calendar import ONE_DAY
from ticker.rates.source import Source
from ticker.rates.words import Row, Word

REACH = 16
"""Days on each side with which a day is compared: enough for three publications and for old tables."""
_FRESH = [ONE_DAY * ahead for ahead in range(guard.FRESH.days + 1)]
STALE_REPEATS = 5
"""After so many working days in a row with the same table, a quote is stale and an archive is wrong."""


class Kinds:
    """
    Computes the days of one source about one symbol: `days` in order, `in_order` their rows, `rows` by date.

    `band` is in units of symbol.base for one symbol.quote; `tolerance` and `jump` are shares.
    """

    def __init__(
        self,
        source: Source,
        *,
        band: tuple[Decimal, Decimal] | None,
        tolerance: Decimal,
        jump: Decimal,
    ) -> None:
        self.source = source
        self.zone: tzinfo = ZoneInfo(source.timezone)
        self.band = band
        self.tolerance = tolerance
        # A rate that jumps and comes back within days is an error; a devaluation does not come back.
        self._spike = min(jump, 2 * tolerance)
        self.days: list[date] = []
        self.in_order: list[Row] = []
        self.rows: dict[date, Row] = {}
        self.has_archive = False
        """Whether the archive said anything."""

    def work_out(self, first: date, last: date) -> Iterator[date]:
        """
        Compute the days from `first` to `last`, and every day that may depend on them; yield those.

        A day depends on the words that count of up to REACH days before it. An archive's word also depends on
        the answers of as many days after it.
        """
        low, end = bisect_left(self.days, first), bisect_right(self.days, last)
        reach = REACH if self.has_archive else 0
        index, stop, follows = max(0, low - reach), end + reach, 0
        while index < stop and index < len(self.in_order):
            row = self.in_order[index]
            if low <= index < end or index < follows or (row.told and not row.is_polled):
                counted = row.chosen
                self._tell(row, index)
                if row.chosen is not counted:
                    follows = index + REACH + 1
                    stop = max(stop, follows)
                yield row.day
            index += 1

    def _tell(self, row: Row, index: int) -> None:
        before = self._before(index)
        good = self._not_old(row, index, before)
        accepted = [word for word in good if word.doubt is None]
        row.refused = bool(row.answers) and (not good or good[-1] is not row.answers[-1])
        row.alternates = len(accepted) > 1 and self._alternates(accepted)
        row.chosen = (accepted[0] if row.alternates else accepted[-1]) if accepted else None
        row.corrected = len(accepted) > 1 and self._is_corrected(row, accepted, before)
        if row.chosen is None and row.told and self._is_believable(row.told, index, before):
            row.chosen = row.told
        row.repeat = bool(row.chosen and before and self._repeats(row.chosen, before))

    def _before(self, index: int) -> Word | None:
        """The word that counts of the newest day before."""
        for at in range(index - 1, max(-1, index - 1 - REACH), -1):
            if word := self.in_order[at].chosen:
                return word
        return None

    def _saying(self, word: Word, index: int) -> list[Word]:
        """The words that count of the days before, if they say the same of the symbol."""
        figures, before = word.figures, self.in_order[max(0, index - REACH) : index]
        return [said for row in before if (said := row.chosen) and said.figures == figures]

    def _not_old(self, row: Row, index: int, before: Word | None) -> Sequence[Word]:
        """The answers that are not an earlier day's table under this date."""
        if before is None or self.source.kind == "market":
            return row.answers
        good: list[Word] = []
        for at, word in enumerate(row.answers):
            first = not at or self._may_repeat(row.day, good, before)
            if word.confirmed or not self._is_old(word, index, before, first=first):
                good.append(word)
        return good

    def _may_repeat(self, day: date, good: Sequence[Word], before: Word) -> bool:
        """Whether the table before, stated after another one, is the right one for a day off."""
        accepted = [word for word in good if word.doubt is None]
        return not self.source.calendar.works(day - ONE_DAY) and (
            not accepted or accepted[0].same_table(before)
        )

    def _is_old(self, word: Word, index: int, before: Word, *, first: bool) -> bool:
        """
        Whether an answer is an earlier day's table under this date.

        A first answer with the figures of the table before is a repeat. A later one replaces this day's own
        table by an old one. Tables older than that count only with three common currencies.
        """
        if word.same_table(before):
            return not first
        earlier = self._saying(word, index)
        return any(other is not before and word.table.repeats(other.table) for other in earlier)

    def _alternates(self, accepted: list[Word]) -> bool:
        """Whether the last change of answer restored a replaced version, which was not repeated since."""
        if self.source.kind == "market" or len(accepted) < 3 or accepted[-1].stood or accepted[-1].confirmed:
            return False
        versions = [word for at, word in enumerate(accepted) if not at or _differs(accepted[at - 1], word)]
        return any(versions[-1].same_figures(word) for word in versions[:-2])

    def _is_corrected(self, row: Row, accepted: list[Word], before: Word | None) -> bool:
        """Whether the source replaced a publication of this day after the day had begun."""
        if self.source.kind == "market" or row.alternates:
            return False
        return any(
            _differs(old, new)
            and self.local(new.at) >= row.day
            and not (before and self._repeats(old, before))
            for old, new in pairwise(accepted)
        )

    def _repeats(self, word: Word, before: Word) -> bool:
        if not word.same_table(before):
            return False
        whole = word.table.is_whole_with(before.table)
        return whole or not self.source.calendar.works(word.day - ONE_DAY)

    # What the archive says.

    def _is_believable(self, told: Word, index: int, before: Word | None) -> bool:
        """
        Whether an archive's word counts.

        It does not if it is outside its band, or doubted in the source's own answer, or a later day's table,
        or if it differs from the days around it. A repeat of the day before is as good as that day: a rate
        that was valid from Saturday to Sunday and then fell back is not an error (27 February 2022).
        """
        if not self.is_sane(told):
            return False
        if before and self._repeats(told, before):
            return True
        if self._is_doubted(told) or self._is_a_later_table(told, index):
            return False
        sides = [self._beside(told, index, -1), self._beside(told, index, 1)]
        return not guard.stands_out(told.price, [side for side in sides if side], jump=self._spike)

    def _is_a_later_table(self, told: Word, index: int) -> bool:
        """
        Whether an archive has a later day's table for this day, and for too many days to be a repeat.

        NBT answers for a day outside its range with today's table, under the requested date. A later day with
        different answers proves nothing: one of them may have been an earlier day's table.
        """
        calendar, later = self.source.calendar, self._last_alike(told, index)
        if later is None or later < calendar.late_on(told.day):
            return False
        first = self._first_told_alike(told, index)
        return calendar.working_days(calendar.late_on(first), later) >= STALE_REPEATS

    def _last_alike(self, told: Word, index: int) -> date | None:
        """The last of the next days for which the source itself stated this table and no other."""
        later = self.in_order[index + 1 : index + 1 + REACH]
        alike = [row.day for row in later if row.answers and all(map(told.is_alike, row.answers))]
        return alike[-1] if alike else None

    def _first_told_alike(self, told: Word, index: int) -> date:
        """The first of the days in a row, up to this one, for which the archive has the same table."""
        first = told.day
        for row in reversed(self.in_order[max(0, index - REACH) : index]):
            if row.told is None or not told.is_alike(row.told):
                return first
            first = row.day
        return first

    def _is_doubted(self, told: Word) -> bool:
        """Whether the source itself said about the same for this day, or just after, and that is doubted."""
        near = [row for ahead in _FRESH if (row := self.rows.get(told.day + ahead))]
        doubted = [word for row in near for word in row.answers if word.doubt]
        return any(guard.apart(told.price, word.price) <= self.tolerance for word in doubted)

    def _beside(self, told: Word, index: int, step: int) -> list[Decimal]:
        """The prices of up to three publications on one side of a day, the nearest first, without repeats."""
        rows = self.in_order[index + 1 : index + 1 + REACH]
        if step < 0:
            rows = self.in_order[max(0, index - REACH) : index][::-1]
        words = (word for row in rows if (word := self._candidate(row)))
        return list(islice(self._moves(told, words, step), guard.NEIGHBOURS))

    def _moves(self, told: Word, words: Iterable[Word], step: int) -> Iterator[Decimal]:
        """The prices of the words that are not repeats, in the order of the words: away from `told`."""
        last = told
        for word in words:
            if not (self._repeats(last, word) if step < 0 else self._repeats(word, last)):
                yield word.price
            last = word

    def _candidate(self, row: Row) -> Word | None:
        """The word of a day with which its neighbours are compared: an accepted answer, or the archive's."""
        if accepted := [word for word in row.answers if word.doubt is None]:
            return accepted[-1]
        return row.told if row.told and self.is_sane(row.told) and not self._is_doubted(row.told) else None

    def is_sane(self, word: Word) -> bool:
        """Whether a word may be compared with others: it is within its band, or an operator accepted it."""
        if word.archive:
            return not self.band or self.band[0] <= word.inverse <= self.band[1]
        return word.doubt is None or not word.doubt.absurd

    def local(self, moment: datetime) -> date:
        """The current day in the country of the source."""
        return moment.astimezone(self.zone).date()


def _differs(one: Word, other: Word) -> bool:
    return one.figures != other.figures
