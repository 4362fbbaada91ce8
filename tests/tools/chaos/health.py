"""Whether `/health` was right, by one who knows what was broken; and who asks it all the time."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

EVERY_SECONDS = 0.2
PATIENCE_SECONDS = 6.0
"""How long an answer may take. The service itself waits up to two seconds for each answer of Redis."""

LONG_SECONDS = 3.0
"""Within so long an answer has to come."""


@dataclass(frozen=True, slots=True)
class Look:
    """One question to `/health` of a service, and its answer."""

    began: float
    ended: float
    code: int = 0
    """The status of HTTP; 0 if no answer came."""
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """`pass`, `warn` or `fail`; `silent` without an answer."""
        return str(self.body.get("status", "silent"))

    @property
    def notes(self) -> list[str]:
        return list(self.body.get("notes", ()))

    @property
    def is_well(self) -> bool:
        return self.code == 200 and self.status == "pass"


@dataclass(frozen=True, slots=True)
class Says:
    """What a service has to answer while something is broken."""

    status: Literal["pass", "warn", "fail", "silent", "any"]
    words: str = ""
    """What one of the notes begins with, as a pattern."""

    def wrong(self, look: Look) -> str:
        """What is wrong with an answer, in words; empty if nothing is."""
        if self.status == "any":
            return ""
        if look.status != self.status:
            return f"{look.status} {look.notes}, where {self.status} was due ({self.words})"
        if self.words and not any(re.match(self.words, note) for note in look.notes):
            return f"no note says {self.words!r}: {look.notes}"
        return ""


PASS, SILENT, ANY = Says("pass"), Says("silent"), Says("any")


def contradictions(look: Look) -> Iterator[str]:
    """What is wrong with an answer whatever is broken."""
    if not look.code:
        return
    if look.code not in (200, 503) or (look.code == 503) != (look.status == "fail"):
        yield f"{look.code} with {look.status}"
    if (look.status == "pass") != (not look.notes):
        yield f"{look.status} with the notes {look.notes}"
    statuses = set(look.body.get("quotes", {}).values())
    if (look.status == "fail") != statuses.isdisjoint({"live", "fallback"}):
        yield f"{look.status} with the quotes {look.body.get('quotes')}"


def window_faults(looks: Iterable[Look], says: Says, *, start: float, end: float) -> list[str]:
    """What was wrong with the answers that were asked for and given from `start` to `end`."""
    inside = [look for look in looks if start <= look.began and look.ended <= end]
    if not inside and says.status not in ("any", "silent") and end - start > LONG_SECONDS:
        return [f"no answer, where {says.status} was due ({says.words})"]
    return [f"{look.began - start:.1f} s in: {words}" for look in inside if (words := says.wrong(look))]


class Watch:
    """Asks `/health` of every service all the time, and keeps the answers."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        """`addresses` are those of the services by their names."""
        self.looks: dict[str, list[Look]] = {name: [] for name in addresses}
        self._addresses = addresses

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Ask until the block ends."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask_on(name)) for name in self._addresses]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _ask_on(self, name: str) -> None:
        while True:
            self.looks[name].append(await ask(self._addresses[name]))
            await asyncio.sleep(EVERY_SECONDS)

    def since(self, began: float) -> dict[str, list[Look]]:
        """The answers to what was asked from then on."""
        return {name: [look for look in looks if look.began >= began] for name, looks in self.looks.items()}


async def ask(address: str) -> Look:
    """What a service answers, or that it does not. By the connection the kernel chooses the worker."""
    began, timeout = time.monotonic(), aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{address}health") as answer,
        ):
            body = json.loads(await answer.read())
    except (aiohttp.ClientError, OSError, TimeoutError):
        return Look(began, time.monotonic())
    return Look(began, time.monotonic(), answer.status, body)
