"""
Who polls, and what it can't do.

A service's polling process tells its others on a board in the memory that they share, behind their counts.
"""

from __future__ import annotations

import mmap
import struct
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

_HEAD = struct.Struct("<dq?I")
"""When it last tried to write (monotonic s), since when it can't (ms), whether refused, bytes of words."""
SIZE = 512
"""Bytes of a board."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing can be written, in words, and since when."""

    since: datetime
    refused: bool
    """Whether Redis answers, and takes no writes."""
    words: str


@dataclass(frozen=True, slots=True)
class Polling:
    """The process that polls, or polled last."""

    owner: str
    """`host:pid`."""
    since: datetime
    """When it took the lease, by its clock."""
    wrote_at: datetime
    """When it last wrote, by Redis's clock."""
    silent_seconds: float
    """How long ago that is, by Redis's clock."""
    holds: tuple[str, ...] = ()
    """The symbols that an operator put on hold."""


class Board:
    """One writer, the process that polls; any number of readers."""

    def __init__(self, memory: memoryview) -> None:
        """`memory` has SIZE bytes, all zero at first."""
        self._memory = memory

    @classmethod
    def alone(cls) -> Self:
        """For a process that shares with nobody."""
        return cls(memoryview(mmap.mmap(-1, SIZE)))

    def tries(self) -> None:
        """The process is alive and is about to write."""
        _, since, refused, length = self._head()
        self._put(time.monotonic(), since, refused, length)

    def fails(self, words: str, *, refused: bool, now: datetime) -> None:
        """It can't write, since now if it could before."""
        tried, since, *_ = self._head()
        text = words.encode()[: SIZE - _HEAD.size]
        # Without words while they change: who reads just then is told nothing rather than half of it.
        self._put(tried, since, refused, 0)
        self._memory[_HEAD.size : _HEAD.size + len(text)] = text
        self._put(tried, since or int(now.timestamp() * 1000), refused, len(text))

    def works(self) -> None:
        """It has written."""
        self._put(time.monotonic(), 0, False, 0)

    @property
    def silent_seconds(self) -> float | None:
        """How long ago it last tried; None if no process of this service ever did."""
        tried = self._head()[0]
        return time.monotonic() - tried if tried else None

    @property
    def trouble(self) -> Trouble | None:
        """Why it can't write; None if it can, or nobody tries."""
        _, since, refused, length = self._head()
        if not length:
            return None
        text = bytes(self._memory[_HEAD.size : _HEAD.size + length])
        return Trouble(datetime.fromtimestamp(since / 1000, UTC), refused, text.decode(errors="replace"))

    def _head(self) -> tuple[float, int, bool, int]:
        return _HEAD.unpack_from(self._memory)

    def _put(self, tried: float, since: int, refused: bool, length: int) -> None:
        _HEAD.pack_into(self._memory, 0, tried, since, refused, length)
