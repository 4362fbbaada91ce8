"""`ticker check` against banks on loopback, which answer in their own formats."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ticker import check
from ticker.cli import main
from ticker.config import PollSettings, Settings
from ticker.rules import enabled_sources, rule
from ticker.sources import SOURCES

PAYLOADS = Path(__file__).parent / "payloads"
POLLED = ["nbkr", "nbk", "nbt", "cbu", "cbr"]
NBKR = (PAYLOADS / "nbkr" / "daily_2026-05-24.xml").read_bytes()
NBK = (PAYLOADS / "nbk" / "get_rates_2026-04-02.xml").read_bytes()
NBT = (PAYLOADS / "nbt" / "export_2026-05-19.xml").read_bytes()
CBU = (PAYLOADS / "cbu" / "all_2026-04-01.json").read_bytes()
CBR = (PAYLOADS / "cbr" / "daily_2026-03-17.xml").read_bytes()
SECRET = "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 5, 19, 6, tzinfo=UTC)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(body: bytes, status: int = 200) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status)

    return handle


async def never(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


def dated(body: bytes, recorded: str, day: date, style: str) -> Handler:
    return answer(body.replace(recorded.encode(), f"{day:{style}}".encode()))


@dataclass
class Banks:
    """Every bank under one address: who answers what, by the beginning of the path."""

    url: str = ""
    answers: dict[str, Handler] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def tell(self, day: date) -> None:
        """Let every bank have a table of this day."""
        self.answers = {
            "/XML/": dated(NBKR, "24.05.2026", day, "%d.%m.%Y"),
            "/rss/": dated(NBK, "02.04.2026", day, "%d.%m.%Y"),
            "/en/kurs/": dated(NBT, "2026-05-19", day, "%Y-%m-%d"),
            "/en/arkhiv": dated(CBU, "01.04.2026", day, "%d.%m.%Y"),
            "/scripts/": dated(CBR, "17.03.2026", day, "%d.%m.%Y"),
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        for beginning, handler in self.answers.items():
            if request.path.startswith(beginning):
                return await handler(request)
        return web.Response(status=404)

    def settings(self, *symbols: str, **said: Any) -> Settings:
        own = {key: {"base_url": self.url, **said.get(key, {})} for key in POLLED}
        others = {
            key: {"base_url": self.url, **said.get(key, {"enabled": False})}
            for key in SOURCES
            if key not in POLLED
        }
        return Settings.model_validate(
            {
                "symbols": symbols or tuple(map(str, Settings().symbols)),
                "poll": PollSettings(timeout_seconds=0.3),
                "sources": own | others,
                "policy": said.get("policy", "official"),
            }
        )


@pytest.fixture
async def banks() -> AsyncIterator[Banks]:
    banks = Banks()
    banks.tell(date(2026, 5, 19))
    site = web.Application()
    site.router.add_route("*", "/{path:.*}", banks.handle)
    runner = web.AppRunner(site, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    banks.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield banks
    await runner.cleanup()


async def checked(settings: Settings) -> tuple[dict[str, dict[str, str]], list[str], bool]:
    """The cells of the table by source and column, the lines below it, and whether all is whole."""
    sources = enabled_sources(settings)
    rules = [rule(symbol, settings, sources) for symbol in settings.symbols]
    text, whole = await check.checked(settings, sources, rules, now=NOON)
    head, *lines = text.splitlines()
    columns = [(each[0], each.start()) for each in re.finditer(r"as of|\S+", head)]
    ends = [start for _, start in columns[1:]] + [None]
    rows = [
        {name: line[start:end].strip() for (name, start), end in zip(columns, ends, strict=True)}
        for line in lines[: len(sources)]
    ]
    return {row["source"]: row for row in rows}, lines[len(sources) :], whole


async def test_every_source_has_a_line_with_what_it_says_of_every_symbol(banks: Banks) -> None:
    table, below, whole = await checked(banks.settings())

    assert list(table) == POLLED
    latencies = [row.pop("ms") for row in table.values()]
    assert all(0 <= int(text) < 300 for text in latencies)
    assert {key: (row["status"], row["as of"]) for key, row in table.items()} == dict.fromkeys(
        table, ("ok", "2026-05-19")
    )
    assert [row["KGS/USD"].split()[0] for row in table.values()] == [
        # NBKR's own digits, the others' crosses to ten; CBU's recorded table has no som.
        *("87.4500", "87.49355433", "87.45059474", "-", "87.44997761")
    ]
    assert table["nbk"]["KZT/USD"].startswith("475.09 (")
    assert table["nbt"]["TJS/USD"].startswith("9.3371 (")
    assert table["cbu"]["UZS/USD"].startswith("12194.21 (")
    assert table["cbr"]["TMT/USD"].startswith("3.5000")
    assert (below, whole) == ([], True)


async def test_all_are_asked_once_and_for_today(banks: Banks) -> None:
    await checked(banks.settings())

    assert sorted(banks.asked) == [
        "/XML/daily.xml",
        "/en/arkhiv-kursov-valyut/json/all/2026-05-19/",
        "/en/kurs/export_xml.php?date=2026-05-19&export=xmlout",
        "/rss/get_rates.cfm?fdate=19.05.2026",
        "/scripts/XML_daily.asp",
    ]


@pytest.mark.parametrize(("figure", "distance"), [("87,4500", 0), ("88,3245", 1), ("86,5755", -1)])
async def test_the_distance_is_that_of_the_number_that_is_shown(
    figure: str, distance: int, banks: Banks
) -> None:
    # Of the others one is at 87.449978 and, with the Tajik cross, one at 87.4506.
    banks.answers["/XML/"] = answer(
        NBKR.replace(b"24.05.2026", b"19.05.2026").replace(b"87,4500", figure.encode())
    )

    table, _, _ = await checked(banks.settings("KGS", nbk={"enabled": False}, cbu={"enabled": False}))

    number, _, share = table["nbkr"]["KGS/USD"].partition(" ")
    assert number == figure.replace(",", ".")
    assert abs(float(share.strip("(%) ")) - distance) < 0.02


async def test_a_symbol_may_be_a_cross_or_the_other_way_round(banks: Banks) -> None:
    table, below, whole = await checked(banks.settings("EUR/KGS", "USD/KGS", "KGS/UZS"))

    # What is shown is the number above 1, whichever way round.
    assert table["nbkr"]["EUR/KGS"].startswith("101.5076")
    assert table["nbkr"]["USD/KGS"].startswith("87.4500 ")
    assert table["cbr"]["KGS/UZS"].startswith("1")
    assert below == ["KGS/UZS has no official rate: nbkr: ok; cbu: ok"]
    assert not whole


# Failures.


async def test_an_authority_that_fails_is_said_below_and_is_not_whole(banks: Banks) -> None:
    banks.answers |= {"/XML/": answer(b"", 403), "/en/kurs/": never}

    table, below, whole = await checked(banks.settings())

    assert (table["nbkr"]["status"], table["nbkr"]["as of"]) == ("answered 403", "")
    assert (table["nbkr"]["ms"], table["nbkr"]["KGS/USD"]) == ("", "-")
    assert table["nbt"]["status"] == "timed out"
    assert below == [
        "KGS/USD has no official rate: nbkr: answered 403",
        "TJS/USD has no official rate: nbt: timed out",
    ]
    assert not whole


async def test_a_table_that_is_none_is_a_failure_in_words_without_the_sources_name(banks: Banks) -> None:
    banks.answers["/XML/"] = answer(b"<html>Request Rejected</html>")

    table, below, whole = await checked(banks.settings("KGS"))

    assert table["nbkr"]["status"] == "the root is <html>, not <CurrencyRates>"
    assert below == ["KGS/USD has no official rate: nbkr: the root is <html>, not <CurrencyRates>"]
    assert not whole


@pytest.mark.parametrize("failing", ["/scripts/", "/rss/"])
async def test_a_source_that_only_stands_in_may_fail(failing: str, banks: Banks) -> None:
    banks.answers[failing] = answer(b"", 500)

    table, below, whole = await checked(banks.settings("KGS"))

    assert "answered 500" in {row["status"] for row in table.values()}
    assert (below, whole) == ([], True)


async def test_a_peg_needs_no_authority(banks: Banks) -> None:
    _, below, whole = await checked(banks.settings("TMT"))

    assert (below, whole) == ([], True)


async def test_a_symbol_whose_authority_is_not_enabled_is_not_whole(banks: Banks) -> None:
    _, below, whole = await checked(banks.settings("KGS", nbkr={"enabled": False}))

    assert below == ["KGS/USD has no official rate: no authority is enabled"]
    assert not whole


async def test_by_a_policy_of_ones_own_the_first_of_the_list_is_the_authority(banks: Banks) -> None:
    banks.answers["/XML/"] = answer(b"", 500)

    _, below, whole = await checked(banks.settings("KGS", policy=["cbr", "nbkr"]))

    assert (below, whole) == ([], True)


async def test_a_key_is_not_in_the_table(banks: Banks) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.query["app_id"])

    banks.answers["/api/"] = echo
    keyed = {"enabled": True, "key": SECRET}
    settings = banks.settings("KGS", openexchangerates=keyed)
    sources = enabled_sources(settings)

    text, _ = await check.checked(
        settings, sources, [rule(each, settings, sources) for each in settings.symbols], now=NOON
    )

    assert f"/api/latest.json?app_id={SECRET}" in banks.asked
    assert "openexchangerates  not JSON" in text
    assert SECRET not in text


# The command.


def file_of(folder: Path, banks: Banks) -> Path:
    lines = [f'[sources.{key}]\nbase_url = "{banks.url}"' for key in POLLED]
    lines += [f"[sources.{key}]\nenabled = false" for key in SOURCES if key not in POLLED]
    file = folder / "ticker.toml"
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TICKER_REDIS_URL", raising=False)


@pytest.mark.usefixtures("_no_environment")
async def test_the_command_prints_the_table_and_ends_with_0(
    banks: Banks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    banks.tell(datetime.now(UTC).date())

    code = await asyncio.to_thread(main, ["check", "--config", str(file_of(tmp_path, banks))])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[0].split() == ["source", "status", "as", "of", "ms", *map(str, Settings().symbols)]
    assert [line.split()[:2] for line in lines[1:]] == [[key, "ok"] for key in POLLED]


@pytest.mark.usefixtures("_no_environment")
async def test_the_command_ends_with_1_when_an_authority_fails(
    banks: Banks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    banks.tell(datetime.now(UTC).date())
    banks.answers["/rss/"] = answer(b"", 403)

    code = await asyncio.to_thread(main, ["check", "--config", str(file_of(tmp_path, banks))])

    assert code == 1
    assert capsys.readouterr().out.splitlines()[-1] == "KZT/USD has no official rate: nbk: answered 403"
