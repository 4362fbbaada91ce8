"""Variables replace keys of the file: which do, how they are read, and what is said of a wrong one."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ticker.config import ConfigError, load
from ticker.config.environment import variable_of
from ticker.config.keys import ROOT, leaves
from ticker.rates.model import Pair


def test_a_variable_replaces_the_key_that_it_names(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('symbols = ["TJS"]\n[server]\nport = 1\nhost = "::1"\n[guard.bands]\nKGS = [1, 2]\n')
    environment = {
        "TICKER_SERVER__PORT": "9000",
        "TICKER_SERVER__PROXY_PROTOCOL": "true",
        "TICKER_SERVER__DRAIN_SECONDS": "2.5",
        "TICKER_SERVER__ORIGINS": '["https://news.example"]',
        "TICKER_REDIS__PREFIX": "x:",
        "TICKER_SOURCES__NBK__ENABLED": "false",
        "TICKER_SOURCES__NBK__CLOSED_DAYS": "[2027-03-22]",
        "TICKER_GUARD__BANDS__KGS": "[60.1, 130]",
        "TICKER_GUARD__TOLERANCES": "{ KGS = 3.3 }",
        "TICKER_PEGS__TMT__UNITS_PER_USD": "3.4",
        "TICKER_PEGS__TMT__SINCE": "2027-01-01",
        "TICKER__SYMBOLS": '["KGS", "EUR/KGS"]',
        "TICKER__LABEL": "test",
        "TICKER__POLICY": "market",
    }

    settings = load(file, environment=environment)

    server, guard, nbk, peg = settings.server, settings.guard, settings.source("nbk"), settings.pegs["TMT"]
    assert (server.port, server.host, server.proxy_protocol, server.drain_seconds) == (9000, "::1", True, 2.5)
    assert (server.origins, settings.redis.prefix) == (("https://news.example",), "x:")
    assert (nbk.enabled, nbk.closed_days) == (False, (date(2027, 3, 22),))
    assert guard.bands["KGS"] == (Decimal("60.1"), Decimal(130))
    assert guard.tolerances == {"KGS": Decimal("3.3")}
    assert (peg.units_per_usd, peg.since) == (Decimal("3.4"), date(2027, 1, 1))
    assert settings.symbols == (Pair("KGS", "USD"), Pair("EUR", "KGS"))
    assert (settings.label, settings.policy) == ("test", "market")


def test_a_list_of_sources_is_a_policy_from_the_environment_too() -> None:
    assert load(None, environment={"TICKER__POLICY": '["cbr", "nbkr"]'}).policy == ("cbr", "nbkr")


def test_every_key_has_a_variable_that_finds_it() -> None:
    # A value that no key takes: each is found, and so named, or takes it as text.
    for path, _ in leaves(ROOT):
        if "*" not in path:
            with pytest.raises(ConfigError) as refusal:
                load(None, environment={variable_of(path): "\x00"})

            assert f"`{'.'.join(path)}`" in str(refusal.value)


def test_other_variables_are_ignored() -> None:
    environment = {
        # What Kubernetes injects for a service of the name `ticker`.
        "TICKER_SERVICE_HOST": "10.0.0.1",
        "TICKER_SERVICE_PORT": "8080",
        "TICKER_PORT": "tcp://10.0.0.1:8080",
        "TICKER_PORT_8080_TCP_PORT": "8080",
        "TICKER_API_KEY": "of something else",
        "TICKER_REDIS_URL": "",
        "TICKER_NBK_KEY": "",
        "ticker_server__port": "1",
        "MYTICKER_SERVER__PORT": "1",
    }

    assert load(None, environment=environment) == load(None, environment={})


WRONG = {
    "TICKER_SERVER__PROT=1": ("no key belongs to this variable. Did you mean TICKER_SERVER__PORT?"),
    "TICKER_SEVER__PORT=1": ("no key belongs to this variable. Did you mean TICKER_SERVER__PORT?"),
    "TICKER__SYMBOL=[]": ("no key belongs to this variable. Did you mean TICKER__SYMBOLS?"),
    "TICKER__SERVER={ port = 1 }": ("no key belongs to this variable. Did you mean TICKER_SERVER__PORT?"),
    "TICKER_SYMBOLS__=1": ("no key belongs to this variable. Did you mean TICKER__SYMBOLS?"),
    "TICKER_SOURCES__NBRK__ENABLED=true": (
        "no key belongs to this variable. Did you mean TICKER_SOURCES__NBK__ENABLED?"
    ),
    "TICKER_X__Y__Z=1": (
        "no key belongs to this variable.\n"
        "  Unset it, or name a key: TICKER_SERVER__PORT is `server.port`, and TICKER__SYMBOLS is `symbols`."
    ),
    "TICKER_SERVER__PORT=x": (
        "`server.port`: 'x' is not a whole number from 0 to 65535.\n"
        "  Write a whole number from 0 to 65535, like TICKER_SERVER__PORT=8080."
    ),
    "TICKER_SERVER__PORT=": (
        "`server.port`: '' is not a whole number from 0 to 65535.\n"
        "  Write a whole number from 0 to 65535, like TICKER_SERVER__PORT=8080."
    ),
    "TICKER_SERVER__PORT=1\nx = 2": (
        "`server.port`: '1\\nx = 2' is not a whole number from 0 to 65535.\n"
        "  Write a whole number from 0 to 65535, like TICKER_SERVER__PORT=8080."
    ),
    "TICKER_SERVER__PORT=99999": (
        "`server.port`: 99999 is too large. Write a whole number from 0 to 65535, like 8080."
    ),
    "TICKER_SOURCES__NBK__ENABLED=yes": (
        "`sources.nbk.enabled`: 'yes' is not true or false.\n"
        "  Write true or false, like TICKER_SOURCES__NBK__ENABLED=true."
    ),
    "TICKER_SOURCES__ERAPI__KEY=hunter2": ("this secret has another variable. Set TICKER_ERAPI_KEY instead."),
    "TICKER__SYMBOLS=KGS": (
        "`symbols`: 'KGS' is not a list. Write a list, like TICKER__SYMBOLS='[\"one\", \"two\"]'."
    ),
    'TICKER__SYMBOLS=["KSG"]': ('`symbols`, item 1: no source lists KSG. Did you mean "KGS/USD"?'),
    "TICKER_GUARD__BANDS__KGS=[130, 60]": (
        "`guard.bands.KGS`: 130 to 60 is not a band. Write the lower one first: [60, 130]."
    ),
    "TICKER_PEGS__KGS__SINCE=2027-01-01": (
        "`pegs.KGS.units_per_usd` is missing. Add it, like units_per_usd = 1.5."
    ),
    "TICKER_REDIS__URL=": (
        '`redis.url`: it is empty. Write "embedded", or an address like "redis://127.0.0.1:6379/0".'
    ),
}


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_variable_is_named_with_its_remedy(said: str) -> None:
    name, _, text = said.partition("=")

    with pytest.raises(ConfigError) as refusal:
        load(None, environment={name: text})

    assert str(refusal.value) == f"{name}: {WRONG[said]}"


def test_every_wrong_variable_is_named_at_once_beside_the_file_s_faults(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[server]\nport = 70000\nworkers = 0\n")

    with pytest.raises(ConfigError) as refusal:
        load(file, environment={"TICKER_SERVER__PORT": "80000", "TICKER__LABEL": "A B", "TICKER_A__B": "1"})

    places = [line.partition(": ")[0] for line in str(refusal.value).splitlines() if line[0] != " "]
    assert places == ["TICKER_A__B", "TICKER__LABEL", "TICKER_SERVER__PORT", f"{file}, line 3"]


def test_two_variables_for_the_address_of_redis_are_refused_without_it() -> None:
    environment = {"TICKER_REDIS_URL": "redis://:hunter2@a", "TICKER_REDIS__URL": "redis://:hunter3@b"}

    with pytest.raises(ConfigError) as refusal:
        load(None, environment=environment)

    assert str(refusal.value) == (
        "TICKER_REDIS_URL: TICKER_REDIS__URL replaces the same key. Unset one of the two."
    )
