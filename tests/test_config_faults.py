"""What is wrong with a file is said in words: line, key, fault and remedy, of everything at once."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ticker.config import ConfigError, load
from ticker.sources import SOURCES

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"

PYDANTIC = re.compile(
    r"Extra inputs|Input should|Value error|validation error|lax-or|pattern|\[A-Z\]|Field required|Decimal",
    re.I,
)
"""What no operator should have to read."""


def refused(file: Path, content: str | bytes) -> str:
    """What is said of a file with this content, its name cut down."""
    file.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())
    with pytest.raises(ConfigError) as refusal:
        load(file, environment={}, here=True)
    return str(refusal.value).replace(str(file), "c.toml")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.toml"


WRONG = {
    ("[server]\nprot = 1"): ("c.toml, line 2: unknown key `server.prot`. Did you mean `server.port`?"),
    (
        "[server]\n"
        'trusted_proxies = ["10.0.0.1/8", "10.0.0.0/8", "x"]\n'
        'origins = ["news.example", "https://a/b", "https://ok.example", 5]'
    ): (
        'c.toml, line 2: `server.trusted_proxies`, item 1: "10.0.0.1/8" is not a network.\n'
        '  Write "10.0.0.0/8" for the whole network, or "10.0.0.1" for this one address.\n'
        'c.toml, line 2: `server.trusted_proxies`, item 3: "x" is not a network.\n'
        '  Write one like "10.0.0.0/8" or "2001:db8::/32".\n'
        'c.toml, line 3: `server.origins`, item 4: 5 is a number, not text. Write it in quotes: "5".\n'
        'c.toml, line 3: `server.origins`, item 1: "news.example" is not a site.\n'
        '  Write its scheme and host alone, like "https://news.example".\n'
        'c.toml, line 3: `server.origins`, item 2: "https://a/b" is not a site.\n'
        '  Write its scheme and host alone, like "https://a".'
    ),
    ('policy = "oficial"'): (
        'c.toml, line 1: `policy`: "oficial" is not a policy.\n'
        '  Did you mean "official"? Write "official", "market" or a list of sources, like ["nbkr", "cbr"].'
    ),
    ('symbols = "KGS/USD"'): (
        'c.toml, line 1: `symbols`: "KGS/USD" is text, not a list. Write symbols = ["KGS/USD"].'
    ),
    ('symbols = ["KGS", "KGS/USD"]'): (
        "c.toml, line 1: `symbols`: KGS/USD is named twice. Name each symbol once."
    ),
    ('symbols = ["KG", "KSG/USD", "TJS", "XQX/EUR", 5]'): (
        'c.toml, line 1: `symbols`, item 5: 5 is a number, not text. Write it in quotes: "5".\n'
        'c.toml, line 1: `symbols`, item 1: "KG" is not a symbol.\n'
        '  Write one or two codes of three letters, like "KGS/USD".\n'
        'c.toml, line 1: `symbols`, item 2: no source lists KSG. Did you mean "KGS/USD"?\n'
        "c.toml, line 1: `symbols`, item 4: no source lists XQX. Name a currency that is in use (ISO 4217)."
    ),
    ("symbols = []"): ('c.toml, line 1: `symbols`: 0 symbols. Name 1 to 200, like ["KGS/USD"].'),
    ('[server]\nport = "21040"\nadmin = "x"\nworkers = 0\nheartbeat_seconds = 80'): (
        'c.toml, line 2: `server.port`: "21040" is text, not a whole number. Write 21040 without quotes.\n'
        'c.toml, line 3: `server.admin`: "x" is not an address. Write HOST:PORT, like "127.0.0.1:9100".\n'
        "c.toml, line 4: `server.workers`: 0 is too small. Write a whole number from 1 to 64, like 1.\n"
        "c.toml, line 5: `server.silent_seconds`: 80 is not more than server.heartbeat_seconds = 80.\n"
        "  Otherwise clients that answer every ping are disconnected. Write three times that value."
    ),
    (
        "[server]\n"
        'host = "203.0.113.9"\n'
        'admin = "127.0.0.1:8080"\n'
        "heartbeat_seconds = 80\n"
        "silent_seconds = 80"
    ): (
        'c.toml, line 2: `server.host`: "203.0.113.9" is not an address of this machine.\n'
        '  Write "127.0.0.1" for this machine only, or "0.0.0.0" for all its addresses.\n'
        "c.toml, line 5: `server.silent_seconds`: 80 is not more than server.heartbeat_seconds = 80.\n"
        "  Otherwise clients that answer every ping are disconnected. Write three times that value."
    ),
    ('[server]\nhost = "0.0.0.0"\nadmin = "127.0.0.1:8080"'): (
        "c.toml, line 3: `server.admin`: 127.0.0.1:8080 is also the address of server.host and "
        "server.port.\n"
        '  Write another port, like "127.0.0.1:9100".'
    ),
    ("[server"): ("c.toml, line 1: the name of the section does not end. Add the closing bracket: [server]."),
    ("[server]\nport = 1\n[server]"): ("c.toml, line 3: this section appears twice. Put its keys into one."),
    ("[server]\nport = 1\nport = 2"): ("c.toml, line 3: this key appears twice. Remove one of the two."),
    ("port = 8080"): ("c.toml, line 1: unknown key `port`. Did you mean `server.port`?"),
    ("[sever]\nport = 8080"): ("c.toml, line 1: unknown section [sever]. Did you mean [server]?"),
    ("server = 5"): (
        "c.toml, line 1: `server`: this is a section, not a number. Write [server], and its keys below it."
    ),
    ("[[server]]\nport = 5"): (
        "c.toml, line 1: `server`: this is a section, not a list. Write [server], and its keys below it."
    ),
    ("[server]\nport: 5"): ("c.toml, line 2: this is not TOML. Write `key = value`, not `key: value`."),
    ("[server]\nhost = localhost"): (
        'c.toml, line 2: this is not a value. Write text in quotes: key = "text".'
    ),
    ('[server]\nhost = "localhost'): ("c.toml, line 2: the text does not end. Add the closing quote."),
    ('[redis]\nurl = "redis://:Sup3rSecret/def@h"\nlease_seconds = "Sup3rSecret"'): (
        "c.toml, line 2: `redis.url`: this address can't be used: in a password, write / as %2F, ? as %3F, "
        "# as %23 and @ as %40.\n"
        'c.toml, line 3: `redis.lease_seconds`: "***" is text, not a whole number.\n'
        "  Write a whole number from 3 to 300, like 6."
    ),
    ('[redis]\nurl = 5\nprefix = "a b"'): (
        'c.toml, line 2: `redis.url`: this is a number, not text. Write text, like "embedded".\n'
        'c.toml, line 3: `redis.prefix`: "a b" is not a prefix.\n'
        '  Write ASCII characters without spaces, like "{ticker}:".'
    ),
    ('[redis]\nprefix = "ü:"'): (
        'c.toml, line 2: `redis.prefix`: "ü:" is not a prefix.\n'
        '  Write ASCII characters without spaces, like "{ticker}:".'
    ),
    (
        "[sources.nbrk]\n"
        "enabled = true\n"
        "[sources.nbk]\n"
        'enabled = "yes"\n'
        'interval_seconds = "60"\n'
        'key = "abc"\n'
        'base_url = "htp://u:hunter2@x"\n'
        'closed_days = ["soon", "2026-01-01", 2026-01-01, 2026-01-01T00:00:00Z, 5]'
    ): (
        "c.toml, line 1: unknown source [sources.nbrk]. Did you mean [sources.nbk]?\n"
        'c.toml, line 4: `sources.nbk.enabled`: "yes" is text, not true or false. Write true or false.\n'
        'c.toml, line 5: `sources.nbk.interval_seconds`: "60" is text, not a whole number. Write 60 without '
        "quotes.\n"
        "c.toml, line 6: `sources.nbk.key`: this secret may not be in a file. Set TICKER_NBK_KEY "
        "instead.\n"
        "c.toml, line 7: `sources.nbk.base_url`: this is not an address.\n"
        '  Write one without a query, like "https://host:8080/path".\n'
        'c.toml, line 8: `sources.nbk.closed_days`, item 1: "soon" is text, not a date.\n'
        "  Write a date, like 2027-03-22.\n"
        "c.toml, line 8: `sources.nbk.closed_days`, item 4: 2026-01-01 00:00:00+00:00 is a date with a "
        "time, not a date.\n"
        "  Write a date, like 2027-03-22.\n"
        "c.toml, line 8: `sources.nbk.closed_days`, item 5: 5 is a number, not a date.\n"
        "  Write a date, like 2027-03-22."
    ),
    ('[guard.bands]\nKGS = [130, 60]\nKZT = [1]\nTJS = 5\nkgs = [1, 2]\nKSG = [1, 2]\nUZS = ["a", "b"]'): (
        "c.toml, line 2: `guard.bands.KGS`: 130 to 60 is not a band. Write the lower one first: [60, "
        "130].\n"
        "c.toml, line 3: `guard.bands.KZT`: a band has two numbers.\n"
        "  Write the lowest and the highest: KGS = [60, 130].\n"
        "c.toml, line 4: `guard.bands.TJS`: 5 is a number, not a list. Write a list, like [60, 130].\n"
        'c.toml, line 5: `guard.bands.kgs`: "kgs" is not a currency. Write three capital letters, like '
        '"KGS".\n'
        "c.toml, line 6: `guard.bands.KSG`: no source lists KSG. Did you mean KGS?\n"
        'c.toml, line 7: `guard.bands.UZS`, item 1: "a" is text, not a number. Write a number, like 1.5.\n'
        'c.toml, line 7: `guard.bands.UZS`, item 2: "b" is text, not a number. Write a number, like 1.5.'
    ),
    (
        "[guard.tolerances]\n"
        'KZT = "2.5"\n'
        "[pegs.TMT]\n"
        "units_per_usd = 3.5\n"
        "[pegs.KGS]\n"
        "since = 2015-01-01\n"
        "units_per_usd = 0"
    ): (
        'c.toml, line 2: `guard.tolerances.KZT`: "2.5" is text, not a number. Write 2.5 without quotes.\n'
        "c.toml, line 3: `pegs.TMT.since` is missing. Add it, like since = 2027-03-22.\n"
        "c.toml, line 7: `pegs.KGS.units_per_usd`: 0 is too small. Write a number above 0, like 1.5."
    ),
    ('policy = { "EUR/USD" = "market", KGS = ["nbrk"], USD/KGS = "official" }'): (
        "c.toml, line 1: there is no `=` after the key. Write `key = value`."
    ),
    ('policy = { "EUR/USD" = "market", KGS = ["nbrk"], "USD/KGS" = "official" }'): (
        "c.toml, line 1: `policy`: KGS/USD is named twice. Give each symbol one policy."
    ),
    ('policy = { "EUR/USD" = "market", KGS = ["nbrk"], "TJS" = "ofical" }'): (
        'c.toml, line 1: `policy`: "ofical" is not a policy.\n'
        '  Did you mean "official"? Write "official", "market" or a list of sources, like ["nbkr", "cbr"].'
    ),
    ("policy = []"): (
        "c.toml, line 1: `policy`: [] is not a policy.\n"
        '  Write "official", "market" or a list of sources, like ["nbkr", "cbr"].'
    ),
    (
        "[poll]\n"
        "timeout_seconds = inf\n"
        "retry_min_seconds = -1\n"
        "[limits]\n"
        "subscribers = 1.5\n"
        "head_bytes = true\n"
        "[history]\n"
        "days = 1\n"
        "backfil_days = 5\n"
        "[gaurd]"
    ): (
        "c.toml, line 2: `poll.timeout_seconds`: Infinity can't be used. Write a number above 0 and up to "
        "300.\n"
        "c.toml, line 3: `poll.retry_min_seconds`: -1 is too small. Write a number above 0, like 5.\n"
        "c.toml, line 5: `limits.subscribers`: 1.5 is not a whole number. Write a whole number from 1, like "
        "100000.\n"
        "c.toml, line 6: `limits.head_bytes`: true is not a whole number.\n"
        "  Write a whole number from 1024 to 65536, like 16384.\n"
        "c.toml, line 8: `history.days`: 1 is too small. Write a whole number from 2 to 7320, like 1830.\n"
        "c.toml, line 9: unknown key `history.backfil_days`. Did you mean `history.backfill_days`?\n"
        "c.toml, line 10: unknown section [gaurd]. Did you mean [guard]?"
    ),
    ('label = "Two words"\nsymbols = [["KGS"]]'): (
        'c.toml, line 1: `label`: "Two words" is not a label. Write up to 20 small letters, digits and '
        '"-".\n'
        'c.toml, line 2: `symbols`, item 1: this is a list, not text. Write text, like "text".'
    ),
    ("[server]\ndrain_seconds = 07:30:00"): (
        "c.toml, line 2: `server.drain_seconds`: 07:30:00 is a time of day, not a number.\n"
        "  Write a number from 0 to 600, like 10."
    ),
    ('[server]\nhost = ""\n[redis]\ndata_dir = "a\\u0000b"'): (
        'c.toml, line 2: `server.host`: "" is not a host. Write an address or a name, like "0.0.0.0".\n'
        "c.toml, line 4: `redis.data_dir`: it has a character that can't be printed.\n"
        "  Write letters, digits and punctuation."
    ),
    ("sources = 5"): (
        "c.toml, line 1: `sources`: this is a section, not a number. Write [sources], and its keys below it."
    ),
    ("[history]\nbackfill_days = 4000"): (
        "c.toml, line 2: `history.backfill_days`: 4000 is too large. Write a whole number from 0 to 1830, "
        "like 30."
    ),
    ("just words"): ("c.toml, line 1: there is no `=` after the key. Write `key = value`."),
    ("x = [1,"): ('c.toml, line 2: this is not a value. Write text in quotes: key = "text".'),
    ("x = {a = 1"): (
        "c.toml, line 1: the table does not end. Add the closing brace, and commas between its keys."
    ),
    ("[limits]\nsymbols = 201"): (
        "c.toml, line 2: `limits.symbols`: 201 is too large. Write a whole number from 1 to 200, like 200."
    ),
    ('[limits]\nmessage_bytes = "4096"'): (
        'c.toml, line 2: `limits.message_bytes`: "4096" is text, not a whole number. Write 4096 without '
        "quotes."
    ),
    ('[server]\nproxy_protocol = "true"'): (
        'c.toml, line 2: `server.proxy_protocol`: "true" is text, not true or false. Write true without '
        "quotes."
    ),
    ("[server]\nproxy_protocol = 1"): (
        "c.toml, line 2: `server.proxy_protocol`: 1 is a number, not true or false. Write true or false."
    ),
    ("[server]\nport = 70000"): (
        "c.toml, line 2: `server.port`: 70000 is too large. Write a whole number from 0 to 65535, like 8080."
    ),
    ("[server]\nport = -1"): (
        "c.toml, line 2: `server.port`: -1 is too small. Write a whole number from 0 to 65535, like 8080."
    ),
    ('[server]\nadmin = "127.0.0.1:99999"'): (
        'c.toml, line 2: `server.admin`: "127.0.0.1:99999" is not an address.\n'
        '  Write HOST:PORT, like "127.0.0.1:9100".'
    ),
    ("[redis]\nlease_seconds = 2"): (
        "c.toml, line 2: `redis.lease_seconds`: 2 is too small. Write a whole number from 3 to 300, like 6."
    ),
    ("[redis]\nstream_length = 99999999999999999999"): (
        "c.toml, line 2: `redis.stream_length`: 99999999999999999999 can't be used. Write a whole number "
        "from 1."
    ),
    ('[redis]\nprefx = "x"'): ("c.toml, line 2: unknown key `redis.prefx`. Did you mean `redis.prefix`?"),
    ("[poll]\nproject_url = 5"): (
        'c.toml, line 2: `poll.project_url`: 5 is a number, not text. Write it in quotes: "5".'
    ),
    ("[guard]\ntolerance_percent = 0"): (
        "c.toml, line 2: `guard.tolerance_percent`: 0 is too small. Write a number above 0 and up to 100, "
        "like 1.5."
    ),
    ("[guard]\njump_percent = nan"): (
        "c.toml, line 2: `guard.jump_percent`: NaN can't be used. Write a number above 0 and up to 100."
    ),
    ("[pegs.usd]\nunits_per_usd = 1\nsince = 2015-01-01"): (
        'c.toml, line 1: `pegs.usd`: "usd" is not a currency. Write three capital letters, like "KGS".'
    ),
    ('[sources.nbkr]\nbase_url = "nbkr.kg"'): (
        "c.toml, line 2: `sources.nbkr.base_url`: this is not an address.\n"
        '  Write one without a query, like "https://host:8080/path".'
    ),
    ('[sources.nbkr]\nbase_url = "http://h/?q=1"'): (
        "c.toml, line 2: `sources.nbkr.base_url`: this is not an address.\n"
        '  Write one without a query, like "https://host:8080/path".'
    ),
    ("[sources.nbkr]\nintervall = 60"): (
        "c.toml, line 2: unknown key `sources.nbkr.intervall`. Did you mean `sources.nbkr.interval_seconds`?"
    ),
    ("[sources]\nnbkr = false"): (
        "c.toml, line 2: `sources.nbkr`: this is a section, not true or false.\n"
        "  Write [sources.nbkr], and its keys below it."
    ),
    ('symbols = ["USD/USD"]'): (
        'c.toml, line 1: `symbols`: USD/USD is not a pair of two currencies. Write one like "KGS/USD".'
    ),
    ('symbols = ["EUR-KGS", "GPB"]'): (
        'c.toml, line 1: `symbols`, item 2: no source lists GPB. Did you mean "GBP/USD"?'
    ),
    ('policy = ["nbkr", "ecb"]'): (
        'c.toml, line 1: `policy`: unknown source "ecb".\n'
        f'  Did you mean "cbu"? The sources are {", ".join(SOURCES)}.'
    ),
    ("policy = 5"): (
        "c.toml, line 1: `policy`: 5 is not a policy.\n"
        '  Write "official", "market" or a list of sources, like ["nbkr", "cbr"].'
    ),
    ("[server]\nPort = 8080"): ("c.toml, line 2: unknown key `server.Port`. Did you mean `server.port`?"),
    ('[server]\norigins = "https://news.example"'): (
        'c.toml, line 2: `server.origins`: "https://news.example" is text, not a list.\n'
        '  Write origins = ["https://news.example"].'
    ),
    ('[server]\norigins = ["https://News.Example", "https://news.example/"]'): (
        'c.toml, line 2: `server.origins`, item 2: "https://news.example/" is not a site.\n'
        '  Write its scheme and host alone, like "https://news.example".'
    ),
    ('[redis]\nurl = ""'): (
        'c.toml, line 2: `redis.url`: it is empty. Write "embedded", or an address like '
        '"redis://127.0.0.1:6379/0".'
    ),
    ("[server]\nheartbeat_seconds = 25.0"): (
        "c.toml, line 2: `server.heartbeat_seconds`: 25.0 is not a whole number.\n"
        "  Write a whole number from 1 to 300, like 25."
    ),
    ('[history]\ndays = 0x10\npause_seconds = "0.5"'): (
        'c.toml, line 3: `history.pause_seconds`: "0.5" is text, not a number. Write 0.5 without quotes.'
    ),
    ("x = 1 2"): (
        "c.toml, line 1: there is more text after the value. Write one key per line, and text in quotes."
    ),
    ('x = "a\\qb"'): (
        "c.toml, line 1: the text has a lone backslash. Double it, or use single quotes: 'C:\\data'."
    ),
    ("[server]\nworkers = ''"): (
        'c.toml, line 2: `server.workers`: "" is text, not a whole number.\n'
        "  Write a whole number from 1 to 64, like 1."
    ),
    ('"server".port = "1"\nserver.\'host\' = 5'): (
        'c.toml, line 1: `server.port`: "1" is text, not a whole number. Write 1 without quotes.\n'
        'c.toml, line 2: `server.host`: 5 is a number, not text. Write it in quotes: "5".'
    ),
    ('guard = { tolerances = { KGS = 0 }, bands = { EUR = [1, 2], KGS = [\n  1,\n  "x",\n] } }'): (
        "c.toml, line 1: `guard.tolerances.KGS`: 0 is too small. Write a number above 0 and up to 100, like "
        "1.5.\n"
        'c.toml, line 3: `guard.bands.KGS`, item 2: "x" is text, not a number. Write a number, like 1.5.'
    ),
    ('label = """\ntwo\nlines"""\nport = 1'): (
        "c.toml, line 1: `label`: it has a character that can't be printed. Write letters, digits and "
        "punctuation.\n"
        "c.toml, line 4: unknown key `port`. Did you mean `server.port`?"
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_answered_with_line_key_fault_and_remedy(text: str, file: Path) -> None:
    said = refused(file, text)

    assert said == WRONG[text]
    assert not PYDANTIC.search(said)


@pytest.mark.parametrize("text", WRONG)
def test_every_fault_takes_two_lines_at_most(text: str, file: Path) -> None:
    lines = refused(file, text).splitlines()

    assert lines[0].startswith("c.toml, line ")
    assert not any(one[0] == other[0] == " " for one, other in pairwise(lines))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("label = 'x'".encode("utf-16"), "c.toml: this is UTF-16, not UTF-8. Save it as UTF-8."),
        ("label = 'x'".encode("utf-16-le"), "c.toml: this is UTF-16, not UTF-8. Save it as UTF-8."),
        (
            "# ä\nlabel = 'ä'".encode("latin-1"),
            "c.toml, line 1: the byte 0xe4 is not UTF-8. Save it as UTF-8.",
        ),
        ("#\nlabel = 'ä'".encode("latin-1"), "c.toml, line 2: the byte 0xe4 is not UTF-8. Save it as UTF-8."),
        (b"\xff\xfe", "c.toml: this is UTF-16, not UTF-8. Save it as UTF-8."),
    ],
)
def test_another_encoding_than_utf_8_is_said(content: bytes, words: str, file: Path) -> None:
    assert refused(file, content) == words


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbflabel = 'x'\r\n[server]\r\nport = 9000\r\n")

    settings = load(file, environment={})

    assert (settings.label, settings.server.port) == ("x", 9000)


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    said = []
    for path in (tmp_path, tmp_path / "missing.toml", EXAMPLE / "below.toml"):
        with pytest.raises(ConfigError) as refusal:
            load(path, environment={})
        said.append(str(refusal.value))

    assert said == [
        f"{tmp_path}: this is a directory. Name the file in it.",
        f"{tmp_path}/missing.toml: there is no such file. "
        "Copy config.example.toml there, or name another file.",
        f"{EXAMPLE}/below.toml: it can't be read: Not a directory. Fix that, or name another file.",
    ]


def test_a_file_that_may_not_be_read_is_said(file: Path) -> None:
    file.write_text("")
    file.chmod(0)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        with pytest.raises(ConfigError) as refusal:
            load(file, environment={})
        reader = os.geteuid()
    finally:
        os.seteuid(user)

    assert str(refusal.value) == f"{file}: user {reader} may not read it. Make it readable (chmod, chown)."


def test_a_host_of_another_machine_is_wrong_only_where_the_service_is_to_run(file: Path) -> None:
    file.write_text('[server]\nhost = "203.0.113.9"\n')

    assert load(file, environment={}).server.host == "203.0.113.9"
    with pytest.raises(ConfigError, match=r'"203\.0\.113\.9" is not an address of this machine'):
        load(file, environment={}, here=True)


def test_an_argument_is_judged_like_a_key_and_named(file: Path) -> None:
    file.write_text('[server]\nadmin = "127.0.0.1:9100"\nport = 8080\n')

    with pytest.raises(ConfigError) as refusal:
        load(file, environment={}, arguments={"--port": (("server", "port"), 9100)})

    assert f"{file}, line 2: `server.admin`: 127.0.0.1:9100 is also the address" in str(refusal.value)
    with pytest.raises(ConfigError, match=r"^--port: `server\.port`: 70000 is too large"):
        load(file, environment={}, arguments={"--port": (("server", "port"), 70000)})


@pytest.mark.parametrize(
    "address",
    [
        "redis://:hunter2@h",
        "redis://:hunter2/x@h:port",
        "redis://user:hunter2@h",
        "redis://hunter2@h",
        "redis://:hunter%32@h",
        "redis://h?password=hunter2",
    ],
)
def test_a_refusal_repeats_no_secret(address: str, file: Path) -> None:
    said = refused(
        file, f'label = "hunter2"\n[redis]\nurl = "{address}"\nlease_seconds = "hunter2"\nprefix = "hunter2 "'
    )

    assert "lease_seconds" in said
    assert "hunter2" not in said


LINES = EXAMPLE.read_text().splitlines()
VALUES = (
    *("1", "-1", "1.5", "nan", "inf", "true", '"x"', '""', "[]", "[[]]", "{}", "{ a = 1 }", "2020-01-01"),
    *("07:00:00", "1e400", "99999999999999999999", '"\\u0000"', '"KGS"', '["KGS", 5]', "'//a:b@c'", '"""'),
    *("[1, 2]", "x"),
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(range(len(LINES))), st.sampled_from(VALUES)), min_size=1, max_size=5
    )
)
def test_whatever_a_file_says_it_is_read_or_refused_in_our_words(
    changes: list[tuple[int, str]], file: Path
) -> None:
    lines = list(LINES)
    for number, value in changes:
        key, equals, _ = lines[number].partition(" = ")
        lines[number] = f"{key} = {value}" if equals else lines[number]
    file.write_text("\n".join(lines))

    said = ""
    try:
        load(file, environment={})
    except ConfigError as refusal:
        said = str(refusal)

    assert not said or said.startswith(f"{file}, line ")
    assert not PYDANTIC.search(said)
