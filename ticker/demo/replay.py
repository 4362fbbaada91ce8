"""The recorded days, and the clock that plays them."""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import resources
from time import monotonic

from ticker.rates.calendar import ONE_DAY

NOTICE = (
    "Demo: these figures were recorded in August and September 2026 from an aggregator. "
    "Demo banks replay them. No bank published them."
)
"""What the log of a demo says."""

Figures = Mapping[str, Decimal]
"""Units of each currency for one US dollar."""

# Official since 2015-01-01 and what every bank's table gives; the aggregator's own column is noise around it.
TMT_PER_USD = Decimal("3.5")


@functools.cache
def as_recorded() -> dict[date, Figures]:
    """The recorded days in order, without a gap, digit for digit; TMT as the aggregator had it."""
    text = resources.files("ticker").joinpath("demo_days.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {date.fromisoformat(row.pop("date")): _figures(row) for row in rows}


def _figures(row: Mapping[str, str]) -> Figures:
    return {code: Decimal(text) for code, text in row.items()} | {"USD": Decimal(1)}


@functools.cache
def recording() -> dict[date, Figures]:
    """The same days as banks would have them: TMT at its peg."""
    return {day: {**figures, "TMT": TMT_PER_USD} for day, figures in as_recorded().items()}


def held(day: date) -> date:
    """The day itself, or the recording's nearest one (the first Monday needs Saturday's figures)."""
    return min(max(day, min(recording())), max(recording()))


TELLING_SECONDS = 2.0
"""Real seconds that a publication may take at most, from its moment to the subscribers."""
HISTORY = timedelta(days=14)
"""How much of the recording has passed when the clock starts."""


class DemoClock:
    """
    A clock that plays the recording: one virtual day takes `every` real seconds.

    It starts on a Monday at 06:00 UTC, two weeks into the recording, so that the banks have a history to
    tell, and stands still at the end of its last day.
    """

    def __init__(self, every: float, *, monotonic: Callable[[], float] = monotonic) -> None:
        if not (every > 0 and math.isfinite(every)):
            raise ValueError(f"a day of the demo cannot take {every} seconds")
        self._every = every
        self._monotonic = monotonic
        first = min(recording()) + HISTORY
        monday = next(day for day in recording() if day >= first and day.weekday() == 0)
        self.start = datetime.combine(monday, time(6), UTC)
        self.end = datetime.combine(max(recording()), time(0), UTC) + ONE_DAY
        self.restart()

    def restart(self) -> None:
        """Go back to the start: a new loop of the recording."""
        self._began: float | None = self._monotonic()

    @contextmanager
    def at_the_start(self) -> Iterator[None]:
        """Go back to the start and stand still there; after the block, play the next loop."""
        self._began = None
        try:
            yield
        finally:
            self.restart()

    def resume(self, at: datetime) -> None:
        """Continue at a virtual time of an earlier run. A time outside the recording starts it again."""
        played = (at - self.start) / ONE_DAY * self._every
        self._began = self._monotonic() - (played if 0 <= played < self.loop_seconds else 0)

    def now(self) -> datetime:
        """The virtual time (aware, UTC), never past the last microsecond of the recording."""
        virtual = self.start + (self.loop_seconds - self.remaining) / self._every * ONE_DAY
        return min(virtual, self.end - timedelta.resolution)

    def told(self) -> datetime:
        """
        The virtual time of TELLING_SECONDS ago, by which an edge judges what is late.

        A publication takes real time, and minutes of a replayed day are milliseconds: by `now` every rate
        would be late at its last midnight until the next one has come.
        """
        return self.now() - TELLING_SECONDS / self._every * ONE_DAY

    def elapsed(self) -> float:
        """Virtual seconds since the start of this loop, also if an earlier run began it."""
        return (self.now() - self.start).total_seconds()

    @property
    def speed(self) -> float:
        """Virtual seconds in a real one."""
        return ONE_DAY.total_seconds() / self._every

    @property
    def loop_seconds(self) -> float:
        """Real seconds that one loop of the recording takes."""
        return (self.end - self.start) / ONE_DAY * self._every

    @property
    def remaining(self) -> float:
        """Real seconds until the recording ends; 0 from then on."""
        played = 0.0 if self._began is None else self._monotonic() - self._began
        return max(0.0, self.loop_seconds - played)
