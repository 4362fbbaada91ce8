"""A real pseudo-terminal with a process in it, and what a person sees there as pyte shows it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pyte
from services import ENDED_SECONDS, ROOT, hear_signals
from stage import until

SEEN_SECONDS = 60
"""Usual are 1 to 2."""


@dataclass
class Terminal:
    """A process that has this terminal as its standard input, output and error."""

    process: subprocess.Popen[bytes]
    master: int
    screen: pyte.Screen
    stream: pyte.ByteStream
    written: bytearray = field(default_factory=bytearray)
    """All that the process wrote, with its sequences."""

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def colour_of(self, words: str) -> str:
        """The colour of the first of these words."""
        row, line = next((row, line) for row, line in enumerate(self.screen.display) if words in line)
        colour: Any = self.screen.buffer[row][line.index(words)].fg
        return str(colour)

    def read(self) -> None:
        """Take what the process wrote. At its end the terminal cannot be read any more."""
        with suppress(OSError):
            data = os.read(self.master, 65536)
            self.written += data
            self.stream.feed(data)

    async def sees(self, *words: str, without: str = "") -> None:
        """Wait until all of these are on the screen."""

        def seen() -> bool:
            return all(each in self.text for each in words) and (not without or without not in self.text)

        try:
            await until(seen, SEEN_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{words} never came:\n{self.text}") from None

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.reset()
        self.screen.resize(lines, columns)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, ENDED_SECONDS)


def _lead() -> None:
    """Make the terminal the one whose Ctrl-C this process gets."""
    hear_signals()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _started(command: Sequence[str], environment: Mapping[str, str], *, columns: int, lines: int) -> Terminal:
    master, slave = pty.openpty()
    screen = pyte.Screen(columns, lines)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    ours = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**ours, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_lead,
    )
    os.close(slave)
    return Terminal(process, master, screen, pyte.ByteStream(screen))


@asynccontextmanager
async def terminal(
    *command: str, columns: int = 100, lines: int = 24, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Terminal]:
    """Run `python -m` with this command in a terminal of its own; killed at the end, if it still runs."""
    found = _started(command, environment or {}, columns=columns, lines=lines)
    asyncio.get_running_loop().add_reader(found.master, found.read)
    try:
        yield found
    finally:
        asyncio.get_running_loop().remove_reader(found.master)
        os.close(found.master)
        with found.process, suppress(ProcessLookupError):
            found.process.kill()
