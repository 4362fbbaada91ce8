"""The names of currencies: all that a source lists, in each language, as the generator writes them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from tests.tools import names
from ticker import assets
from ticker.rates.source import MalformedFeed
from ticker.sources import SOURCES

PAYLOADS = Path(__file__).parent / "payloads"
LANGUAGES = sorted(assets.languages())


def nameless(codes: set[str]) -> set[tuple[str, str]]:
    return {(code, each) for each in LANGUAGES for code in codes if not assets.names(each).get(code)}


def test_the_files_are_what_the_generator_writes() -> None:
    written = {path: text.encode() for path, text in names.files()}

    assert {path: path.read_bytes() for path in names.FOLDER.iterdir()} == written


def test_the_languages_are_those_of_the_widget() -> None:
    assert [path.stem for path in sorted(names.FOLDER.iterdir())] == LANGUAGES
    assert set(names.reviewed()) == {*LANGUAGES, "listed"}


@pytest.mark.parametrize("key", SOURCES)
def test_every_currency_of_a_source_has_a_name_in_each_language(key: str) -> None:
    recorded = set()
    for path in (PAYLOADS / key).iterdir():
        with suppress(MalformedFeed):  # a history, or an error
            recorded |= {code for rate in SOURCES[key].parse(path.read_bytes()) for code in rate.pair}

    assert recorded
    assert not nameless(recorded | SOURCES[key].currencies)


def test_what_a_source_lists_beside_money_has_a_name_too() -> None:
    table = PAYLOADS / "openexchangerates" / "latest_2014-05-10.json"
    rates = json.loads(table.read_text())["rates"]

    assert {"XAU", "XAG", "BTC"} <= set(rates)
    assert not nameless(set(rates))


def test_no_two_currencies_have_one_name_and_none_is_a_code() -> None:
    for language in LANGUAGES:
        said = assets.names(language)
        assert len(set(said.values())) == len(said)
        assert all(name == name.strip() and name not in said for name in said.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_override_is_of_a_currency_that_is_listed_and_is_not_what_cldr_says(language: str) -> None:
    overrides = names.reviewed()[language]

    assert overrides.keys() <= set(names.codes())
    assert not [code for code, name in overrides.items() if name == names.spoken(code, language)]


def test_every_code_that_stands_beside_the_sources_lists_is_in_none_of_them() -> None:
    known = set().union(*(source.currencies for source in SOURCES.values()))

    assert not known.intersection(names.reviewed()["listed"])


def test_names_are_those_of_running_text() -> None:
    said = {language: assets.names(language) for language in LANGUAGES}

    assert (said["en"]["USD"], said["en"]["EUR"], said["en"]["AED"]) == ("US dollar", "euro", "UAE dirham")
    assert (said["ru"]["CHF"], said["tg"]["USD"]) == ("швейцарский франк", "доллари ИМА")
    assert (said["tk"]["EUR"], said["tk"]["NZD"]) == ("ýewro", "Täze Zelandiýa dollary")
    assert (said["uz"]["XOF"], said["uz"]["UZS"]) == ("Gʻarbiy Afrika CFA franki", "oʻzbek soʻmi")
    assert said["kk"]["SLL"] == "Сьерра-Леоне леонесі (1964–2022)"


def test_what_cldr_has_wrong_is_mended() -> None:
    assert assets.names("en")["UZS"] == "Uzbek sum"
    assert names.spoken("UZS", "en") == "Uzbekistani som"
    assert (assets.names("tg")["CNY"], assets.names("tg")["JPY"]) == ("юани Чин", "йени Ҷопон")
    assert names.spoken("CNY", "tg") == "иенаи хитоӣ"


def test_a_name_that_a_language_lacks_is_russian_and_else_english() -> None:
    assert names.name("DEM", "tg") == "Немецкая марка"
    assert names.borrowed("DEM") == ["kk", "ky", "tg", "tk", "uz"]
    assert names.name("XEU", "kk") == names.spoken("XEU", "ru")
    assert names.name("BAN", "ky") == names.spoken("BAN", "en") == "Bosnia-Herzegovina new dinar (1994–1997)"
    with pytest.raises(LookupError, match="ZZZ"):
        names.name("ZZZ", "ru")
