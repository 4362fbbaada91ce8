"""
The process that polls, and what keeps it from writing.

A service's polling process tells the other processes in the memory that they share, behind their counts.
"""

from __future__ import annotations

import mmap
import struct
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

_HEAD = struct.Struct("<dq?I")
"""Its last try to write (monotonic s), the start of its failure (ms), whether refused, bytes of words."""
SIZE = 512
"""The size of a board in bytes."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing can be written, and since when."""

    since: datetime
    refused: bool
    """Whether Redis answers, but refuses writes."""
    words: str


@dataclass(frozen=True, slots=True)
class Polling:
    """The process that polls, or polled last."""

    owner: str
    """`host:pid`."""
    since: datetime
    """When it took the lease, by its own clock."""
    wrote_at: datetime
    """When it last wrote, by Redis's clock."""
    silent_seconds: float
    """Seconds since its last write, by Redis's clock."""
    holds: tuple[str, ...] = ()
    """The symbols that an operator put on hold."""


class Board:
    """A board with one writer, the process that polls, and any number of readers."""

    def __init__(self, memory: memoryview) -> None:
        """`memory` has SIZE bytes, initially zero."""
        self._memory = memory

    @classmethod
    def alone(cls) -> Self:
        """A board of a process that shares with nobody."""
        return cls(memoryview(mmap.mmap(-1, SIZE)))

    def tries(self) -> None:
        """Record that the process is alive and about to write."""
        _, since, refused, length = self._head()
        self._put(time.monotonic(), since, refused, length)

    def fails(self, words: str, *, refused: bool, now: datetime) -> None:
        """Record that it can't write; since now, if it could before."""
        tried, since, *_ = self._head()
        text = words.encode()[: SIZE - _HEAD.size]
        # The length is 0 while the words change: a reader then sees none, rather than half of them.
        self._put(tried, since, refused, 0)
        self._memory[_HEAD.size : _HEAD.size + len(text)] = text
        self._put(tried, since or int(now.timestamp() * 1000), refused, len(text))

    def works(self) -> None:
        """Record a successful write."""
        self._put(time.monotonic(), 0, False, 0)

    @property
    def silent_seconds(self) -> float | None:
        """Seconds since its last try; None if no process of this service ever tried."""
        tried = self._head()[0]
        return time.monotonic() - tried if tried else None

    @property
    def trouble(self) -> Trouble | None:
        """Why it can't write; None if it can, or if no process tries."""
        _, since, refused, length = self._head()
        if not length:
            return None
        text = bytes(self._memory[_HEAD.size : _HEAD.size + length])
        return Trouble(datetime.fromtimestamp(since / 1000, UTC), refused, text.decode(errors="replace"))

    def _head(self) -> tuple[float, int, bool, int]:
        return _HEAD.unpack_from(self._memory)

    def _put(self, tried: float, since: int, refused: bool, length: int) -> None:
        _HEAD.pack_into(self._memory, 0, tried, since, refused, length)
