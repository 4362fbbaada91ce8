"""The sources that we know, by key. A new one is a file beside this one and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ticker.rates.source import MalformedFeed, Source
from ticker.sources import (
    cbr,
    cbt,
    cbu,
    erapi,
    fawazahmed0,
    floatrates,
    frankfurter,
    nbk,
    nbkr,
    nbt,
    openexchangerates,
)

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "nbkr": nbkr.SOURCE,
        "nbk": nbk.SOURCE,
        "nbt": nbt.SOURCE,
        "cbu": cbu.SOURCE,
        "cbt": cbt.SOURCE,
        "cbr": cbr.SOURCE,
        "fawazahmed0": fawazahmed0.SOURCE,
        "frankfurter": frankfurter.SOURCE,
        "erapi": erapi.SOURCE,
        "floatrates": floatrates.SOURCE,
        "openexchangerates": openexchangerates.SOURCE,
    }
)

__all__ = ["SOURCES", "MalformedFeed"]
