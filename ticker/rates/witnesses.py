"""What the other sources say of a rate: the median, which ones agree, and which ones moved with it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ticker.rates import guard
from ticker.rates.model import Pair
from ticker.rates.series import Series, Word
from ticker.rates.source import Source

Key = tuple[str, Pair]
"""One source's word about one symbol."""
WITNESS, FOLLOWER = 2, 1
"""Half votes: two for a witness, a source that finds prices itself; one for a source that follows others."""


@dataclass(frozen=True, slots=True)
class _Voice:
    """A series, with the key and the half votes of its source."""

    series: Series
    source: str
    votes: int


_Opinion = tuple[_Voice, Word]
"""The price of a voice."""


class Witnesses:
    """All series, to compare a word with the words of the others."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._rank = {key: rank for rank, key in enumerate(sources)}
        self._voices: dict[Pair, list[_Voice]] = defaultdict(list)

    def join(self, series: Series) -> None:
        """Add a series."""
        voices = self._voices[series.symbol]
        voices.append(_Voice(series, series.source.key, votes(series)))
        voices.sort(key=lambda voice: self._rank[voice.source])

    def reference(self, word: Word) -> Decimal | None:
        """The median of the others' words for about the same day; None if there are too few."""
        opinions = self._opinions(word)
        return guard.median(_votes(opinions)) if len(opinions) >= guard.LEAST_WITNESSES else None

    def prices(self, word: Word) -> list[Decimal]:
        """The witnesses' words for about the same day, without the word's own source."""
        return [other.price for voice, other in self._opinions(word) if voice.votes >= WITNESS]

    def _opinions(self, word: Word) -> list[_Opinion]:
        """The others' words for about the same day."""
        return self._others(word, since=word.day - guard.FRESH, until=word.day + guard.FRESH)

    def verdict(self, word: Word, *, tolerance: Decimal) -> bool | None:
        """
        Whether the others confirm a first rate (True), contradict it (False), or neither (None).

        A witness within the tolerance confirms it. The median of all contradicts it if it differs, and so do
        the witnesses if all of them differ.
        """
        opinions = self._opinions(word)
        if len(opinions) >= guard.LEAST_WITNESSES:
            low, high = guard.middle(_votes(opinions))
            if guard.apart(word.price, min(max(word.price, low), high)) > tolerance:
                return False
        if not (prices := self.prices(word)):
            return None
        return any(guard.apart(word.price, price) <= tolerance for price in prices)

    def agree(self, word: Word, before: Word, *, tolerance: Decimal) -> bool:
        """Whether the median of two or more witnesses is near a rate, and differs from the rate before it."""
        prices = self.prices(word)
        if len(prices) < guard.LEAST_WITNESSES:
            return False
        middle = guard.median(prices)
        return guard.apart(word.price, middle) <= tolerance < guard.apart(before.price, middle)

    def moved(self, word: Word, before: Word) -> bool:
        """Whether a witness moved the same way since `before`, by at least half as much."""
        move = guard.share(word.price, before.price)
        return guard.witnessed(move, self._moves(word, since=before.day))

    def _moves(self, word: Word, *, since: date) -> Iterator[Decimal]:
        for voice, said in self._others(word):
            if voice.votes < WITNESS:
                continue
            voice.series.settle()
            then = voice.series.at(since)
            if then and then.chosen and then.day < said.day:
                yield guard.share(said.price, then.chosen.price)

    def _others(self, word: Word, *, since: date = date.min, until: date = date.max) -> list[_Opinion]:
        """The newest word of every other source in a period, also a doubted one that is not absurd."""
        source = word.table.source
        return [
            (voice, other)
            for voice in self._voices[word.symbol]
            if voice.source != source and (other := voice.series.newest_word(until)) and other.day >= since
        ]


def _votes(opinions: Iterable[_Opinion]) -> list[Decimal]:
    """The prices of all, each repeated by its half votes."""
    votes: list[Decimal] = []
    for voice, other in opinions:
        votes += [other.price] * voice.votes
    return votes


def votes(series: Series) -> int:
    """The half votes of a series: a bank's cross of two foreign currencies only follows other banks."""
    source, symbol = series.source, series.symbol
    foreign = source.kind == "fixing" and source.authority_for not in (symbol.base, symbol.quote)
    return FOLLOWER if foreign or source.follows_banks else WITNESS
