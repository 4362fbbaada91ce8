"""
A file of rows that ends in its checksum: the form of a backup.

It is text. Its first line says what it is. Then each row is a line, a JSON list of the row's kind and its
fields. The last but one line counts the rows of each kind, and the last one has the SHA-256 of everything
before it. A file without that line, or with another checksum, is not read at all.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

FORMAT = 1
"""The number of the form. A reader knows all earlier ones."""
_MAGIC = b'{"file":"currency-ticker backup"'
_SEAL = re.compile(rb'\{"sha256":"([0-9a-f]{64})"\}\n')
_SEAL_BYTES = 78
_BLOCK = 1 << 20

Row = tuple[bytes, ...]
"""The fields of one row."""
Counts = dict[str, int]
"""The number of rows of each kind."""


class NotWritten(Exception):
    """The file can't be written, and what was there before is unchanged. Says why."""


class WrongTarget(NotWritten):
    """The name is that of something else than a backup, which stays as it is."""


class NotSealed(Exception):
    """The file is not a complete backup that this version can read. Names the file and what is wrong."""


# Writing.


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file that is being written, to go back to."""

    position: int
    digest: Any
    counts: Counter[str]


class Sheet:
    """A file that is being written."""

    def __init__(self, file: BinaryIO, target: Path) -> None:
        self._file = file
        self._target = target
        self._digest = hashlib.sha256()
        self._counts: Counter[str] = Counter()
        self._length = 0

    def begin(self, version: str, made_at: str) -> None:
        """Write the first line: the version of the program, and the time in RFC 3339."""
        head = {"file": "currency-ticker backup", "format": FORMAT, "version": version, "made_at": made_at}
        self._put(head)

    def put(self, kind: str, row: Row) -> None:
        """Write a row."""
        self._put([kind, *map(_written, row)])
        self._counts[kind] += 1

    @property
    def place(self) -> Place:
        """The place that is reached."""
        return Place(self._length, self._digest.copy(), self._counts.copy())

    def back_to(self, place: Place) -> None:
        """Remove everything after a place."""
        with _in_words(self._target):
            self._file.seek(place.position)
            self._file.truncate()
        self._length, self._digest, self._counts = place.position, place.digest.copy(), place.counts.copy()

    def seal(self) -> Counts:
        """Write the counts and the checksum; return the counts."""
        self._put({"rows": dict(self._counts)})
        self._put({"sha256": self._digest.hexdigest()})
        return dict(self._counts)

    def _put(self, words: object) -> None:
        line = _line(words)
        with _in_words(self._target):
            self._file.write(line)
        self._digest.update(line)
        self._length += len(line)


def _line(words: object) -> bytes:
    return json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _written(field: bytes) -> str | dict[str, str]:
    """A field as text; bytes that are no text become an object."""
    try:
        return field.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(field).decode()}


@contextmanager
def written(target: Path) -> Iterator[Sheet]:
    """
    A file beside `target` that only its owner may read. It takes the target's place when the block ends.

    If the block fails, it is removed, and the target stays as it was. Raises NotWritten.
    """
    place = Path(os.path.realpath(target))
    with _in_words(target):
        _refuse_others(target)
    # Also around the end of `open`: a full disk is sometimes noticed there.
    with _in_words(target):
        _sweep(place)
        number, name = _part(place)
        try:
            with open(number, "wb") as file:
                yield Sheet(file, target)
                file.flush()
                os.fsync(number)
                os.replace(name, place)  # while it is locked
            _sync(place.parent)
        finally:
            with suppress(OSError):
                os.unlink(name)


def _refuse_others(target: Path) -> None:
    """Raise WrongTarget if something is there that is not a backup."""
    # Not its real path: that of a pipe, such as /dev/stdout, does not exist.
    if target.exists() and not target.is_file():
        raise WrongTarget(f"{target} is not a regular file: write the name of a file")
    if target.exists() and not _is_ours(target):
        raise WrongTarget(
            f"{target} exists and is not a backup, so it was not replaced: write another name, or delete it"
        )


def _is_ours(path: Path) -> bool:
    """Whether a file begins as a backup, or is empty."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) in (b"", _MAGIC)


def _part(place: Path) -> tuple[int, str]:
    """The descriptor and the name of a new file beside `place`, which is locked until it is closed."""
    while True:
        number, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent)
        with suppress(OSError):  # a file system without locks, where nothing is swept either
            fcntl.flock(number, fcntl.LOCK_EX)
        if os.fstat(number).st_nlink:
            return number, name
        os.close(number)  # swept before it was locked


