"""Everything that is kept, row by row as it is: read for a backup, and written by a restore."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ticker.store import lua, rows
from ticker.store.keys import BY_NAME, FENCE, LEADER, LEDGER, POLLER, PUBLICATIONS, STAGED, Kind, kind_of
from ticker.store.ledger import DOCUMENTS_AT_ONCE, ENTRIES_AT_ONCE, Ledger

SEARCH_SECONDS = 60.0
"""Seconds for the search of keys in a Redis that has others, too."""
STAGED_SECONDS = 86_400
"""Seconds after which the rows of a killed restore are deleted."""

MOMENT_SECONDS = 30.0
"""Seconds for all fixings: a hundred thousand take some tenths, most of them in this process."""

Row = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """Rows as of one moment, and how far the ledger was."""

    last: bytes
    """The id of the last event."""
    length: int
    """The number of events."""
    is_partial: bool
    """Whether the poller has not written all that belongs to these events."""
    epoch: int
    rows: tuple[tuple[str, Row], ...]
    """Each row with the name of its kind."""


def fits(kind: str, row: Row) -> bool:
    """Whether it is a row of this kind, by the number of its fields."""
    found = BY_NAME.get(kind)
    if not found:
        return False
    if found.form == "stream":
        return len(row) >= 3 and len(row) % 2 == 1
    return len(row) == {"hash": 2, "sorted": 2, "string": 1}[found.form] + found.is_family


class Copies(Ledger):
    """Everything that is kept, row by row as it is."""

    async def kept(self) -> list[str]:
        """The keys of what is kept, without the prefix, sorted; those of a lease are left out."""
        pattern = re.sub(r"([\\*?\[\]^])", r"\\\1", self._prefix) + "*"
        found: set[str] = set()
        async with self._in_time(SEARCH_SECONDS):
            async for key in self._writing.commands.scan_iter(match=pattern, count=1000):
                found.add(str(key).removeprefix(self._prefix))
        return sorted(name for name in found if name == PUBLICATIONS or kind_of(name))

    def name_of(self, key: str) -> str:
        """The whole name of a key."""
        return self._key(key)

    async def moment(self, kinds: Mapping[str, Kind]) -> Moment:
        """The rows of some keys, named without the prefix, and the end of the ledger, as of one moment."""
        last, length, is_partial, epoch, told = await self._run(
            lua.MOMENT,
            [LEDGER, POLLER, PUBLICATIONS, *kinds],
            [kind.form for kind in kinds.values()],
            client=self._writing.bytes,
            seconds=MOMENT_SECONDS,
        )
        both = zip(kinds.items(), told, strict=True)
        rows = ((kind.name, row) for (key, kind), answer in both for row in _rows(kind, key, answer))
        return Moment(last, length, is_partial == b"1", epoch, tuple(rows))

    async def events(self, after: bytes, until: bytes = b"+") -> AsyncIterator[Row]:
        """The events after an id, up to another one."""
        while True:
            async with self._in_time():
                told: Any = await self._writing.bytes.xrange(
                    self._key(LEDGER), min=b"(" + after if after else "-", max=until, count=ENTRIES_AT_ONCE
                )
            for entry, fields in told:
                yield entry, *(word for pair in fields.items() for word in pair)
            if not told:
                return
            after = told[-1][0]

    async def papers(self, *, but: Collection[bytes]) -> AsyncIterator[tuple[bytes, bytes, bytes]]:
        """The name, the bytes and the origin of each document, by name, except some."""
        async with self._in_time():
            names: Any = await self._writing.bytes.hkeys(self._key("documents:about"))
        for some in _parts(sorted(name for name in names if name not in but), DOCUMENTS_AT_ONCE):
            async with self._in_time():
                bodies: Any = await self._writing.bytes.hmget(self._key("documents"), some)
                abouts: Any = await self._writing.bytes.hmget(self._key("documents:about"), some)
            for name, body, about in zip(some, bodies, abouts, strict=True):
                if body is not None and about is not None:
                    yield name, body, about

    def staging(self) -> Staging:
        """A place for rows that a restore brings."""
        return Staging(self)


class Staging:
    """
    The rows of a restore, beside the keys that they belong to: nobody reads them before `commit`.

    The keys of a restore that was killed expire after STAGED_SECONDS.
    """

    def __init__(self, store: Copies) -> None:
        self._store = store
        self._keys: set[str] = set()
        """The keys that have rows, without the prefix."""
        self._quotes: dict[str, str] = {}
        self._epoch = 0

    async def put(self, kind_rows: Iterable[tuple[str, Row]]) -> None:
        """Write some rows. Raises UNAVAILABLE's errors."""
        commands: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for name, row in kind_rows:
            if name == "quote":
                self._keep(row)
            else:
                key, command = _command(BY_NAME[name], row)
                commands[key].append(command)
        await self._write(commands)

    def _keep(self, row: Row) -> None:
        """Keep a quote until the epoch of its new cursor is known. Unreadable ones are skipped."""
        symbol, text = (field.decode(errors="replace") for field in row)
        if found := rows.latest(symbol, text):
            self._epoch = max(self._epoch, found[0].epoch)
            self._quotes[symbol] = text.partition(" ")[2]

    async def _write(self, commands: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        store = self._store
        async with store._in_time(), store._writing.bytes.pipeline(transaction=False) as pipeline:
            for key, some in commands.items():
                staged = store._key(STAGED + key)
                if key not in self._keys:
                    pipeline.delete(staged)
                for verb, *words in some:
                    pipeline.execute_command(verb, staged, *words)
                pipeline.pexpire(staged, STAGED_SECONDS * 1000)
            self._keys |= commands.keys()
            # The pipeline's own words for an error repeat the row.
            for answer in await pipeline.execute(raise_on_error=False) if commands else ():
                if isinstance(answer, Exception):
                    raise answer

    async def commit(self, lease: str, *, now_ms: int) -> None:
        """
        Make all rows what is kept, in one step. The quotes are one publication of a new epoch.

        Raises LeaseLost; or ResponseError if meanwhile somebody else wrote one of the keys. Then nothing was
        changed.
        """
        if self._quotes:
            cursor = f"{max(now_ms, self._epoch + 1)}-1"
            publication = ("XADD", cursor, "quotes", f"[{','.join(self._quotes.values())}]")
            latest = [("HSET", symbol, f"{cursor} {text}") for symbol, text in self._quotes.items()]
            await self._write({PUBLICATIONS: [publication], "latest": latest})
        keys = sorted(self._keys)
        names = [LEADER, FENCE, POLLER, *keys, *(STAGED + key for key in keys)]
        await self._store._run(lua.COMMIT, names, [lease])

    async def drop(self) -> None:
        """Delete the rows that were not committed."""
        store = self._store
        for some in _parts(sorted(self._keys), DOCUMENTS_AT_ONCE):
            async with store._in_time():
                await store._writing.commands.delete(*(store._key(STAGED + key) for key in some))


def _rows(kind: Kind, key: str, told: Any) -> Iterator[Row]:
    """The rows of a key, from what the script says."""
    own = (key.removeprefix(kind.key).encode(),) if kind.is_family else ()
    match kind.form:
        case "stream":
            yield from ((entry, *words) for entry, words in told)
        case "hash":
            yield from sorted(zip(told[::2], told[1::2], strict=True))
        case "sorted":
            yield from ((*own, score, member) for member, score in zip(told[::2], told[1::2], strict=True))
        case "string" if told is not None:
            yield *own, told


def _command(kind: Kind, row: Row) -> tuple[str, tuple[Any, ...]]:
    """The key of a row without the prefix, and the command that writes it there."""
    key = kind.key
    if kind.is_family:
        key, row = key + row[0].decode(), row[1:]
    verb = {"stream": "XADD", "hash": "HSET", "sorted": "ZADD", "string": "SET"}[kind.form]
    return key, (verb, *row)


def _parts(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
