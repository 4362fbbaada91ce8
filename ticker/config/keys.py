"""Every key of the configuration as a tree: its kind, its range and its default."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from ticker.config.settings import Settings
from ticker.sources import SOURCES

Path = tuple[str | int, ...]
"""The keys that lead to a value, and the positions in lists, from 0."""

SINCE: Mapping[str, str] = {
    "poll.proxy": "0.2.0",
    "redis.read_url": "0.2.0",
    "redis.sentinel_username": "0.2.0",
    "server.lame_seconds": "0.2.0",
    "server.public_url": "0.2.0",
}
"""The version that added a key, by the dotted name of the key. The keys of 0.1.0 are not here."""


class Kind(Enum):
    """The kind of a key's value, in words."""

    WHOLE = "a whole number"
    NUMBER = "a number"
    TEXT = "text"
    FLAG = "true or false"
    DAY = "a date"
    LIST = "a list"
    POLICY = "a policy"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A key with a value."""

    kind: Kind
    default: Any = None
    limits: str = ""
    """Its range in words, `from 0 to 65535`."""
    item: Leaf | None = None
    """The items of a list."""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.limits}".strip()


@dataclass(frozen=True, slots=True)
class Table:
    """A section: its own keys, or the same keys under every permitted name."""

    keys: Mapping[str, Node]
    each: Node | None = None
    names: tuple[str, ...] = ()
    """The permitted names; empty: any currency."""

    def get(self, name: str) -> Node | None:
        """The node under this name, if the name is permitted."""
        return self.each if self.each and (name in self.names or not self.names) else self.keys.get(name)


Node = Leaf | Table


def is_secret(path: Path) -> bool:
    """Whether the value of a key may hold a password."""
    name = str(path[-1]) if path else ""
    return name in ("url", "read_url", "base_url", "proxy", "key") or "password" in name


def dotted(path: Path) -> str:
    """`server.port`, without positions in lists."""
    return ".".join(part for part in path if isinstance(part, str))


def named(path: Path) -> str:
    """The key in words, with its position in a list: ``symbols`, item 2`."""
    text = dotted(path)
    items = [str(part + 1) for part in path if isinstance(part, int)]
    return f"`{text}`, item {items[0]}" if items else f"`{text}`"


def leaves(table: Table, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Every key that has a fixed name or belongs to a source; a table of currencies has the name `*`."""
    below = {**table.keys, **dict.fromkeys(table.names or ("*",) if table.each else (), table.each)}
    for name, node in below.items():
        if isinstance(node, Table):
            yield from leaves(node, (*above, name))
        elif node:
            yield (*above, name), node


def _table(
    model: type[BaseModel], *, hidden: frozenset[str] = frozenset({"key", "sentinel_password"})
) -> Table:
    fields = model.model_fields.items()
    return Table({name: _node(name, field) for name, field in fields if name not in hidden})


def _node(name: str, field: FieldInfo) -> Node:
    default = None if field.is_required() else field.default
    if name == "policy":
        return Leaf(Kind.POLICY, default)
    if name == "sources":
        return Table({}, _read(get_args(field.annotation)[1], None, []), tuple(SOURCES))
    return _read(field.annotation, default, field.metadata)


def _read(annotation: Any, default: Any, metadata: list[Any]) -> Node:
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        return _read(annotation, default, [*metadata, *more])
    if get_origin(annotation) in (types.UnionType, Union) and type(None) in get_args(annotation):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
        return _read(annotation, default, metadata)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _table(annotation)
    if get_origin(annotation) is dict:
        return Table({}, _read(get_args(annotation)[1], None, []))
    if get_origin(annotation) is tuple:
        item = _read(get_args(annotation)[0], None, [])
        return Leaf(Kind.LIST, default, item=item if isinstance(item, Leaf) else None)
    kind = _KINDS.get(annotation, Kind.TEXT)
    return Leaf(kind, default, _limits(metadata) if kind in (Kind.WHOLE, Kind.NUMBER) else "")


_KINDS: Mapping[Any, Kind] = {
    bool: Kind.FLAG,
    int: Kind.WHOLE,
    float: Kind.NUMBER,
    Decimal: Kind.NUMBER,
    date: Kind.DAY,
    str: Kind.TEXT,
    SecretStr: Kind.TEXT,
}


def _limits(metadata: list[Any]) -> str:
    flat = [each for one in metadata for each in (one.metadata if isinstance(one, FieldInfo) else [one])]
    words = [_limit(each) for each in flat]
    joined = " ".join(sorted(filter(None, words), key=lambda word: word.startswith(("to", "below"))))
    return joined.replace(" to ", " and up to ") if joined.startswith("above") else joined


def _limit(each: Any) -> str:
    match each:
        case Ge(ge=low):
            return f"from {low}"
        case Gt(gt=low):
            return f"above {low}"
        case Le(le=high):
            return f"to {high}"
        case Lt(lt=high):
            return f"below {high}"
    return ""


ROOT = _table(Settings)