def _sweep(place: Path) -> None:
    """Delete the parts of `place` that killed processes have left, as far as that is possible."""
    is_part = re.compile(re.escape(f".{place.name}.") + r"[a-z0-9_]{8}\.part").fullmatch
    with suppress(OSError):
        for path in place.parent.iterdir():
            if is_part(path.name):
                _delete_unlocked(path)


def _delete_unlocked(path: Path) -> None:
    with suppress(OSError), path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_ours(path):
            path.unlink()


@contextmanager
def _in_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotWritten(f"{target} can't be written: {error.strerror or error}") from None


def _sync(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


# Reading.


class Sealed:
    """A file that is complete and undamaged, and that this version can read."""

    def __init__(self, file: BinaryIO, name: str, fits: Callable[[str, Row], bool]) -> None:
        """`fits` tells whether a row is one of its kind. Raises NotSealed."""
        self._file = file
        self._name = name
        self._fits = fits
        _check_seal(file, name)
        self.version = self._read_head()
        """The version of the program that wrote it."""
        self.counts: Counts = {}
        for _ in self.rows():
            pass

    @classmethod
    @contextmanager
    def opened(cls, source: Path, fits: Callable[[str, Row], bool]) -> Iterator[Self]:
        """Open a file, and check all of it. Raises NotSealed."""
        try:
            if not source.is_file():
                raise NotSealed(
                    f"{source} {'is not a regular file' if source.exists() else 'does not exist'}"
                )
            file = source.open("rb")
        except OSError as error:
            raise NotSealed(f"{source} can't be read: {error.strerror}") from None
        with file:
            yield cls(file, str(source), fits)

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Each row with its kind, in order. Raises NotSealed if the file does not have the form."""
        self._file.seek(0)
        self._file.readline()
        counts: Counter[str] = Counter()
        for number, line in enumerate(self._file, 2):
            if not line.startswith(b"["):
                self._check_counts(line, counts)
                return
            kind, row = self._row(line, number)
            counts[kind] += 1
            yield kind, row

    def _row(self, line: bytes, number: int) -> tuple[str, Row]:
        try:
            kind, *fields = json.loads(line)
            row = tuple(map(_read_field, fields))
            if self._fits(kind, row):
                return kind, row
        except (ValueError, TypeError, LookupError):
            pass
        raise NotSealed(f"{self._name}, line {number}: this is not a row of a backup")

    def _check_counts(self, line: bytes, counts: Counter[str]) -> None:
        if line != _line({"rows": dict(counts)}):
            raise NotSealed(f"{self._name}: the counts in its last but one line are not those of its rows")
        self.counts = dict(counts)

    def _read_head(self) -> str:
        self._file.seek(0)
        try:
            head = json.loads(self._file.readline())
            form, version = int(head["format"]), str(head["version"])
        except (ValueError, TypeError, LookupError):
            raise NotSealed(f"{self._name}: its first line has no format and no version") from None
        if form > FORMAT:
            raise NotSealed(
                f"{self._name} has format {form}, and this version reads formats up to {FORMAT}: install "
                f"currency-ticker {version} or later"
            )
        return version


def _read_field(field: Any) -> bytes:
    if isinstance(field, str):
        return field.encode()
    return base64.b64decode(field["base64"], validate=True)


def _check_seal(file: BinaryIO, name: str) -> None:
    """Raise NotSealed unless the file begins and ends as a backup does, and has its checksum."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise NotSealed(f"{name} is not a backup of this program, or its first line is damaged")
    length = max(0, file.seek(0, os.SEEK_END) - _SEAL_BYTES)
    file.seek(length)
    if not (seal := _SEAL.fullmatch(file.read())):
        raise NotSealed(f"{name} is incomplete: its last line, the checksum, is missing or damaged")
    if _digest(file, length) != seal[1].decode():
        raise NotSealed(f"{name} is damaged: its checksum does not fit")


def _digest(file: BinaryIO, length: int) -> str:
    """The SHA-256 of so many bytes from the beginning."""
    digest = hashlib.sha256()
    file.seek(0)
    while length and (block := file.read(min(_BLOCK, length))):
        digest.update(block)
        length -= len(block)
    return digest.hexdigest()
