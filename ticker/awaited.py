"""Why a symbol has no quote yet, in words for readers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ticker.board import Polling
from ticker.rates.model import Pair
from ticker.rates.policy import Rule
from ticker.rates.source import Outcome, Source

LONGEST = 160
"""The longest reason in characters: an error can be long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What Redis says about the polling."""

    sources: Mapping[str, Source]
    """The enabled sources, by key."""
    outcomes: Mapping[str, Outcome]
    polling: Polling | None
    """The process that polls; None if none ever did."""
    label: str = ""
    """The prefix of the names of all sources, such as `demo:`."""


def reason(rule: Rule, known: Known) -> str:
    """Why the symbol of a rule has no quote yet: one sentence without a full stop."""
    source = None if rule.peg else _first(rule, known.sources)
    if not rule.peg and not source:
        return "No enabled source lists this pair"
    if known.polling is None:
        return "No process has polled yet"
    if str(rule.symbol) in known.polling.holds:
        return "An operator has put it on hold"
    if not source:
        return "The fixed rate has not been published yet"
    outcome = known.outcomes.get(source.key) or Outcome(source=source.key)
    return _of(known.label + source.short, outcome, rule.symbol)[:LONGEST]


def _first(rule: Rule, polled: Mapping[str, Source]) -> Source | None:
    """The first source, in the order of the rule, that may have the symbol."""
    asked = (polled[key] for key in (*rule.chain, *rule.panel) if key in polled)
    return next((source for source in asked if source.may_have(rule.symbol)), None)


def _of(name: str, outcome: Outcome, symbol: Pair) -> str:
    """The state of a source, with regard to the symbol."""
    for words in outcome.held:
        if words.startswith(f"{symbol} of "):
            return f"{name}'s rate {words.removeprefix(f'{symbol} ').partition('; `ticker ')[0]}"
    if outcome.failures:
        return f"{name} has not answered yet: {outcome.fault}"
    if outcome.checked_at is None:
        return f"{name} has not been asked yet"
    return f"{name} has answered, but its rate can't be shown yet"
