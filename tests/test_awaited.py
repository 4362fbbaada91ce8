"""What a service says of pairs without a quote yet: which, and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from redis.asyncio import Redis
from stage import KGS, PATIENCE, until
from test_edge import Site, client, running

import ticker.edge.reasons
from ticker.awaited import LONGEST, Known, reason
from ticker.board import Polling
from ticker.config import PegSettings, Settings
from ticker.rates.model import Pair
from ticker.rates.source import Outcome
from ticker.rules import rule
from ticker.sources import SOURCES
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import Publisher, QuoteOf

NOON = datetime(2026, 5, 21, 12, tzinfo=UTC)
POLLING = Polling("host:1", NOON, NOON, 1.0)
HELD = "KGS/USD of 2026-05-19 is unconfirmed: +11.99 % from 87.46; `ticker confirm KGS/USD` accepts it"


# The reason.


def why(symbol: str = "KGS", *polled: str, polling: Polling | None = POLLING, **nbkr: Any) -> str:
    settings = Settings(pegs={"TMT": PegSettings(units_per_usd=Decimal("3.5"), since=NOON.date())})
    keys = polled or ("nbkr", "nbk", "cbr", "frankfurter")
    known = Known(
        sources={key: SOURCES[key] for key in keys},
        outcomes={"nbkr": Outcome(source="nbkr", **nbkr)},
        polling=polling,
        label="demo:" if symbol == "EUR" else "",
    )
    return reason(rule(Pair.parse(symbol), settings, known.sources.values()), known)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "NBKR has not been asked yet"),
        (
            {"checked_at": NOON, "failures": 2, "error": "nbkr: timed out"},
            "NBKR has not answered yet: timed out",
        ),
        (
            {"checked_at": NOON, "succeeded_at": NOON},
            "NBKR has answered, but its rate can't be shown yet",
        ),
        (
            {"checked_at": NOON, "held": (HELD,), "failures": 1, "error": "timed out"},
            "NBKR's rate of 2026-05-19 is unconfirmed: +11.99 % from 87.46",
        ),
    ],
)
def test_the_first_source_that_may_have_the_pair_is_named_with_its_state(
    facts: Mapping[str, Any], words: str
) -> None:
    assert why(**facts) == words


@pytest.mark.parametrize(
    ("symbol", "polled", "words"),
    [
        ("KZT", (), "NBK has not been asked yet"),
        ("USD/KZT", (), "NBK has not been asked yet"),
        ("KGS", ("nbk", "cbr"), "CBR has not been asked yet"),
        ("EUR", (), "demo:CBR has not been asked yet"),
        ("KGS", ("frankfurter",), "Frankfurter has not been asked yet"),
        ("XAU", ("nbkr", "nbk"), "No enabled source lists this pair"),
        ("TMT", (), "The fixed rate has not been published yet"),
    ],
)
def test_who_is_waited_for_follows_the_policy_and_what_is_polled(
    symbol: str, polled: tuple[str, ...], words: str
) -> None:
    assert why(symbol, *polled) == words


def test_an_operator_s_hold_and_a_poller_that_never_ran_are_told_first() -> None:
    on_hold = Polling("host:1", NOON, NOON, 1.0, holds=("KGS/USD", "TMT/USD"))

    assert why(polling=on_hold, failures=1) == why("TMT", polling=on_hold) == "An operator has put it on hold"
    assert why("KZT", polling=on_hold).startswith("NBK ")
    assert why(polling=None) == why("TMT", polling=None) == "No process has polled yet"


def test_a_long_error_is_cut() -> None:
    assert len(why(failures=1, error="x" * 1000)) == LONGEST


# What a service says.


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker.edge.reasons, "LOOK_SECONDS", 0.05)


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with running(store, (KGS, Pair("KZT", "USD"))) as site:
        await site.edge.until_loaded(PATIENCE)
        yield site


async def get(site: Site, path: str, **headers: str) -> tuple[int, str, Any]:
    """The status, the ETag and the JSON of an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.get(site.url + path, headers=named) as answer:
        text = await answer.text()
        return answer.status, answer.headers.get("ETag", ""), json.loads(text) if text else None


async def failed(publisher: Publisher, error: str, source: str = "nbkr") -> None:
    """NBKR was asked in vain."""
    outcome = Outcome(source=source, checked_at=NOON, failures=1, error=error)
    await publisher.say(outcomes=(outcome,))


async def test_who_comes_before_the_first_publication_is_told_at_once_what_is_awaited(site: Site) -> None:
    async with client(site) as reader, client(site, "/v1/stream?symbols=USD/KGS") as other:
        whole, one = await reader.receive(), await other.receive()

    why = "No process has polled yet"
    assert (whole["type"], whole["quotes"]) == ("snapshot", [])
    assert whole["awaited"] == {"KGS/USD": why, "KZT/USD": why}
    assert (one["quotes"], one["awaited"]) == ([], {"USD/KGS": why})


