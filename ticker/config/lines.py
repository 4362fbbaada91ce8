"""
Finds the line of each key in a TOML text.

tomllib does not report lines. So this finds the keys once more, in a text that tomllib has read without an
error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Generator, Iterator

from ticker.config.keys import Path

_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'", re.DOTALL
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")


def lines_of(text: str) -> dict[Path, int]:
    """The line of every key and of every item of a list, from 1. `text` is valid TOML."""
    found: dict[Path, int] = {}
    for path, place in _Scanner(text).document():
        found.setdefault(path, text.count("\n", 0, place) + 1)
    return found


class _Scanner:
    """Goes through the text once; `_at` is the current position."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._tables: dict[Path, int] = {}

    def document(self) -> Iterator[tuple[Path, int]]:
        section: Path = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text[self._at] == "[":
                section = yield from self._header()
            else:
                yield from self._assignment(section)

    def _header(self) -> Generator[tuple[Path, int], None, Path]:
        place, many = self._at, self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        path = self._key(())
        self._at += 2 if many else 1
        if many:
            self._tables[path] = number = self._tables.get(path, -1) + 1
            path = (*path, number)
        yield from self._and_above(path, 0, place)
        return path

    def _assignment(self, section: Path) -> Iterator[tuple[Path, int]]:
        place = self._at
        path = self._key(section)
        yield from self._and_above(path, len(section), place)
        self._at += 1  # the equals sign
        yield from self._value(path)

    def _and_above(self, path: Path, known: int, place: int) -> Iterator[tuple[Path, int]]:
        for length in range(known + 1, len(path) + 1):
            yield path[:length], place

    def _key(self, above: Path) -> Path:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            found = _STRING.match(self._text, self._at) or _BARE.match(self._text, self._at)
            if not found:
                return (*above, *parts)
            self._at = found.end()
            parts.append(_plain(found[0]))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return (*above, *parts)
            self._at += 1

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        self._skip(_SPACE)
        if self._text.startswith("[", self._at):
            yield from self._list(path)
        elif self._text.startswith("{", self._at):
            yield from self._inline_table(path)
        elif found := _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at):
            self._at = found.end()

    def _list(self, path: Path) -> Iterator[tuple[Path, int]]:
        self._at += 1
        number = 0
        while self._skip(_BLANK) < len(self._text) and self._text[self._at] != "]":
            yield (*path, number), self._at
            yield from self._value((*path, number))
            number += 1
            self._separator()
        self._at += 1

    def _inline_table(self, path: Path) -> Iterator[tuple[Path, int]]:
        self._at += 1
        while self._skip(_BLANK) < len(self._text) and self._text[self._at] != "}":
            yield from self._assignment(path)
            self._separator()
        self._at += 1

    def _separator(self) -> None:
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1

    def _skip(self, what: re.Pattern[str]) -> int:
        found = what.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at


def _plain(key: str) -> str:
    return str(tomllib.loads(f"key = {key}")["key"]) if key[0] in "\"'" else key
