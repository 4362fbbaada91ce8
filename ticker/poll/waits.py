"""How long the first rates of sources have waited for the archive and for the other sources."""

from __future__ import annotations

from collections.abc import Collection
from time import monotonic

FIRST_WAIT_SECONDS = 10
"""The longest wait of a source's first rate."""


class Waits:
    """The start of each wait, on the monotonic clock."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def clear(self) -> None:
        """Forget every wait."""
        self._since.clear()

    def left(self, waiting: Collection[str]) -> float | None:
        """Seconds until the first of these waits is over; None if there is none."""
        now = monotonic()
        ends = [self._since.setdefault(key, now) + FIRST_WAIT_SECONDS for key in waiting]
        return max(0.0, min(ends) - now) if ends else None

    def is_over(self, key: str) -> bool:
        """Whether a source's first rate has waited long enough."""
        now = monotonic()
        return now - self._since.setdefault(key, now) >= FIRST_WAIT_SECONDS
