"""
Copies everything that is kept: from Redis to a file, and from a file to an empty Redis.

A service may write during a backup. Events and documents are only added, so they are copied piece by piece.
All else is copied in one step of Redis, which also tells the last event. Then the events up to that one are
added. So the quotes, the history and the orders in the file are those that belonged to its last event.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from ticker import __version__
from ticker.fetch import in_words
from ticker.sealed import Counts, NotSealed, Row, Sealed, Sheet, written
from ticker.store import UNAVAILABLE, LeaseLost, Store, is_refusal
from ticker.store.copies import Staging, fits
from ticker.store.keys import BY_NAME, KINDS, Kind, kind_of

TRIES = 20
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0
"""How often, and how long after the last time, a backup is tried while a service writes all again."""
ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 1 << 20
"""A restore writes so many rows in one step, or so many bytes and the row that exceeds them."""

_SOURCE = re.compile(r'"source":"([^"]+)"')


class BackupFailed(Exception):
    """Nothing was backed up, or nothing was restored. Says why, and what to do."""


# Backup.


async def backup(store: Store, target: Path) -> str:
    """
    Write everything that is kept to a file, which appears when it is complete.

    Returns what it has. Raises BackupFailed, or NotWritten for the file.
    """
    with written(target) as sheet, _redis_may_fail(f"{target} was not written"):
        if _number(version := await store.version()) > _number(__version__):
            raise BackupFailed(
                f"{version} wrote the data, and this is {__version__}: back it up with {version} or later"
            )
        sheet.begin(__version__, datetime.now(UTC).isoformat(timespec="seconds"))
        await _Copying(store, sheet).run()
        counts = sheet.seal()
        if not counts:
            raise BackupFailed(
                "Redis has no data of this service. Check redis.url, redis.data_dir and redis.prefix"
            )
    return f"{target}: {_listed(counts)}"


class _Copying:
    """Copies rows to a file until they belong together."""

    def __init__(self, store: Store, sheet: Sheet) -> None:
        self._store = store
        self._sheet = sheet
        self._begin = sheet.place
        self._epoch = -1

    async def _begin_again(self) -> None:
        self._sheet.back_to(self._begin)
        self._epoch = (await self._store.moment({})).epoch
        self._last = b""
        """The id of the last copied event."""
        self._events = 0
        self._documents: set[bytes] = set()
        """The names of the copied documents."""

    async def run(self) -> None:
        """Copy everything. Raises BackupFailed."""
        await self._begin_again()
        for number in range(TRIES):
            await asyncio.sleep(min(number * PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
            await self._copy_added()
            kinds = await self._kinds()
            moment = await self._store.moment(kinds)
            await self._copy_added(until=moment.last)
            if (self._events, self._epoch) != (moment.length, moment.epoch):
                await self._begin_again()  # events were deleted, or all were written again
            elif await self._kinds() == kinds and not (moment.is_partial and await self._store.led()):
                for kind, row in moment.rows:
                    self._sheet.put(kind, row)
                return
        raise BackupFailed("the service has not finished a large write. Repeat the command in a minute")

    async def _copy_added(self, until: bytes = b"+") -> None:
        """Copy what is new. Documents come first: if some are deleted meanwhile, so are events."""
        async for name, body, about in self._store.papers(but=self._documents):
            self._sheet.put("document", (name, body))
            self._sheet.put("about", (name, about))
            self._documents.add(name)
        async for row in self._store.events(self._last, until):
            self._sheet.put("event", row)
            self._last, self._events = row[0], self._events + 1

    async def _kinds(self) -> dict[str, Kind]:
        """The keys whose rows may change, and the kind of each."""
        found = [(key, kind_of(key)) for key in await self._store.kept()]
        return {key: kind for kind in KINDS if not kind.is_added for key, its in found if its is kind}


# Restore.


@contextmanager
def checked(source: Path) -> Iterator[Sealed]:
    """A backup that is complete, undamaged and not of a newer version. Raises NotSealed."""
    with Sealed.opened(source, fits) as sheet:
        if _number(sheet.version) > _number(__version__):
            raise NotSealed(
                f"{source} is a backup of version {sheet.version}, and this is {__version__}: install "
                f"currency-ticker {sheet.version} or later"
            )
        yield sheet


def label_of(sheet: Sealed) -> str | None:
    """The `label` of the service that was backed up, such as `demo`; None if it had no quotes."""
    quotes = (str(row[-1]) for kind, row in sheet.rows() if kind == "quote")
    sources = (match[1] for match in map(_SOURCE.search, quotes) if match)
    return next((source.rpartition(":")[0] for source in sources), None)


async def restore(store: Store, sheet: Sealed, *, owner: str, seconds: int, alone: bool) -> str:
    """
    Write a backup to a Redis that has no data of a service, in a new epoch, all of it in one step.

    `owner` and `seconds` are those of the lease, which is taken meanwhile; `alone` says that no other process
    can use this Redis. Returns what was restored. Raises BackupFailed; then nothing was changed.
    """
    with _redis_may_fail("nothing was restored"):
        await _refuse_used(store, alone=alone)
        async with _leased(store, owner, seconds=seconds, alone=alone) as lease, _staging(store) as staging:
            renewed = monotonic()
            for some in _steps(sheet.rows()):
                await staging.put(some)
                if monotonic() - renewed > seconds / 3:
                    await store.renew(lease, seconds=seconds)
                    renewed = monotonic()
            await _complete(store, staging, lease)
    return f"restored {_listed(sheet.counts)}. Start the service: readers get a snapshot"


async def _complete(store: Store, staging: Staging, lease: str) -> None:
    """Carry out the last step, also if the command is stopped meanwhile."""
    step = asyncio.ensure_future(_last_step(store, staging, lease))
    try:
        await asyncio.wait({step})
    except asyncio.CancelledError:
        await asyncio.wait({step})
    error = step.exception()
    if isinstance(error, UNAVAILABLE) and not is_refusal(error):
        raise BackupFailed(
            f"redis did not answer the last step ({in_words(error)}). Repeat the command: if it finds data, "
            "everything was restored"
        )
    step.result()


async def _last_step(store: Store, staging: Staging, lease: str) -> None:
    await staging.commit(lease, now_ms=_now_ms())
    await _if_redis_answers(lambda: store.release(lease))


async def _refuse_used(store: Store, *, alone: bool) -> None:
    """Raise BackupFailed if a process polls on this Redis, or it has data."""
    if not alone and await store.led():
        polling = await store.polls()
        raise BackupFailed(
            f"{polling.owner if polling else 'a process'} polls on this Redis. Stop every service that uses "
            "it, and repeat the command"
        )
    if kept := await store.kept():
        raise BackupFailed(
            f"Redis has data already, such as {store.name_of(kept[0])}. Restore into an empty folder "
            "(redis.data_dir), or under another redis.prefix"
        )


@asynccontextmanager
async def _leased(store: Store, owner: str, *, seconds: int, alone: bool) -> AsyncIterator[str]:
    lease = await store.acquire(owner, seconds=seconds, now_ms=_now_ms(), force=alone)
    if not lease:
        raise BackupFailed("another process started to poll on this Redis. Stop it, and repeat the command")
    async with AsyncExitStack() as after_failure:
        after_failure.push_async_callback(_if_redis_answers, lambda: store.release(lease))
        yield lease
        after_failure.pop_all()


@asynccontextmanager
async def _staging(store: Store) -> AsyncIterator[Staging]:
    """A place for rows, which is emptied after a failure."""
    staging = store.staging()
    async with AsyncExitStack() as after_failure:
        after_failure.push_async_callback(_if_redis_answers, staging.drop)
        yield staging
        after_failure.pop_all()


async def _if_redis_answers(tidy: Callable[[], Awaitable[None]]) -> None:
    with suppress(*UNAVAILABLE):
        await tidy()


def _steps(rows: Iterable[tuple[str, Row]]) -> Iterator[list[tuple[str, Row]]]:
    some: list[tuple[str, Row]] = []
    length = 0
    for kind, row in rows:
        some.append((kind, row))
        length += sum(map(len, row))
        if len(some) >= ROWS_AT_ONCE or length >= BYTES_AT_ONCE:
            yield some
            some, length = [], 0
    yield some


# Words.


@contextmanager
def _redis_may_fail(result: str) -> Iterator[None]:
    try:
        yield
    except LeaseLost:
        raise BackupFailed(f"another process took the right to poll: {result}. Stop it") from None
    except UNAVAILABLE as error:
        what = "refused" if is_refusal(error) else "is unreachable"
        raise BackupFailed(f"redis {what}: {in_words(error)}: {result}") from None


def _listed(counts: Counts) -> str:
    """The counts in words, in the order of the kinds."""
    return ", ".join(f"{kind.words}: {counts[name]}" for name, kind in BY_NAME.items() if counts.get(name))


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
