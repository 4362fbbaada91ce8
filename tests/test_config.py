"""The configuration file: documented whole, strict, and in words when it is wrong."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from ticker.config import Settings, SourceSettings, load
from ticker.rates.model import Pair
from ticker.sources import SOURCES

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def keys_of(model: type[BaseModel]) -> set[str]:
    """Every key of a section, those of its sections with a dot."""
    keys = set()
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys |= {f"{name}.{key}" for key in keys_of(section)}
        else:
            keys.add(name)
    return keys


def comments_of(text: str) -> dict[str, str]:
    """For every key of the file the comment right above it."""
    section, comment, found = "", "", {}
    for line in text.splitlines():
        if line.startswith("#"):
            comment += line.lstrip("# ")
        elif match := re.match(r"\[(.+)\]", line):
            section = match[1] + "."
        elif match := re.match(r"(\w+) = ", line):
            found[section + match[1]] = comment
            comment = ""
        elif not line:
            comment = ""
    return found


def test_the_example_holds_every_default() -> None:
    example, defaults = load(EXAMPLE, environment={}), Settings()

    assert example.model_copy(update={"sources": {}}) == defaults


@pytest.mark.parametrize("key", load(EXAMPLE, environment={}).sources)
def test_the_example_holds_the_own_values_of_a_source(key: str) -> None:
    said, source = load(EXAMPLE, environment={}).sources[key], SOURCES[key]

    assert (said.enabled, said.interval_seconds) == (source.enabled, source.interval_seconds)


def test_every_key_is_documented_in_the_example() -> None:
    comments = comments_of(EXAMPLE.read_text())
    # The last one is a secret, which no file may have.
    tables = {"guard.bands", "guard.tolerances", "pegs", "sources", "redis.sentinel_password"}

    undocumented = {key for key in keys_of(Settings) - tables if len(comments.get(key, "").split()) < 3}

    assert undocumented == set()


def test_every_key_of_a_peg_and_a_source_is_documented_in_the_example() -> None:
    text, comments = EXAMPLE.read_text(), comments_of(EXAMPLE.read_text())

    assert len(comments["guard.bands.KGS"].split()) > 3
    assert all(len(comments[f"pegs.TMT.{key}"].split()) > 3 for key in ("units_per_usd", "since"))
    assert len(comments["guard.tolerances.KZT"].split()) > 3
    assert all(f"# {key}: " in text for key in SourceSettings.model_fields.keys() - {"key"})
    assert "TICKER_OPENEXCHANGERATES_KEY" in text


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, ""), environment={}) == load(None, environment={}) == Settings()


def test_symbols_and_bands_are_read_digit_for_digit(tmp_path: Path) -> None:
    path = written(tmp_path, 'symbols = ["eur/kgs", "TJS"]\n[guard.bands]\nTJS = [6.1, 16]')

    settings = load(path, environment={})

    assert settings.symbols == (Pair("EUR", "KGS"), Pair("TJS", "USD"))
    assert settings.guard.bands == {"TJS": (Decimal("6.1"), Decimal(16))}


def test_the_environment_replaces_the_address_of_redis(tmp_path: Path) -> None:
    path = written(tmp_path, '[redis]\nurl = "redis://a"\nprefix = "x:"')

    settings = load(path, environment={"TICKER_REDIS_URL": "rediss://:secret@b"})

    assert (settings.redis.url, settings.redis.prefix) == ("rediss://:secret@b", "x:")


def test_the_example_is_valid_toml_with_no_key_twice() -> None:
    assert tomllib.loads(EXAMPLE.read_text())["server"]["port"] == 8080


def test_a_base_url_loses_its_last_slash(tmp_path: Path) -> None:
    path = written(tmp_path, '[sources.nbkr]\nbase_url = "http://127.0.0.1:9/nbkr/"')

    assert load(path, environment={}).source("nbkr").base_url == "http://127.0.0.1:9/nbkr"


@pytest.mark.parametrize("name", ["KGS", "kgs-usd", "KGSUSD", "USD/KGS", "usdkgs"])
def test_a_policy_names_its_symbol_in_any_spelling(tmp_path: Path, name: str) -> None:
    settings = load(written(tmp_path, f'symbols = ["kgsusd", "EUR-KGS"]\npolicy = {{ "{name}" = "market" }}'))

    assert settings.symbols == (Pair("KGS", "USD"), Pair("EUR", "KGS"))
    assert [settings.policy_of(symbol) for symbol in settings.symbols] == ["market", "official"]


def test_an_exactly_configured_symbol_has_a_policy_of_its_own(tmp_path: Path) -> None:
    text = 'symbols = ["KGS", "USD/KGS"]\npolicy = { "USD/KGS" = "market" }'
    settings = load(written(tmp_path, text))

    assert [settings.policy_of(symbol) for symbol in settings.symbols] == ["official", "market"]


def test_a_policy_is_one_for_all_or_each_symbol_s_own(tmp_path: Path) -> None:
    one = load(written(tmp_path, 'policy = "market"'), environment={})
    own = load(written(tmp_path, 'policy = { kgs = ["cbr", "nbkr"], "TJS/USD" = "market" }'), environment={})

    assert {one.policy_of(symbol) for symbol in one.symbols} == {"market"}
    assert own.policy_of(Pair("KGS", "USD")) == ("cbr", "nbkr")
    assert own.policy_of(Pair("TJS", "USD")) == "market"
    assert own.policy_of(Pair("KZT", "USD")) == "official"


def test_the_key_of_a_source_is_the_environment_s_and_is_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, "[sources.openexchangerates]\nenabled = true")
    environment = {"TICKER_OPENEXCHANGERATES_KEY": "hunter2", "TICKER_ERAPI_KEY": "", "OTHER_KEY": "x"}

    settings = load(path, environment=environment)

    source = settings.source("openexchangerates")
    assert (source.enabled, source.key.get_secret_value()) == (True, "hunter2")
    assert set(settings.sources) == {"openexchangerates"}
    assert "hunter2" not in f"{settings!r} {settings.model_dump_json()}"
