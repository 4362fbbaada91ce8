"""One source for the poller: asks it, passes its answers to the desk, and records how its polls go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import monotonic
from zoneinfo import ZoneInfo

from ticker.config import Settings
from ticker.fetch import FORESEEN, Answer, Fetcher, NotThere
from ticker.poll import plan
from ticker.poll.clock import Clock
from ticker.poll.history import History, Say
from ticker.poll.shelf import Shelf
from ticker.rates.desk import Desk
from ticker.rates.model import Quote, Rate
from ticker.rates.series import Word
from ticker.rates.source import NoTable, Outcome, Source
from ticker.rates.tables import tables_of
from ticker.rates.witnesses import Key

log = logging.getLogger(__name__)

_KNOWN = 8
"""Answers that are cached by their address: those of the days that one poll asks for."""


@dataclass(frozen=True, slots=True)
class _Told:
    """The answer for a day, or that there is no table."""

    day: date
    answer: Answer | None = None


class Feed:
    """
    A source with its outcome, its last answers and its history.

    `clock` is the desk's; outcomes have real time. Changes are passed to `say` and `noted`.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings,
        shelf: Shelf,
        *,
        clock: Clock,
        say: Say,
        noted: Callable[[Outcome], None],
    ) -> None:
        self.source = source
        self.outcome = Outcome(source=source.key)
        self.lock = asyncio.Lock()
        self.history = History(source, settings, shelf, clock=clock, say=say, note=self.note)
        self._settings = settings
        self._shelf = shelf
        self._clock = clock
        self._say = say
        self._noted = noted
        self._zone = ZoneInfo(source.timezone)
        self._currencies = {code for symbol in settings.symbols for code in (symbol.base, symbol.quote)}
        self._known: dict[str, Answer] = {}
        self._logged: dict[Key, object] = {}
        """The figures of every doubt that was logged."""

    def note(self, **facts: object) -> None:
        """Record facts of the outcome, and pass them on."""
        told = self.outcome.model_copy(update=facts)
        if told != self.outcome:
            self.outcome = told
            self._noted(told)

    def forget(self) -> None:
        """Ask in full the next time: the desk in use has not heard the cached answers."""
        self._known.clear()
        self.history.forget()

    @property
    def interval_seconds(self) -> int:
        """Seconds between two regular polls."""
        return self._settings.source(self.source.key).interval_seconds or self.source.interval_seconds

    # One poll.

    async def ask(self, fetcher: Fetcher, desk: Desk) -> None:
        """Fetch, parse, hear. This is the one place that decides what a failure of the source means."""
        started, began, told = datetime.now(UTC), monotonic(), list[_Told]()
        try:
            try:
                await self._walk(fetcher, desk, told)
            finally:  # the answers so far count, even if a later request failed
                self._hear(desk, told)
        except Exception as error:  # an internal error, too, must appear as a failing source
            self._failed(error, fetcher.words(self.source, error), started)
            self._say(desk, desk.miss(self.source.key, now=self._clock.now()))
        else:
            newest = max((each.answer.newest for each in told if each.answer), default=None)
            self._succeeded(desk, newest, started, seconds=monotonic() - began)

    def note_state(self, desk: Desk) -> None:
        """Record how the desk judges the source. The rate of another source may have changed that."""
        key, now, was_missed = self.source.key, self._clock.now(), self.outcome.missed
        newest, doubts = desk.newest_publication(key), desk.unconfirmed(key)
        self._log_doubts(doubts)
        self.note(
            held=_words(doubts) + self._on_hold(desk),
            missed=desk.missed(key, now=now),
            repeats=desk.repeats(key, now=now),
            published=newest.isoformat() if newest else "",
        )
        if self.outcome.missed and not was_missed:
            log.warning("%s: %s", key, self.outcome.frozen)

    async def _walk(self, fetcher: Fetcher, desk: Desk, told: list[_Told]) -> None:
        """Ask for each day from the latest that may have a table down to today, and collect the answers."""
        local = self._clock.now().astimezone(self._zone)
        announced = desk.announced(self.source.key, now=local)
        known = {} if self._must_repeat(desk) else self._known
        day: date | None = plan.first_day(self.source, local=local, announced=announced)
        while day is not None:
            answer = await self._ask_day(fetcher, day, local.date(), known, told)
            day = plan.next_day(day, answer.newest if answer else None, today=local.date())

    async def _ask_day(
        self, fetcher: Fetcher, day: date, today: date, known: Mapping[str, Answer], told: list[_Told]
    ) -> Answer | None:
        """Ask for one day, conditionally if an answer is `known`; return None if there is no answer."""
        try:
            answer = await fetcher.table(self.source, day=day, today=today, known=known)
        except (NotThere, NoTable):
            if day == today and (not self.source.by_day or self.source.calendar.works(day)):
                raise
            told.append(_Told(day))
        except FORESEEN:
            if day == today:
                raise
        else:
            self._remember(answer)
            told.append(_Told(day, answer))
            return answer
        return None

    def _hear(self, desk: Desk, told: Iterable[_Told]) -> None:
        """Pass the answers of one poll to the desk at once, so that no part of them is shown alone."""
        quotes: list[Quote] = []
        for each in told:
            now = self._clock.now()
            if each.answer:
                quotes += self._hear_answer(desk, each.day, each.answer, now)
            else:
                desk.hear_empty(self.source.key, each.day, each.day, now=now)
                quotes += desk.tick(now=now)
        self._say(desk, quotes)

    def _hear_answer(self, desk: Desk, asked: date, answer: Answer, now: datetime) -> list[Quote]:
        document = self._shelf.offer(answer, source=self.source.key, asked=asked, now=now)
        return desk.hear(
            tables_of(self._kept(answer.rates)),
            source=self.source.key,
            asked=asked,
            now=now,
            monotonic=self._clock.elapsed(),
            document=document,
        )

    def _must_repeat(self, desk: Desk) -> bool:
        return bool(desk.unconfirmed(self.source.key)) or desk.repeat_wanted(self.source.key)

    def _kept(self, rates: Sequence[Rate]) -> Sequence[Rate]:
        """All rows of a bank's table. Of an aggregator's table, only the rows that the symbols need."""
        if self.source.kind == "fixing":
            return rates
        wanted = {*self._currencies, "USD"}
        return [rate for rate in rates if {rate.pair.base, rate.pair.quote} <= wanted]

    def _remember(self, answer: Answer) -> None:
        self._known.pop(answer.url, None)
        self._known[answer.url] = answer
        for url in list(self._known)[:-_KNOWN]:
            del self._known[url]

    def _failed(self, error: Exception, words: str, started: datetime) -> None:
        failures = self.outcome.failures + 1
        self.note(checked_at=started, failures=failures, error=words)
        if failures == 1:
            ours = None if isinstance(error, FORESEEN) else error
            log.warning("%s failed: %s", self.source.key, self.outcome.fault, exc_info=ours)

    def _succeeded(self, desk: Desk, newest: date | None, started: datetime, *, seconds: float) -> None:
        if self.outcome.failures:
            log.info("%s is back after %d failed polls", self.source.key, self.outcome.failures)
        stated = desk.book.newest_day(self.source.key) or newest
        self.note(
            checked_at=started,
            succeeded_at=datetime.now(UTC),
            failures=0,
            error="",
            latency_ms=round(seconds * 1000),
            as_of=stated.isoformat() if stated else self.outcome.as_of,
        )

    def _on_hold(self, desk: Desk) -> tuple[str, ...]:
        """The quotes of this authority that are on hold, in words."""
        on_hold = (symbol for symbol in sorted(desk.on_hold) if desk.is_authority(self.source.key, symbol))
        return tuple(f"{symbol} is on hold; `ticker confirm {symbol}` ends that" for symbol in on_hold)

    def _log_doubts(self, doubts: Mapping[Key, Word]) -> None:
        fresh = {key: word for key, word in doubts.items() if self._logged.get(key) != word.fixing.figures}
        for words in _words(fresh):
            log.warning("%s: %s", self.source.key, words)
        self._logged = {key: word.fixing.figures for key, word in doubts.items()}


def _words(doubts: Mapping[Key, Word]) -> tuple[str, ...]:
    """The unconfirmed rates of a source, in words for an operator."""
    return tuple(
        f"{symbol} of {word.day} is unconfirmed: {_reason(word)}; `ticker confirm {symbol}` accepts it"
        for (_, symbol), word in sorted(doubts.items())
    )


def _reason(word: Word) -> str:
    return word.doubt.reason if word.doubt else "it is an earlier day's table under this date"
