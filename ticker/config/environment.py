"""
The variables that replace keys of the file.

`TICKER_SERVER__PORT` is `server.port`, and `TICKER__SYMBOLS` is the key `symbols` outside of any section.
`TICKER_REDIS_URL` is `redis.url`, `TICKER_REDIS_SENTINEL_PASSWORD` the password of the Sentinels, and
`TICKER_<SOURCE>_KEY` the secret key of a source. All others that begin with TICKER_ are ignored: Kubernetes
sets some for a service of that name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from ticker.config.faults import Fault
from ticker.config.given import Given
from ticker.config.keys import ROOT, Kind, Leaf, Node, Table, is_secret, leaves
from ticker.sources import SOURCES

PREFIX, SEPARATOR = "TICKER_", "__"
REDIS_URL = "TICKER_REDIS_URL"
SENTINEL_PASSWORD = "TICKER_REDIS_SENTINEL_PASSWORD"  # noqa: S105 - a name
Secrets = Mapping[tuple[str, ...], tuple[str, str]]
"""Secrets that may not be in a file: by the path of their key, the secret and its variable."""


def variable_of(path: tuple[str, ...]) -> str:
    """The variable that replaces a key."""
    return (PREFIX if len(path) > 1 else "TICKER__") + SEPARATOR.join(path).upper()


def overlay(given: Given, environment: Mapping[str, str]) -> Iterator[tuple[str, Fault]]:
    """Put the variables into the document; give the unusable ones, by name."""
    for name, text in sorted(environment.items()):
        if (
            name.startswith(PREFIX)
            and SEPARATOR in name[len(PREFIX) - 1 :]
            and (fault := _put(given, name, text))
        ):
            yield name, fault
    if url := environment.get(REDIS_URL):
        if environment.get(other := variable_of(("redis", "url"))):
            yield REDIS_URL, Fault((), f"{other} replaces the same key", "Unset one of the two.")
        given.put(("redis", "url"), url, REDIS_URL)


def _put(given: Given, name: str, text: str) -> Fault | None:
    path, node = _find(name)
    if path[:1] == ("sources",) and path[-1] == "key" and len(path) == 3:
        return Fault((), "this secret has another variable", f"Set TICKER_{path[1].upper()}_KEY instead.")
    if path == ("redis", "sentinel_password"):
        return Fault((), "this secret has another variable", f"Set {SENTINEL_PASSWORD} instead.")
    if node is None:
        return Fault((), "no key belongs to this variable", _nearest(name))
    try:
        given.put(path, _value(text, node), name)
    except ValueError:
        shown = "the value" if is_secret(path) else repr(text[:60])
        kind = node if isinstance(node, Leaf) else "a table"
        return Fault(path, f"{shown} is not {kind}", _right(name, node))
    return None


def secrets_given(environment: Mapping[str, str]) -> Secrets:
    """The secret keys of sources, and the password of the Sentinels."""
    variables: dict[tuple[str, ...], str]
    variables = {("sources", key, "key"): variable_of_key(key) for key in SOURCES}
    variables["redis", "sentinel_password"] = SENTINEL_PASSWORD
    return {path: (said, name) for path, name in variables.items() if (said := environment.get(name))}


def variable_of_key(source: str) -> str:
    """The variable with the secret key of a source."""
    return SOURCES[source].key_variable


def _find(name: str) -> tuple[tuple[str, ...], Node | None]:
    """The key of a variable, spelled as in the tree of keys."""
    node: Node | None = ROOT
    path: list[str] = []
    is_top = name.startswith(PREFIX + "_")
    for part in name[len(PREFIX) + is_top :].split(SEPARATOR):
        below = node if isinstance(node, Table) else None
        # Currencies are upper case in the file, and everything else is lower case.
        spelled = part if below and below.each and not below.names else part.lower()
        node = below.get(spelled) if below and part == part.upper() else None
        path.append(spelled)
    is_section = isinstance(node, Table) and not node.each
    misplaced = is_top != (len(path) == 1)
    return tuple(path), None if is_section or misplaced else node


def _value(text: str, node: Node) -> Any:
    """The text as a value of the key's kind. Raises ValueError."""
    if isinstance(node, Leaf) and (node.kind is Kind.TEXT or (node.kind is Kind.POLICY and text.isalpha())):
        return text
    read = tomllib.loads(f"value = {text}", parse_float=Decimal)
    if len(read) != 1:
        raise ValueError(text)
    return read["value"]


def _right(name: str, node: Node) -> str:
    if isinstance(node, Table):
        return f"Write a table of TOML: {name}='{{ KGS = 2.5 }}'."
    examples = {Kind.LIST: """'["one", "two"]'""", Kind.POLICY: """'["nbkr", "cbr"]'""", Kind.FLAG: "true"}
    example = examples.get(node.kind) or (node.default if node.default is not None else "60")
    return f"Write {node}, like {name}={example}."


def _nearest(name: str) -> str:
    names = [variable_of(path) for path, _ in leaves(ROOT) if "*" not in path]
    near = get_close_matches(name, names, n=1, cutoff=0.7)
    form = "TICKER_SERVER__PORT is `server.port`, and TICKER__SYMBOLS is `symbols`."
    return f"Did you mean {near[0]}?" if near else f"Unset it, or name a key: {form}"
