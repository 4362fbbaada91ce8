"""All sources, by key. A new one is a file beside this one and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from ticker.rates.source import MalformedFeed, Source

# In the order in which they are listed everywhere, and in which aggregators follow each other.
_KEYS = (
    "nbkr",
    "nbk",
    "nbt",
    "cbu",
    "cbt",
    "cbr",
    "fawazahmed0",
    "frankfurter",
    "erapi",
    "floatrates",
    "openexchangerates",
)

SOURCES: Mapping[str, Source] = MappingProxyType(
    {key: import_module(f"ticker.sources.{key}").SOURCE for key in _KEYS}
)

__all__ = ["SOURCES", "MalformedFeed"]
