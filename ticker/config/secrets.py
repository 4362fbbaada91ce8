"""The secrets of a configuration, which no log, no answer and no error may show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from ticker.config.keys import Path, is_secret
from ticker.config.settings import Settings

SHORTEST = 4
"""Shorter parts of an address are not treated as secrets: otherwise a log would lose every `a`."""
_USER = re.compile(r"//(?P<user>.*)@", re.DOTALL)
_PARAMETER = re.compile(r"[?&][^=&]*(?:password|secret|token|key)[^=&]*=(?P<value>[^&#]*)", re.IGNORECASE)
_SIGNS = re.compile(r"[/?#@\[\]]")


def secrets_in(document: Mapping[str, Any], path: Path = ()) -> frozenset[str]:
    """Every secret of a document or of dumped settings, also as it is encoded in an address."""
    return frozenset(_found(document, path))


def secrets_of(settings: Settings) -> frozenset[str]:
    """Every secret of the settings."""
    keys = {key: {"key": source.key} for key, source in settings.sources.items()}
    hidden = {"sources": keys, "redis": {"sentinel_password": settings.redis.sentinel_password}}
    return secrets_in(settings.model_dump()) | secrets_in(hidden)


def secrets_around(environment: Mapping[str, str]) -> frozenset[str]:
    """Every secret in our variables, and in those that name a proxy."""
    found: set[str] = set()
    for name, text in environment.items():
        if name.lower().endswith("_proxy") or (name.startswith("TICKER_") and "//" in text):
            found.update(of_address(text))
        elif name.startswith("TICKER_") and ("PASSWORD" in name or name.endswith("_KEY")):
            found.update(_whole(text))
    return frozenset(found)


def _found(value: object, path: Path) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _found(below, (*path, name))
    elif isinstance(value, SecretStr):
        yield from _whole(value.get_secret_value())
    elif isinstance(value, str) and is_secret(path):
        yield from of_address(value) if "//" in value else _whole(value) if _is_plain(path) else ()


def _is_plain(path: Path) -> bool:
    """Whether the whole value is the secret. Otherwise it is an address that may contain one."""
    return path[-1] == "key" or "password" in str(path[-1])


def of_address(address: str) -> Iterator[str]:
    """
    The password of an address, or its user's name if it has none.

    An error message may cut a wrong address at any sign, so each part counts as a secret.
    """
    if found := _USER.search(address):
        user, colon, password = found["user"].partition(":")
        yield from _whole(password if colon else user)
    for found in _PARAMETER.finditer(address):
        yield from _whole(found["value"])


def bare(address: str) -> str | None:
    """An address with `***` for its password, however short; None if it has none."""
    user = _USER.search(address)
    hidden = _PARAMETER.sub(lambda found: found[0].replace(found["value"], "***"), address)
    if user:
        name, colon, _ = user["user"].partition(":")
        hidden = hidden.replace(user["user"], f"{name}:***" if colon else "***", 1)
    return hidden if hidden != address else None


def _whole(secret: str) -> Iterator[str]:
    for text in (secret, unquote(secret)):
        yield from (part for part in (text, *_SIGNS.split(text)) if len(part) >= SHORTEST)
