"""
The guard's verdicts on new words, by what has been heard so far. Pure.

A word is judged once, when it arrives. What is heard later can only release it. The exception is a source's
first rate, which can be refused later while at most its own archive confirms it (`review`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import date
from itertools import chain, takewhile

from ticker.rates import guard
from ticker.rates.guard import Doubt, Guard
from ticker.rates.kinds import REACH
from ticker.rates.series import Row, Series, Word
from ticker.rates.tables import Table
from ticker.rates.witnesses import Witnesses

_THRICE = 3
"""Publications in a row within the jump limit that prove a source without a witness."""


class Verdicts:
    """Judges the words of series by the limits of `guard` and by the words of `witnesses`."""

    def __init__(
        self, guard: Guard, witnesses: Witnesses, *, all_known: Callable[[Series, date, date], bool]
    ) -> None:
        """`all_known` says whether every day of a series between two others is known."""
        self._guard = guard
        self._witnesses = witnesses
        self._all_known = all_known

    def hear(self, series: Series, word: Word) -> None:
        """
        Judge an answer and add it.

        It is judged only by its band if its source can't provide the value, or if nothing confirms that
        source yet.
        """
        row = series.rows.get(word.day)
        if not _is_accepted(row, word):
            word.doubt = self._first_doubt(series, row, word)
        series.answer(word)

    def _first_doubt(self, series: Series, row: Row | None, word: Word) -> Doubt | None:
        if series.serves and series.proof != "none":
            series.settle()
            if before := _replaced(series, row, word):
                return self._doubt(series, word, before)
        return guard.outside(word, series.band)

    def _doubt(self, series: Series, word: Word, before: Word | None, *, alone: bool = False) -> Doubt | None:
        return guard.doubt(
            word,
            before=before.price if before else None,
            reference=lambda: None if alone else self._reference(word, before),
            band=series.band,
            tolerance=series.tolerance,
            guard=self._guard,
        )

    def _reference(self, word: Word, before: Word | None) -> guard.Price:
        # A figure that did not move is not news, whatever the others say.
        if before and before.same_figures(word):
            return None
        return self._witnesses.reference(word)

    # What is heard later.

    def review(self, series: Series) -> bool:
        """Judge again the doubted words and a first rate; return whether something of it is still open."""
        series.settle()
        if series.proof != "full":
            self._prove(series)
            series.settle()
        doubted = series.doubted()
        if doubted and series.proof != "none" and self._is_released(series, doubted[-1]):
            _release(series, doubted[-1])
            doubted = series.doubted()
        return bool(doubted) or series.proof != "full"

    def _is_released(self, series: Series, word: Word) -> bool:
        before = _replaced(series, series.rows[word.day], word)
        if before is None:
            return False
        doubt = self._doubt(series, word, before)
        if doubt is None:
            return True
        if doubt.by_hand or not self._is_repeated(series, word):
            return False
        if any(_is_whole(series, each, before) for each in _alike(series, word)):
            return True
        agreed = self._witnesses.agree(word, before, tolerance=series.tolerance)
        return agreed or self._witnesses.moved(word, before)

    def _is_repeated(self, series: Series, word: Word) -> bool:
        """Whether a source said a doubted word again, `repeat_minutes` later."""
        alike = _alike(series, word)
        heard = [each.at for each in alike]
        return any(each.stood for each in alike) or max(heard) - min(heard) >= self._guard.repeat

    def repeat_wanted(self, series: Series) -> Word | None:
        """The answer that could be released if it is heard once more; None if there is none."""
        for word in reversed(series.doubted()):
            if word.doubt and not word.doubt.by_hand and not word.stood:
                return word
        alternating = [row for row in series.in_order[-3:] if row.alternates]
        return alternating[-1].standing if alternating else None

    def confirm(self, series: Series, table: Table) -> None:
        """Accept exactly what an operator saw."""
        series.settle()
        row = series.rows.get(table.day)
        for word in row.answers if row else ():
            if word.table.figures == table.figures:
                word.confirmed = True
                series.prove("full")
                _release(series, word)

    # The first rate of a source.

    def _prove(self, series: Series) -> None:
        """Look for witnesses, the archive or next publications that confirm or contradict a first rate."""
        for word in _newest_polled(series):
            if self._witnesses.verdict(word, tolerance=series.tolerance) is False:
                self._turn_down(series, word, self._against(series, word))
        series.settle()
        newest = series.newest
        if newest and newest.chosen and not series.doubted():
            self._prove_accepted(series, newest.chosen)
        else:
            self._prove_turned_down(series)

    def _prove_accepted(self, series: Series, word: Word) -> None:
        if self._witnesses.verdict(word, tolerance=series.tolerance) or self._is_third(series):
            series.prove("full")
        elif series.proof == "none" and not word.archive and (row := series.before(word.day)):
            self._ask_the_past(series, word, row)

    def _ask_the_past(self, series: Series, word: Word, row: Row) -> None:
        if not (row.is_polled or series.waited):  # until then a witness may still confirm it
            return
        if doubt := self._doubt(series, word, row.chosen, alone=True):
            # The archive arrives row by row: a day that is still missing may explain the jump.
            if self._all_known(series, row.day, word.day):
                self._turn_down(series, word, doubt)
        elif not row.is_polled:
            series.prove("archive")

    def _prove_turned_down(self, series: Series) -> None:
        """Accept a refused first rate, if the witnesses or repetitions now confirm it."""
        doubted = series.doubted()
        if not doubted or (doubt := (word := doubted[-1]).doubt) is None or doubt.by_hand:
            return
        before = _replaced(series, series.rows[word.day], word)
        polled = before is not None and not before.archive
        jumped = polled and before and guard.apart(word.price, before.price) > self._guard.jump
        agreed = self._witnesses.verdict(word, tolerance=series.tolerance)
        if (agreed and not jumped) or (
            self._is_repeated(series, word) and (agreed or self._is_third(series))
        ):
            series.prove("full")
            _release(series, word)

    def _is_third(self, series: Series) -> bool:
        """Whether the source's last three publications, accepted or not, moved within the limit."""
        moves: list[Word] = []
        stated = (row.standing for row in reversed(series.in_order[-REACH:]))
        for word in (word for word in stated if word):
            if not series.is_sane(word):
                break
            if moves and guard.apart(moves[-1].price, word.price) > self._guard.jump:
                break
            if not moves or not word.same_figures(moves[-1]):
                moves.append(word)
            if len(moves) == _THRICE:
                return True
        return False

    def _against(self, series: Series, word: Word) -> Doubt:
        reference = self._witnesses.reference(word)
        if reference is not None and guard.apart(word.price, reference) > series.tolerance:
            return Doubt(reason=f"{guard.moved(word, reference)} from the median of the others")
        other = self._witnesses.prices(word)[0]
        return Doubt(reason=f"{guard.moved(word, other)} from what another source says")

    def _turn_down(self, series: Series, word: Word, doubt: Doubt) -> None:
        """Doubt a first rate, and similar rates of its source for the days around it."""
        near = [row for row in series.in_order if abs(row.day - word.day) <= guard.FRESH]
        for each in (each for row in near for each in row.answers):
            if guard.apart(each.price, word.price) <= series.tolerance:
                each.doubt = each.doubt or doubt
                series.touch(each.day)
        series.prove("none")


