"""What is built from the configuration: who is asked, and whose word a symbol's value is."""

from __future__ import annotations

import pytest

from ticker import app
from ticker.config import Settings, SourceSettings
from ticker.model import Pair


def settings(*symbols: str, **enabled: bool) -> Settings:
    sources = {key: SourceSettings(enabled=said) for key, said in enabled.items()}
    return Settings(symbols=tuple(map(Pair.parse, symbols)) or Settings().symbols, sources=sources)


@pytest.mark.parametrize(
    ("symbol", "chain"),
    [
        ("KGS", ("nbkr", "cbr")),
        ("KZT", ("nbk", "cbr")),
        ("TJS", ("nbt", "cbr")),
        ("UZS", ("cbu", "cbr")),
        ("EUR/KGS", ("nbkr", "cbr")),
        ("KGS/UZS", ("nbkr", "cbr")),
        ("EUR/USD", ("cbr",)),
    ],
)
def test_the_authority_is_the_central_bank_of_the_base_else_of_the_quote(
    symbol: str, chain: tuple[str, ...]
) -> None:
    assert app.rule(Pair.parse(symbol), Settings()).chain == chain


def test_the_manat_is_pegged() -> None:
    rule = app.rule(Pair.parse("TMT"), Settings())

    assert rule.peg is not None
    assert (str(rule.peg.mid), str(rule.peg.pair)) == ("3.5", "USD/TMT")


def test_a_source_is_polled_by_its_own_default_or_by_the_configuration() -> None:
    assert [source.key for source in app.enabled_sources(settings())] == ["nbkr", "nbk", "nbt", "cbu", "cbr"]
    assert [source.key for source in app.enabled_sources(settings(cbt=True, cbr=False))] == [
        *("nbkr", "nbk", "nbt", "cbu", "cbt")
    ]


def test_a_symbol_that_nobody_is_polled_for_is_known_beforehand() -> None:
    lonely = settings(cbu=False, cbr=False)

    found = app.without_source(lonely.symbols, lonely, app.enabled_sources(lonely))

    assert found == [Pair("UZS", "USD")]
