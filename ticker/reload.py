"""Reloads: which keys may change while the service runs, and whether SIGHUP asks for a reload."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ticker.config import ConfigError, Settings
from ticker.rules import enabled_sources

log = logging.getLogger(__name__)

CHANGEABLE = ("symbols", "policy", "limits", "sources", "pegs")


class Reload:
    """Reads the configuration again on request."""

    def __init__(self, read: Callable[[], Settings]) -> None:
        """`read` raises ConfigError."""
        self._read = read
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read the configuration again, soon."""
        self._asked.set()

    async def changes(
        self, settings: Settings, meanwhile: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> AsyncIterator[Settings]:
        """
        The new settings, whenever something in them has changed; without end.

        Each reload happens within `meanwhile`, from the request until the new settings are applied.
        """
        while True:
            await self._asked.wait()
            self._asked.clear()
            with meanwhile():
                settings, is_new = self._changed(settings)
                if is_new:
                    yield settings

    def _changed(self, settings: Settings) -> tuple[Settings, bool]:
        """The settings after one reload, and whether something in them has changed."""
        try:
            wanted = self._read()
            enabled_sources(wanted)
        except ConfigError as error:
            log.error("reload: the new configuration was not applied: %s", error)
            return settings, False
        new, changed, later = merged(settings, wanted)
        if later:
            log.warning("reload: a restart is needed for %s", ", ".join(later))
        if changed or not later:
            log.info("reload: %s", f"changed: {', '.join(changed)}" if changed else "nothing has changed")
        return new, bool(changed)


def merged(settings: Settings, wanted: Settings) -> tuple[Settings, list[str], list[str]]:
    """The new settings, the keys that have changed in them, and the keys that need a restart."""
    new = settings.model_copy(update={name: getattr(wanted, name) for name in CHANGEABLE})
    limits = new.limits.model_copy(update={"head_bytes": settings.limits.head_bytes})
    new = new.model_copy(update={"limits": limits})
    return new, list(_differences(settings, new)), list(_differences(new, wanted))


def _differences(one: Settings, other: Settings) -> Iterator[str]:
    return _compared(one.model_dump(), other.model_dump(), "")


def _compared(one: Any, other: Any, name: str) -> Iterator[str]:
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        if one != other:
            yield name
        return
    for key in dict.fromkeys((*one, *other)):
        yield from _compared(one.get(key), other.get(key), f"{name}.{key}" if name else str(key))


def has_terminal() -> bool:
    """Whether this process has a terminal. SIGHUP then means that the terminal is gone."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
