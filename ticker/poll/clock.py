"""The desk's clock: the machine's own, or one that a demo or a test replays."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import Protocol


class Clock(Protocol):
    """The time at the desk. The time may step; the elapsed seconds never do."""

    @property
    def speed(self) -> float:
        """The number of its seconds in a real second."""

    def now(self) -> datetime:
        """The time at the desk (aware, UTC). It jumps when the clock is set."""

    def elapsed(self) -> float:
        """Elapsed seconds of this clock, without the jumps."""


class WallClock:
    """The machine's clock, and its monotonic clock."""

    speed = 1.0

    def now(self) -> datetime:
        """The wall clock's time in UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """The monotonic clock's seconds. On Linux it stands still while the machine is suspended."""
        return monotonic()
