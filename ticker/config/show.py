"""`ticker config show` and `check`: the settings as a file, and the keys that are new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ticker.config.environment import REDIS_URL, variable_of, variable_of_key
from ticker.config.keys import ROOT, SINCE, Leaf, Table, is_secret
from ticker.config.secrets import bare
from ticker.config.settings import Settings, SourceSettings
from ticker.sources import SOURCES


def shown(settings: Settings) -> str:
    """
    The settings as a file that can be loaded, with every key.

    A value with a secret is commented out, with the name of the variable that must hold it.
    """
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    values["sources"] = {key: _source(settings, key) for key in SOURCES}
    return "\n".join(_section(values, ROOT, ())).strip() + "\n"


def _source(settings: Settings, key: str) -> SourceSettings:
    """The settings of a source, with the source's own values where nothing is set."""
    said, own = settings.source(key), SOURCES[key]
    return said.model_copy(
        update={
            "enabled": own.enabled if said.enabled is None else said.enabled,
            "interval_seconds": said.interval_seconds or own.interval_seconds,
        }
    )


def _section(values: Any, table: Table, path: tuple[str, ...]) -> Iterator[str]:
    """A section: first its own keys, then its sections."""
    below = values if isinstance(values, Mapping) else dict(values)
    nodes = {name: node for name in below if (node := table.get(name))}
    own = {name: node for name, node in nodes.items() if isinstance(node, Leaf)}
    if path and (own or not nodes):
        yield f"\n[{'.'.join(path)}]"
    for name in own:
        yield _line((*path, name), below[name])
    if isinstance(values, SourceSettings) and values.key.get_secret_value():
        yield f"# key is a secret. Set {variable_of_key(path[-1])}."
    for name, node in nodes.items():
        if isinstance(node, Table):
            yield from _section(below[name], node, (*path, name))


def _line(path: tuple[str, ...], value: Any) -> str:
    hidden = bare(value) if is_secret(path) and isinstance(value, str) else None
    if hidden is None:
        return f"{path[-1]} = {toml(value)}"
    variable = REDIS_URL if path == ("redis", "url") else variable_of(path)
    return f"# {path[-1]} = {toml(hidden)} has a secret. Set {variable}."


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float | date):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def new_since(version: str) -> list[str]:
    """The keys that were added after this version, oldest first."""
    later = [(_number(since), key) for key, since in SINCE.items() if _number(since) > _number(version)]
    return [f"`{key}` ({'.'.join(map(str, number))})" for number, key in sorted(later)]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
