"""The document from which the settings are made, and the origin of each of its values."""

from __future__ import annotations

import codecs
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path as File
from typing import Any

from ticker.config.faults import ConfigError
from ticker.config.keys import Path
from ticker.config.lines import lines_of


class Given:
    """A document that is being built. Later values replace earlier ones."""

    def __init__(self, name: str = "the defaults") -> None:
        self.name = name
        self.document: dict[str, Any] = {}
        self._origins: dict[Path, str] = {}
        self._dropped: dict[Path, list[int]] = {}

    @classmethod
    def of_file(cls, file: File) -> Given:
        """The document of a file. Raises ConfigError if the file can't be read or is not TOML."""
        given = cls(str(file))
        text = _text_of(file)
        given.document = _document_of(text, given.name)
        given._origins = {path: f"{file}, line {line}" for path, line in lines_of(text).items()}
        return given

    def put(self, path: tuple[str, ...], value: Any, origin: str) -> None:
        """Set another value, from an argument or a variable."""
        section = self.document
        for name in path[:-1]:
            below = section.get(name)
            section[name] = section = dict(below) if isinstance(below, dict) else {}
        section[path[-1]] = value
        for known in [known for known in self._origins if known[: len(path)] == path]:
            del self._origins[known]
        self._origins[path] = origin
        for length in range(1, len(path)):
            self._origins.setdefault(path[:length], origin)

    def where(self, path: Path, *others: Path) -> str:
        """The origin of the first of these values that was given, or of the nearest section above."""
        if exact := [self._origins[each] for each in (path, *others) if each in self._origins]:
            return exact[0]
        for length in range(len(path), 0, -1):
            if origin := self._origins.get(path[:length]):
                return origin
        return self.name

    def drop(self, path: Path) -> bool:
        """Remove a value from the document; return whether it was there."""
        *above, last = path
        at: Any = self.document
        try:
            for part in above:
                at = at[part]
            del at[last]
        except (LookupError, TypeError):
            return False
        if isinstance(last, int):
            self._dropped.setdefault(tuple(above), []).append(last)
        return True

    def original(self, path: Path) -> Path:
        """The path of an item of a list before other items were removed."""
        if not path or not isinstance(path[-1], int):
            return path
        above, place = path[:-1], path[-1]
        for dropped in reversed(self._dropped.get(above, [])):
            place += dropped <= place
        return (*above, place)


def _text_of(file: File) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {_unreadable(error)}") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
        raise ConfigError(f"{file}: this is UTF-16, not UTF-8. Save it as UTF-8.")
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{file}, line {line}: the byte 0x{content[error.start]:02x} is not UTF-8. Save it as UTF-8."
        ) from None


_UNREADABLE: Mapping[type[OSError], str] = {
    FileNotFoundError: "there is no such file. Copy config.example.toml there, or name another file.",
    IsADirectoryError: "this is a directory. Name the file in it.",
}


def _unreadable(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"user {os.geteuid()} may not read it. Make it readable (chmod, chown)."
    if words := _UNREADABLE.get(type(error)):
        return words
    return f"it can't be read: {error.strerror or error}. Fix that, or name another file."


def _document_of(text: str, name: str) -> dict[str, Any]:
    """The TOML as values. Numbers keep their digits, so that a band of 3.3 is not 3.29999."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_broken(str(error), text, name)) from None
    except (RecursionError, ValueError):
        raise ConfigError(f"{name}: this is not TOML. See config.example.toml.") from None


_PLACE = re.compile(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", re.DOTALL)


def _broken(said: str, text: str, name: str) -> str:
    found = _PLACE.match(said)
    phrase, line = (found[1], found[2] or str(text.count("\n") + 1)) if found else (said, "1")
    written = text.splitlines()[int(line) - 1 : int(line)]
    wrong, right = next(
        ((wrong, right) for start, wrong, right in _BROKEN if phrase.startswith(start)),
        (f"this is not TOML ({phrase})", "Write `key = value`, `[section]` or `# comment` on each line."),
    )
    if re.match(r"\s*\w+\s*:", written[0] if written else ""):
        wrong, right = "this is not TOML", "Write `key = value`, not `key: value`."
    return f"{name}, line {line}: {wrong}. {right}"


_BROKEN = (
    ("Cannot overwrite a value", "this key appears twice", "Remove one of the two."),
    ("Cannot declare", "this section appears twice", "Put its keys into one."),
    ("Cannot mutate", "this section appears twice", "Put its keys into one."),
    ("Duplicate inline", "this key appears twice", "Remove one of the two."),
    ("Invalid value", "this is not a value", 'Write text in quotes: key = "text".'),
    ("Unterminated string", "the text does not end", "Add the closing quote."),
    ('Expected "\'"', "the text does not end", "Add the closing quote."),
    ("Illegal character '\\n'", "the text does not end", "Add the closing quote."),
    ("Unescaped", "the text has a lone backslash", "Double it, or use single quotes: 'C:\\data'."),
    ("Unclosed array", "the list does not end", "Add the closing bracket, and commas between its items."),
    ("Unclosed inline", "the table does not end", "Add the closing brace, and commas between its keys."),
    ("Expected ']' at the end", "the name of the section does not end", "Add the closing bracket: [server]."),
    ("Expected '=' after", "there is no `=` after the key", "Write `key = value`."),
    (
        "Expected newline",
        "there is more text after the value",
        "Write one key per line, and text in quotes.",
    ),
)