def _is_accepted(row: Row | None, word: Word) -> bool:
    """Whether the same figures are already accepted for that day."""
    return row is not None and any(known.doubt is None and known.same_figures(word) for known in row.answers)


def _release(series: Series, word: Word) -> None:
    """Accept a word, and the words of its source that said about the same before."""
    for each in _alike(series, word):
        each.doubt = None
        series.touch(each.day)
    series.settle()


def _newest_polled(series: Series) -> Iterator[Word]:
    """The accepted answers of the newest days, the newest first."""
    for row in reversed(series.in_order):
        if series.days[-1] - row.day > guard.FRESH:
            return
        word = row.chosen
        if word and not word.archive:
            yield word


def _replaced(series: Series, row: Row | None, word: Word) -> Word | None:
    """What a word would replace: the same day's, if it differs, or the newest of an earlier day."""
    if row and row.chosen and not row.chosen.same_figures(word):
        return row.chosen
    earlier = series.before(word.day)
    return earlier.chosen if earlier else None


def _is_whole(series: Series, word: Word, before: Word) -> bool:
    """Whether the source's whole table moved with a word that would replace `before`."""
    last = _last_table(series, word)
    return last is not None and guard.moved_as_a_whole(
        word.fixing, word.table, last.table, since=before.price
    )


def _last_table(series: Series, word: Word) -> Word | None:
    """The word before: the last version of its day, or of the newest earlier day, accepted or not."""
    answers = series.rows[word.day].answers
    if at := answers.index(word):
        return answers[at - 1]
    rows = (row for row in reversed(series.in_order) if row.day < word.day)
    return next((last for row in rows if (last := row.stated)), None)


def _alike(series: Series, word: Word) -> list[Word]:
    """A word, and the doubted ones just before it, of its day and earlier, that say about the same."""
    answers = series.rows[word.day].answers
    said = answers[answers.index(word) :: -1]
    rows = series.in_order[: bisect_left(series.days, word.day)]
    earlier = (each for row in reversed(rows) for each in reversed(row.answers))
    return list(takewhile(lambda each: _is_alike(series, word, each), chain(said, earlier)))


def _is_alike(series: Series, word: Word, other: Word) -> bool:
    if other is word:
        return True
    return other.doubt is not None and guard.apart(other.price, word.price) <= series.tolerance
