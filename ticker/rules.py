"""From the settings to the polled sources and to the rule of every symbol. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from ticker.config import ConfigError, GuardSettings, Settings
from ticker.rates.desk import Desk
from ticker.rates.guard import Guard
from ticker.rates.model import EXACT, Pair, Rate
from ticker.rates.policy import Rule
from ticker.rates.source import Source
from ticker.sources import SOURCES

STAND_INS = ("cbr",)
"""The fallbacks of an authority, in this order."""


def all_sources(settings: Settings) -> dict[str, Source]:
    """Every source, with the closures of the settings."""
    return {key: _with_closures(source, settings) for key, source in SOURCES.items()}


def _with_closures(source: Source, settings: Settings) -> Source:
    closed = frozenset(settings.source(source.key).closed_days)
    return replace(source, calendar=replace(source.calendar, closed=closed)) if closed else source


def enabled_sources(settings: Settings) -> tuple[Source, ...]:
    """The sources to poll. Raises ConfigError for one without the key that it requires."""
    chosen = []
    for source in all_sources(settings).values():
        said = settings.source(source.key)
        if not (source.enabled if said.enabled is None else said.enabled):
            continue
        if source.needs_key and not said.key.get_secret_value():
            raise ConfigError(f"`sources.{source.key}`: this source needs a key. Set {source.key_variable}.")
        chosen.append(source)
    return tuple(chosen)


def new_desk(settings: Settings, sources: Iterable[Source]) -> Desk:
    """An empty desk with the rules of every symbol."""
    limits, polled = settings.guard, tuple(sources)
    return Desk(
        [rule(symbol, settings, polled) for symbol in settings.symbols],
        sources=all_sources(settings),
        guard=Guard(
            jump=limits.jump_percent / 100,
            human=limits.human_percent / 100,
            repeat=timedelta(minutes=limits.repeat_minutes),
        ),
        history_days=settings.history.days,
        label=settings.label,
        absent=set(SOURCES) - {source.key for source in polled},
    )


def rule(symbol: Pair, settings: Settings, polled: Iterable[Source]) -> Rule:
    """
    The rule of a symbol: which sources provide its value, by its policy.

    `official`: the central bank of its base, then that of its quote. The fallbacks are the Bank of Russia and
    the middle one of the aggregators. `market`: the first aggregator, then the others. A list: its own order.
    """
    banks, market = _banks_of(symbol), tuple(each.key for each in polled if each.kind == "market")
    policy, limits = settings.policy_of(symbol), settings.guard
    if policy == "official":
        chain = _distinct((*banks, *STAND_INS))
    elif policy == "market":
        chain = market
    else:
        chain = _distinct(policy)
    return Rule(
        symbol=symbol,
        chain=chain,
        authorities=frozenset((policy == "official" and banks) or chain[:1]),
        panel=market if policy == "official" else (),
        band=_band(symbol, limits.bands),
        tolerance=_tolerance(symbol, limits) / 100,
        peg=_peg(symbol, settings) if policy == "official" else None,
    )


def _tolerance(symbol: Pair, limits: GuardSettings) -> Decimal:
    """The widest tolerance that the settings name for its currencies, else the general one."""
    named = [limits.tolerances[code] for code in _codes(symbol) if code in limits.tolerances]
    return max(named, default=limits.tolerance_percent)


def _codes(symbol: Pair) -> tuple[str, str]:
    return symbol.base, symbol.quote


def _distinct(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(keys))


def _banks_of(symbol: Pair) -> tuple[str, ...]:
    """The central banks of both currencies. A bank that takes its crosses from other banks comes last."""
    banks = {source.authority_for: source for source in SOURCES.values() if source.authority_for}
    both = [banks[code] for code in _codes(symbol) if code in banks]
    return tuple(source.key for source in sorted(both, key=lambda each: each.follows_banks))


def _band(symbol: Pair, bands: Mapping[str, tuple[Decimal, Decimal]]) -> tuple[Decimal, Decimal] | None:
    """The band in units of base per one quote; the settings have units per dollar."""
    if symbol.quote == "USD":
        return bands.get(symbol.base)
    if symbol.base == "USD" and (band := bands.get(symbol.quote)):
        return EXACT.divide(Decimal(1), band[1]), EXACT.divide(Decimal(1), band[0])
    return None


def _peg(symbol: Pair, settings: Settings) -> Rate | None:
    """The fixed rate of a symbol, or of its reverse."""
    for code, peg in settings.pegs.items():
        if {code, "USD"} == set(_codes(symbol)):
            pair = Pair("USD", code)
            return Rate(source="peg", pair=pair, value=peg.units_per_usd, nominal=1, as_of=peg.since)
    return None


def without_source(symbols: Iterable[Pair], settings: Settings, polled: Iterable[Source]) -> list[Pair]:
    """The symbols without a quote, because no polled source lists both of their currencies."""
    sources = {source.key: source for source in polled}
    rules = [rule(symbol, settings, sources.values()) for symbol in symbols]
    return [each.symbol for each in rules if not each.peg and not _has_source(each, sources)]


def _has_source(rule: Rule, polled: Mapping[str, Source]) -> bool:
    asked = (polled[key] for key in (*rule.chain, *rule.panel) if key in polled)
    return any(source.may_have(rule.symbol) for source in asked)
