"""What a service counts: one row of numbers for each of its processes, in memory that all of them share."""

from __future__ import annotations

import mmap
from enum import IntEnum, auto


class Count(IntEnum):
    """The place of a number in its row. Gauges say what is now, the others only grow."""

    SUBSCRIBERS = 0
    """Gauge: subscribers of the stream, by WebSocket or Server-Sent Events."""
    BLOCKED = auto()
    """Gauge: subscribers that read too slowly at this moment."""
    CONNECTIONS = auto()
    """Gauge: open connections in all."""
    ACCEPTED = auto()
    """Connections that were accepted."""
    JOINED = auto()
    """Subscribers that were taken in."""
    REFUSED_FULL = auto()
    """Turned away: too many subscribers or connections in all."""
    REFUSED_ADDRESS = auto()
    """Turned away: too many subscribers from one address."""
    REFUSED_RATE = auto()
    """Turned away: too many new connections a second, or under way."""
    REFUSED_ORIGIN = auto()
    """Turned away: a script of a site that may not read here."""
    BAD_HEADS = auto()
    """Connections ended because their request was too long, too slow or none."""
    DELIVERIES = auto()
    """Frames with quotes that were written to a subscriber."""
    CONFLATED = auto()
    """Frames that caught a slow reader up."""
    MESSAGES = auto()
    """Frames that subscribers sent, their pongs not counted."""
    CLOSED_SLOW = auto()
    """Subscribers ended because they did not read."""
    CLOSED_SILENT = auto()
    """Subscribers ended because they answered no ping."""
    CLOSED_BAD = auto()
    """Subscribers ended because of what they sent."""
    PUBLICATIONS = auto()
    """Publications that were brought to the subscribers."""
    STARTS = auto()
    """Starts of this process, the first one counted."""


GAUGES = frozenset({Count.SUBSCRIBERS, Count.BLOCKED, Count.CONNECTIONS})
_ROW = 8 * len(Count)


class Tally:
    """
    One process's row, and the sums over all rows.

    Each row has one writer, so nothing is locked. A process that takes a dead one's row over goes on
    counting where it ended: a sum never falls.
    """

    def __init__(self, memory: mmap.mmap, row: int, rows: int) -> None:
        self._all = memoryview(memory).cast("Q")
        self._rows = rows
        start = row * len(Count)
        self._own = self._all[start : start + len(Count)]
        for gauge in GAUGES:
            self._own[gauge] = 0

    @classmethod
    def alone(cls) -> Tally:
        """For a process that shares with nobody."""
        return cls(mmap.mmap(-1, _ROW), 0, 1)

    def add(self, count: Count, amount: int = 1) -> None:
        """Count up."""
        self._own[count] += amount

    def set(self, count: Count, value: int) -> None:
        """Say what is now."""
        self._own[count] = value

    def total(self, count: Count) -> int:
        """The sum over all processes."""
        return sum(self._all[count :: len(Count)].tolist())