async def test_a_new_reason_comes_as_an_update_without_quotes(site: Site, publisher: Publisher) -> None:
    await until(lambda: is_known(site, "NBK has not been asked yet"), PATIENCE)

    async with client(site) as reader, client(site, "/v1/stream?symbols=KZT") as other:
        await reader.receive()
        await other.receive()
        await failed(publisher, "nbkr: timed out")
        frame = await reader.receive()
        await failed(publisher, "nbk: answered 503", "nbk")
        alone = await other.receive()

    assert (frame["type"], frame["quotes"]) == ("update", [])
    assert frame["awaited"] == {"KGS/USD": "NBKR has not answered yet: timed out"}
    assert alone["awaited"] == {"KZT/USD": "NBK has not answered yet: answered 503"}


async def test_the_quote_ends_the_wait(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    async with client(site) as reader:
        await reader.receive()
        await publisher.say(quote_of("KGS", "87.45"))
        while not (first := await reader.receive())["quotes"]:
            pass
        await publisher.say(quote_of("KZT", "471"))
        while not (second := await reader.receive())["quotes"]:
            pass

    assert (first["type"], list(first["awaited"])) == ("snapshot", ["KZT/USD"])
    assert (second["type"], "awaited" in second) == ("update", False)
    async with client(site) as late:
        assert "awaited" not in await late.receive()
    assert "awaited" not in (await get(site, "/v1/quotes"))[2]


async def test_the_quotes_by_http_have_it_too_and_another_tag_for_another_reason(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KZT", "471"))
    await failed(publisher, "nbkr: timed out")
    await until(lambda: is_known(site, "timed out"), PATIENCE)
    status, tag, answer = await get(site, "/v1/quotes?symbols=USDKGS,KZT")
    again, *_ = await get(site, "/v1/quotes?symbols=USDKGS,KZT", If_None_Match=tag)
    refused, _, problem = await get(site, "/v1/quotes/usd/kgs")
    await failed(publisher, "nbkr: answered 503")
    await until(lambda: is_known(site, "503"), PATIENCE)

    assert (status, again, refused) == (200, 304, 503)
    assert answer["awaited"] == {"USD/KGS": "NBKR has not answered yet: timed out"}
    assert problem["detail"] == "USD/KGS has no quote yet: NBKR has not answered yet: timed out"
    status, _, answer = await get(site, "/v1/quotes?symbols=USDKGS,KZT", If_None_Match=tag)
    assert (status, answer["awaited"]["USD/KGS"]) == (200, "NBKR has not answered yet: answered 503")
    assert "awaited" not in (await get(site, "/v1/quotes?symbols=KZT"))[2]


def is_known(site: Site, words: str) -> bool:
    return any(words in reason for _, reason in site.broadcast.mirror.awaited)


async def test_a_pair_that_comes_with_a_reload_is_awaited_with_its_reason(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87.45"), quote_of("KZT", "471"))
    await until(lambda: not site.broadcast.mirror.awaited, PATIENCE)
    symbols = (KGS, Pair("KZT", "USD"), Pair("XAU", "KGS"))

    async with client(site) as reader:
        await reader.receive()
        await site.edge.serve(Settings(symbols=symbols), frozenset({"nbk"}))
        frame = await reader.receive()

    assert (frame["type"], len(frame["quotes"])) == ("snapshot", 2)
    assert frame["awaited"] == {"XAU/KGS": "No enabled source lists this pair"}


async def test_redis_is_not_asked_while_every_pair_has_a_quote(
    site: Site, redis: Redis, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async def asked() -> int:
        counted: Any = await redis.info("commandstats")
        return int(counted["cmdstat_mget"]["calls"])

    before = await asked()
    await until(lambda: has_grown(asked, before), PATIENCE)
    await publisher.say(quote_of("KGS", "87.45"), quote_of("KZT", "471"))
    await until(lambda: not site.broadcast.mirror.awaited, PATIENCE)
    await asyncio.sleep(2 * ticker.edge.reasons.LOOK_SECONDS)
    before = await asked()
    await asyncio.sleep(20 * ticker.edge.reasons.LOOK_SECONDS)

    assert await asked() == before


async def has_grown(number: Callable[[], Awaitable[int]], before: int) -> bool:
    return await number() > before


async def test_the_first_client_of_a_process_is_told_what_redis_knows(
    store: Store, publisher: Publisher
) -> None:
    await failed(publisher, "nbkr: timed out")

    async with running(store, (KGS,)) as site:
        await site.edge.until_loaded(PATIENCE)
        assert site.broadcast.mirror.awaited == ((KGS, "NBKR has not answered yet: timed out"),)
