"""What follows from the configuration: who is asked, and whose word the value of a symbol is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ticker.config import ConfigError, GuardSettings, Policy, Settings, SourceSettings
from ticker.rates.desk import Desk
from ticker.rates.model import Pair, Quote, Rate
from ticker.rates.policy import Rule
from ticker.rates.tables import tables_of
from ticker.rules import all_sources, enabled_sources, new_desk, rule, without_source
from ticker.sources import SOURCES

ENABLED = tuple(key for key, source in SOURCES.items() if source.enabled)
MARKET = tuple(key for key in ENABLED if SOURCES[key].kind == "market")
"""The aggregators that are polled when nothing is said, in their order."""
TUESDAY = date(2026, 5, 19)
NOON = datetime(2026, 5, 19, 6, tzinfo=UTC)


def settings(*symbols: str, **enabled: bool) -> Settings:
    sources = {key: SourceSettings(enabled=said) for key, said in enabled.items()}
    return Settings(symbols=tuple(map(Pair.parse, symbols)) or Settings().symbols, sources=sources)


def rule_of(text: str, **said: Any) -> Rule:
    symbol = Pair.parse(text)
    stated = Settings.model_validate({"symbols": [text], **said})
    return rule(symbol, stated, enabled_sources(stated))


# Who is asked.


def test_a_source_is_polled_by_its_own_default_or_by_the_configuration() -> None:
    other = {*ENABLED, "cbt", "erapi"} - {"cbr"}

    assert [each.key for each in enabled_sources(settings())] == list(ENABLED)
    assert [each.key for each in enabled_sources(settings(cbt=True, cbr=False, erapi=True))] == [
        key for key in SOURCES if key in other
    ]


def test_a_source_with_a_key_is_refused_without_one_in_words() -> None:
    words = "`sources.openexchangerates`: this source needs a key. Set TICKER_OPENEXCHANGERATES_KEY."

    with pytest.raises(ConfigError, match=words):
        enabled_sources(settings(openexchangerates=True))


def test_a_source_with_a_key_is_polled_when_it_is_enabled() -> None:
    keyed: dict[str, Any] = {"key": "an operator's own"}

    idle = Settings(sources={"openexchangerates": SourceSettings(**keyed)})
    enabled = Settings(sources={"openexchangerates": SourceSettings(enabled=True, **keyed)})

    assert "openexchangerates" not in {each.key for each in enabled_sources(idle)}
    assert "openexchangerates" in {each.key for each in enabled_sources(enabled)}


def test_a_closed_day_is_a_day_without_a_publication() -> None:
    closed = Settings(sources={"nbkr": SourceSettings(closed_days=(TUESDAY,))})

    own, told = SOURCES["nbkr"].calendar, all_sources(closed)["nbkr"].calendar

    assert (own.works(TUESDAY), told.works(TUESDAY)) == (True, False)
    assert all_sources(closed)["nbk"] is SOURCES["nbk"]


# Whose word it is.


@pytest.mark.parametrize(
    ("symbol", "chain", "authorities"),
    [
        ("KGS", ("nbkr", "cbr"), {"nbkr"}),
        ("KZT", ("nbk", "cbr"), {"nbk"}),
        ("TJS", ("nbt", "cbr"), {"nbt"}),
        ("UZS", ("cbu", "cbr"), {"cbu"}),
        ("USD/KGS", ("nbkr", "cbr"), {"nbkr"}),
        ("XDR/KGS", ("nbkr", "cbr"), {"nbkr"}),
        ("KGS/UZS", ("nbkr", "cbu", "cbr"), {"nbkr", "cbu"}),
        # No central bank sets it, so the Bank of Russia's cross is the value.
        ("XDR/USD", ("cbr",), {"cbr"}),
        ("RUB", ("cbr",), {"cbr"}),
        ("TMT", ("cbt", "cbr"), {"cbt"}),
        ("USD/TMT", ("cbt", "cbr"), {"cbt"}),
    ],
)
def test_the_official_word_is_the_central_banks_of_the_base_then_of_the_quote(
    symbol: str, chain: tuple[str, ...], authorities: set[str]
) -> None:
    made = rule_of(symbol)

    assert (made.symbol, made.chain, made.authorities) == (Pair.parse(symbol), chain, authorities)
    assert made.panel == MARKET


def test_the_market_is_the_aggregators_that_are_polled() -> None:
    first, second, *others = MARKET
    made = rule_of("KGS", policy="market", sources={first: {"enabled": False}})

    assert (made.chain, made.authorities) == ((second, *others), {second})
    assert (made.panel, made.peg) == ((), None)


def test_a_list_is_its_own_order_and_its_first_is_the_authority() -> None:
    made = rule_of("KGS", policy=["cbr", "nbkr", "cbr"])

    assert (made.chain, made.authorities) == (("cbr", "nbkr"), {"cbr"})
    assert made.panel == ()


def test_every_symbol_may_have_a_policy_of_its_own() -> None:
    policies: dict[str, Policy] = {"KZT": "market", "TJS/USD": ("cbr",)}
    mixed = Settings(policy=policies)

    chains = {str(each): rule(each, mixed, enabled_sources(mixed)).chain for each in mixed.symbols}

    assert chains == {
        "KGS/USD": ("nbkr", "cbr"),
        "KZT/USD": MARKET,
        "TJS/USD": ("cbr",),
        "UZS/USD": ("cbu", "cbr"),
        "TMT/USD": ("cbt", "cbr"),
    }


# Pegs and limits.


@pytest.mark.parametrize("symbol", ["TMT", "USD/TMT"])
def test_the_manat_is_pegged_either_way_round(symbol: str) -> None:
    peg = rule_of(symbol).peg

    assert peg == Rate(
        source="peg", pair=Pair("USD", "TMT"), value=Decimal("3.5"), nominal=1, as_of=date(2015, 1, 1)
    )


@pytest.mark.parametrize(
    ("symbol", "said"),
    [("EUR/TMT", {}), ("KGS", {}), ("TMT", {"policy": "market"}), ("TMT", {"pegs": {}})],
)
def test_nothing_else_is_pegged(symbol: str, said: Mapping[str, Any]) -> None:
    assert rule_of(symbol, **said).peg is None


def test_a_band_is_in_units_of_the_base_whichever_that_is() -> None:
    bands = {"KGS": (Decimal(80), Decimal(100))}

    straight = rule_of("KGS", guard=GuardSettings(bands=bands))
    turned = rule_of("USD/KGS", guard=GuardSettings(bands=bands))
    cross = rule_of("EUR/KGS", guard=GuardSettings(bands=bands))

    assert straight.band == (Decimal(80), Decimal(100))
    assert turned.band == (Decimal("0.01"), Decimal("0.0125"))
    assert cross.band is None


@pytest.mark.parametrize(
    ("symbol", "expected"), [("KGS", "0.015"), ("KZT", "0.025"), ("USD/KZT", "0.025"), ("KGS/KZT", "0.025")]
)
def test_the_tolerance_is_that_of_the_wider_currency(symbol: str, expected: str) -> None:
    assert rule_of(symbol).tolerance == Decimal(expected)


def test_a_tolerance_may_be_narrower_than_the_usual_one() -> None:
    narrow = GuardSettings(tolerances={"TJS": Decimal("0.5")})

    assert rule_of("TJS", guard=narrow).tolerance == Decimal("0.005")


# The board.


def nbkr_says(figure: str, day: date = TUESDAY) -> list[Rate]:
    return [
        Rate(source="nbkr", pair=Pair("USD", "KGS"), value=Decimal(figure), nominal=1, as_of=day),
    ]


def test_the_desk_has_the_limits_and_the_label_of_the_settings() -> None:
    said = Settings(label="demo", guard=GuardSettings(bands={"KGS": (Decimal(60), Decimal(70))}))
    desk = new_desk(said, enabled_sources(said))

    quotes = hear(desk, nbkr_says("87.4500"))
    doubted = desk.unconfirmed("nbkr")

    assert [quote.source for quote in quotes if quote.symbol == Pair.parse("KGS")] == []
    assert [str(symbol) for _, symbol in doubted] == ["KGS/USD"]
    desk.waited("nbkr", now=NOON)
    accepted = desk.confirm(Pair.parse("KGS"), now=NOON)[0]
    assert [(str(each.symbol), each.source) for each in accepted] == [("KGS/USD", "demo:nbkr")]


def hear(desk: Desk, rates: list[Rate]) -> list[Quote]:
    return desk.hear(tables_of(rates), source=rates[0].source, asked=TUESDAY, now=NOON)


def test_the_desk_waits_for_nobody_who_is_not_polled() -> None:
    said = settings("KGS", nbkr=False)
    rates = [
        Rate(source="cbr", pair=Pair(code, "RUB"), value=Decimal(value), nominal=100, as_of=TUESDAY)
        for code, value in (("KGS", "88.2534"), ("USD", "7717.70"))
    ]
    with_the_bank = new_desk(settings("KGS"), enabled_sources(settings("KGS")))
    without = new_desk(said, enabled_sources(said))
    for desk in (with_the_bank, without):
        hear(desk, rates)
        desk.waited("cbr", now=NOON)

    assert with_the_bank.quotes == {}
    assert [each.source for each in without.quotes.values()] == ["cbr"]


# Symbols that nobody has.


def test_a_symbol_that_nobody_is_polled_for_is_known_beforehand() -> None:
    lonely = settings(cbu=False, cbr=False, **dict.fromkeys(MARKET, False))

    found = without_source(lonely.symbols, lonely, enabled_sources(lonely))

    assert found == [Pair("UZS", "USD")]  # the manat has its peg


def test_a_source_that_does_not_list_a_currency_is_nobody_for_it() -> None:
    # NBKR's daily table has no pound; CBR's has, and so have the aggregators.
    nobody = settings("GBP/KGS", "EUR/KGS", cbr=False, **dict.fromkeys(MARKET, False))
    somebody = settings("GBP/KGS", "EUR/KGS", **dict.fromkeys(MARKET, False))

    found = without_source(nobody.symbols, nobody, enabled_sources(nobody))

    assert found == [Pair("GBP", "KGS")]
    assert without_source(somebody.symbols, somebody, enabled_sources(somebody)) == []


def test_the_aggregators_are_somebody() -> None:
    market = settings(cbu=False, cbr=False)

    assert without_source(market.symbols, market, enabled_sources(market)) == []


def test_a_market_without_an_aggregator_is_nobody() -> None:
    nobody = settings("KGS", **dict.fromkeys(MARKET, False)).model_copy(update={"policy": "market"})

    assert without_source(nobody.symbols, nobody, enabled_sources(nobody)) == [Pair("KGS", "USD")]
