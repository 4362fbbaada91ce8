"""From the file, the environment and the arguments to the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path as File
from typing import Any

from pydantic import ValidationError

from ticker.config.checks import contradictions
from ticker.config.environment import Secrets, overlay, secrets_given
from ticker.config.faults import ConfigError, Fault, misfits, refusals
from ticker.config.given import Given
from ticker.config.keys import Path
from ticker.config.secrets import secrets_in
from ticker.config.settings import Settings
from ticker.logs import without

Arguments = Mapping[str, tuple[tuple[str, ...], Any]]
"""By the argument's name, `--port`, the key that it replaces and the value."""


def load(
    path: File | None,
    *,
    environment: Mapping[str, str] = os.environ,
    arguments: Arguments | None = None,
    here: bool = False,
) -> Settings:
    """
    Read the file (None: the defaults), then the variables of the environment, then the arguments.

    `here`: whether the settings are to serve on this machine, which must then have their host. Raises
    ConfigError with every fault: the place, the key, what is wrong, and what would be right.
    """
    given = Given.of_file(path) if path else Given()
    words = [fault.words(name) for name, fault in overlay(given, environment)]
    hidden = secrets_given(environment)
    for name, (key, value) in (arguments or {}).items():
        given.put(key, value, name)
    secrets = secrets_in(given.document).union(said for said, _ in hidden.values())
    settings, faults = _judged(given, hidden, here=here)
    words += [fault.words(origin) for origin, fault in sorted(faults, key=_line)]
    if words or settings is None:
        raise ConfigError(without("\n".join(dict.fromkeys(words)), secrets))
    return settings


def _judged(given: Given, hidden: Secrets, *, here: bool) -> tuple[Settings | None, list[tuple[str, Fault]]]:
    """
    The settings, and every fault with its origin.

    A wrong value is removed and the rest is judged again, so that one fault does not hide another.
    """
    found = _Found(given)
    found.add(misfits(given.document))
    for path, (said, variable) in hidden.items():
        given.put(path, said, variable)
    while True:
        try:
            settings = Settings.model_validate(given.document)
        except ValidationError as error:
            if not found.add(refusals(error)):
                return None, found.faults
        else:
            found.add(contradictions(settings, here=here))
            return settings, found.faults


class _Found:
    """The faults so far. A wrong value, and what follows from it, is reported once."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self.faults: list[tuple[str, Fault]] = []
        self.paths: list[Path] = []

    def add(self, faults: Iterable[Fault]) -> bool:
        """Record faults and remove their values from the document; return whether anything was removed."""
        some = list(faults)
        for fault in some:
            path = self._given.original(fault.path)
            if not any(_touch(known, each) for known in self.paths for each in (path, *fault.beside)):
                origin = self._given.where(path, *fault.beside)
                self.faults.append((origin, replace(fault, path=path)))
        self.paths += [self._given.original(fault.path) for fault in some]
        # From the last item of a list to the first: the others keep their places.
        paths = sorted({fault.path for fault in some}, key=_place, reverse=True)
        return any([self._given.drop(path) for path in paths])


def _line(found: tuple[str, Fault]) -> int:
    """The line of the file, for the order of the faults; 0 for a fault that is not in the file."""
    line = re.search(r", line ([0-9]+)$", found[0])
    return int(line[1]) if line else 0


def _touch(one: Path, other: Path) -> bool:
    """Whether one path is the other or below it."""
    return all(mine == theirs for mine, theirs in zip(one, other, strict=False))


def _place(path: Path) -> int:
    return next((part for part in path if isinstance(part, int)), -1)
