"""The Python client: against a real edge, and against a server that does what a real one must not do."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import websockets
from services import ROOT
from stage import PATIENCE, answer, until
from stage import site as http_site
from test_due import Clock
from test_edge import Site, running
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from ticker import wire
from ticker.client import Announcement, Pair, Quote, Refused, Subscription, connection, subscribe
from ticker.client.connection import delay, service_url
from ticker.client.known import Known, read_frame
from ticker.protocol import CloseCode
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import Publisher, QuoteOf

KGS, KZT, TJS = (Pair(code, "USD") for code in ("KGS", "KZT", "TJS"))
NOON = datetime(2026, 5, 22, 12, tzinfo=UTC)


async def soon(subscription: Subscription, seconds: float = PATIENCE) -> Quote:
    async with asyncio.timeout(seconds):
        return await anext(subscription)


async def nothing_comes(subscription: Subscription, seconds: float = 0.5) -> bool:
    try:
        await soon(subscription, seconds)
    except TimeoutError:
        return True
    return False


@pytest.fixture
async def site(store: Store) -> AsyncIterator[Site]:
    async with running(store) as site:
        yield site


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(connection, "SHORTEST_DELAY", 0.01)
    monkeypatch.setattr(connection, "LONGEST_DELAY", 0.02)


# Against a real edge.


async def test_a_quote_has_decimals_days_and_moments(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    coming = Announcement(price=Decimal("0.0115"), inverse=Decimal("86.95"), as_of=date(2026, 5, 23))
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    said = quote_of("KGS", "87.4500", change_percent=Decimal("-0.44"), next=coming, due_at=due)
    await publisher.say(said, quote_of("KZT", "471"))

    async with subscribe(site.url, ["kgs"]) as subscription:
        quote = await soon(subscription)

    assert quote == said
    assert (str(quote.symbol), quote.inverse, quote.as_of) == (
        "KGS/USD",
        Decimal("87.4500"),
        date(2026, 5, 22),
    )
    assert quote.next == coming
    assert quote.due_at == due


async def test_each_change_of_the_symbols_is_given_once(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87.45"))

    async with subscribe(site.url, ["KGS", "TJS"]) as subscription:
        first = await soon(subscription)
        await publisher.say(quote_of("KZT", "471"))
        await publisher.say(quote_of("KGS", "87.50"))
        await publisher.say(quote_of("TJS", "9.28"))
        others = [await soon(subscription), await soon(subscription)]
        is_quiet = await nothing_comes(subscription)

    assert [str(each.inverse) for each in (first, *others)] == ["87.45", "87.50", "9.28"]
    assert is_quiet
    assert list(subscription.quotes) == [KGS, TJS]


async def test_a_symbol_without_a_quote_is_awaited_with_the_reason(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with subscribe(site.url, ["KGS"]) as subscription:
        reasons = [await _change(subscription) for _ in range(2)]
        before = subscription.awaited
        await publisher.say(quote_of("KGS", "87.45"))
        quote = await soon(subscription)

    assert reasons == [(), ()]
    assert before == {KGS: "NBKR has not been asked yet"}
    assert (quote.symbol, subscription.awaited) == (KGS, {})


async def _change(subscription: Subscription) -> tuple[Quote, ...]:
    async with asyncio.timeout(PATIENCE):
        return await subscription.change()


async def test_what_was_published_during_an_outage_is_given_after_it_and_nothing_twice(
    store: Store, publisher: Publisher, quote_of: QuoteOf, impatient: None
) -> None:
    await publisher.say(quote_of("KGS", "87.45"), quote_of("TJS", "9.28"))
    async with running(store) as site:
        subscription = subscribe(site.url, ["KGS", "TJS"])
        first = {(await soon(subscription)).symbol for _ in range(2)}
    assert await _change(subscription) == ()
    assert (subscription.is_live, bool(subscription.trouble)) == (False, True)
    await publisher.say(quote_of("TJS", "9.30"))

    async with subscription, running(store, port=site.port):
        quote = await soon(subscription)
        is_quiet = await nothing_comes(subscription)
        assert (subscription.is_live, subscription.trouble) == (True, "")

    assert first == {KGS, TJS}
    assert str(quote.inverse) == "9.30"
    assert is_quiet


async def test_an_earlier_subscription_is_resumed_by_its_cursor(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87.45"), quote_of("TJS", "9.28"))
    async with subscribe(site.url, ["KGS", "TJS"]) as subscription:
        await soon(subscription)
        between = subscription.cursor
        await soon(subscription)
        assert await nothing_comes(subscription)
        cursor = subscription.cursor
    await publisher.say(quote_of("TJS", "9.30"))

    async with subscribe(site.url, ["KGS", "TJS"], cursor=cursor) as subscription:
        quote = await soon(subscription)
        is_quiet = await nothing_comes(subscription)

    # Whoever stores it between two quotes of a frame gets both again.
    assert between == ""
    assert str(quote.inverse) == "9.30"
    assert is_quiet


@pytest.mark.parametrize("symbols", [TJS, [TJS], [TJS, "kgs"]], ids=["pair", "pairs", "both"])
async def test_a_symbol_may_be_a_pair(
    symbols: Any, site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KZT", "471"), quote_of("TJS", "9.28"))
    async with subscribe(site.url, symbols) as subscription:
        assert (await soon(subscription)).symbol == TJS


async def test_an_unknown_symbol_is_refused_in_the_words_of_the_server(site: Site) -> None:
    async with subscribe(site.url, ["KGS", "ABC"]) as subscription:
        with pytest.raises(Refused, match="ABC/USD is not served here; the symbols are KGS/USD, ") as refused:
            await soon(subscription)

    assert refused.value.code == CloseCode.BAD_REQUEST


async def test_a_loop_that_is_left_disconnects_and_one_that_starts_again_resumes(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87.45"))
    subscription = subscribe(site.url)
    async for quote in subscription:
        assert quote.symbol == KGS
        break
    await until(lambda: not site.broadcast.subscribers, PATIENCE)
    await publisher.say(quote_of("KGS", "87.50"))

    async for quote in subscription:
        assert str(quote.inverse) == "87.50"
        break

    await until(lambda: not site.broadcast.subscribers, PATIENCE)


async def symbols_of(subscription: Subscription, number: int) -> list[Pair]:
    """The symbols of so many quotes, by a loop that is then left."""
    found: list[Pair] = []
    async with asyncio.timeout(PATIENCE):
        async for quote in subscription:
            found.append(quote.symbol)
            if len(found) == number:
                break
    return found


@pytest.mark.parametrize("pause", [None, 0, 0.01, 0.2])
@pytest.mark.parametrize("first", [1, 2])
async def test_whoever_asks_again_after_a_break_gets_each_quote_once(
    first: int, pause: float | None, site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87.45"), quote_of("TJS", "9.28"))
    async with subscribe(site.url) as subscription:
        before = await symbols_of(subscription, first)
        if pause is not None:
            await asyncio.sleep(pause)
        rest = [(await soon(subscription)).symbol for _ in range(2 - first)]
        waiting = asyncio.ensure_future(symbols_of(subscription, 2))
        await asyncio.sleep(0.3)
        await publisher.say(quote_of("KZT", "471"))
        await publisher.say(quote_of("KGS", "87.50"))

        assert [*before, *rest, *await waiting] == [KGS, TJS, KZT, KGS]
        assert await nothing_comes(subscription, 0.1)


@pytest.mark.parametrize("is_busy", [False, True])
async def test_closing_from_another_task_ends_the_loop_of_a_reader(
    is_busy: bool, site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87.45"))
    subscription, read, go_on = subscribe(site.url), asyncio.Event(), asyncio.Event()

    async def reader() -> str:
        async for _ in subscription:
            read.set()
            if is_busy:
                await go_on.wait()
        return "ended"

    task = asyncio.ensure_future(reader())
    async with asyncio.timeout(PATIENCE):
        await read.wait()
        await subscription.aclose()
        go_on.set()
        assert await task == "ended"
        await until(lambda: not site.broadcast.subscribers, PATIENCE)
        await publisher.say(quote_of("KGS", "87.50"))

        assert str((await anext(subscription)).inverse) == "87.50"
        await subscription.aclose()


async def test_closing_ends_whoever_waits_for_one_quote_or_for_a_change(site: Site) -> None:
    subscription = subscribe(site.url, ["KGS"])
    asked = [asyncio.ensure_future(anext(subscription, None)) for _ in range(2)]
    change = asyncio.ensure_future(_change(subscription))
    await until(lambda: site.broadcast.subscribers, PATIENCE)

    await subscription.aclose()

    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*asked, change) == [None, None, ()]
    assert not subscription.is_live


async def test_several_tasks_share_the_quotes(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    await publisher.say(quote_of("KGS", "87.45"), quote_of("TJS", "9.28"))
    async with subscribe(site.url) as subscription:
        tasks = [asyncio.ensure_future(soon(subscription)) for _ in range(3)]
        await until(lambda: sum(task.done() for task in tasks) == 2, PATIENCE)
        await publisher.say(quote_of("KZT", "471"))

        assert {(await task).symbol for task in tasks} == {KGS, TJS, KZT}


async def test_a_loop_that_is_cancelled_while_another_task_waits_leaves_it_alone(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    async with subscribe(site.url) as subscription:
        waiting = asyncio.ensure_future(soon(subscription))
        await asyncio.sleep(0)
        loop = asyncio.ensure_future(symbols_of(subscription, 1))
        await until(lambda: subscription.is_live, PATIENCE)
        loop.cancel()
        await asyncio.wait({loop}, timeout=PATIENCE)
        assert loop.cancelled()
        await publisher.say(quote_of("KGS", "87.45"))

        assert (await waiting).symbol == KGS


async def test_a_close_that_is_given_up_loses_nothing(
    site: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(quote_of("KGS", "87.45"))
    async with subscribe(site.url) as subscription:
        await soon(subscription)
        assert await nothing_comes(subscription, 0.05)
        closing = asyncio.ensure_future(subscription.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        await publisher.say(quote_of("KGS", "87.50"))

        assert str((await soon(subscription)).inverse) == "87.50"


async def test_a_cancelled_request_loses_nothing(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    await publisher.say(quote_of("KGS", "87.45"))
    async with subscribe(site.url) as subscription:
        await soon(subscription)
        for _ in range(3):
            assert await nothing_comes(subscription, 0.05)
        await publisher.say(quote_of("KGS", "87.50"))

        assert str((await soon(subscription)).inverse) == "87.50"


async def test_a_quote_becomes_stale_by_the_time_of_the_server_while_it_is_away(
    store: Store, publisher: Publisher, quote_of: QuoteOf, impatient: None
) -> None:
    # The server's clock is years behind; only it can tell when the quote is late.
    clock = Clock(NOON)
    due = NOON + timedelta(seconds=2)
    await publisher.say(quote_of("KGS", "87.45", due_at=due), quote_of("KZT", "471", due_at=None))
    async with running(store, clock=clock) as site:
        subscription = subscribe(site.url)
        before = [(await soon(subscription)).status for _ in range(2)]
        told_at = asyncio.get_running_loop().time()

    async with subscription:
        quote = await soon(subscription)
        waited = asyncio.get_running_loop().time() - told_at

    assert before == ["live", "live"]
    assert (quote.symbol, quote.status, quote.due_at) == (KGS, "stale", due)
    assert waited > 1.5
    assert subscription.quotes[KGS].status == "stale"


IMPORT = """
import sys

ours = {"ticker", "websockets", *sys.stdlib_module_names}

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ours:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
sys.path += sys.argv[2:]

import asyncio
from ticker.client import subscribe

async def follow():
    async for quote in subscribe(sys.argv[1]):
        tops = {name.partition(".")[0] for name in sys.modules}
        print(quote.symbol, sorted(tops - sys.stdlib_module_names))
        break

asyncio.run(follow())
"""


async def test_nothing_but_websockets_is_needed(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    await publisher.say(quote_of("KGS", "87.45"))
    library = Path(str(websockets.__file__)).parents[1]

    process = await asyncio.create_subprocess_exec(
        # Without the site, so that it finds what is named here, and nothing else.
        *(sys.executable, "-I", "-S", "-W", "error", "-c", IMPORT, site.url, str(ROOT), str(library)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()

    assert out.decode() == "KGS/USD ['__main__', 'ticker', 'websockets']\n"


# Against a server that does what it is told.


def frame(
    *quotes: Quote, kind: Any = "snapshot", cursor: str = "1-1", time: datetime = NOON, **more: Any
) -> str:
    text = wire.encode_quotes(kind, cursor, wire.encode_moment(time), map(wire.encode_quote, quotes))
    return json.dumps(json.loads(text) | more)


Act = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Scripted:
    """What the next connections get; the last act is that of all later ones."""

    acts: list[Act]
    url: str = ""
    queries: list[dict[str, list[str]]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """How the next requests are answered, before there is a connection at all."""
    location: str = ""
    """Where those answers redirect to."""

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request
        parts = urlsplit(connection.request.path)
        assert parts.path == "/v1/stream"
        self.queries.append(parse_qs(parts.query))
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        await act(connection)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        if not self.statuses:
            return None
        response = connection.respond(HTTPStatus(self.statuses.pop(0)), "")
        response.headers["Location"] = self.location
        return response


@asynccontextmanager
async def scripted(*acts: Act) -> AsyncIterator[Scripted]:
    script = Scripted(list(acts))
    async with serve(script.handle, "127.0.0.1", 0, process_request=script.answer) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        script.url = f"http://127.0.0.1:{port}"
        yield script


def tells(*texts: str | bytes, then: int | None = None, reason: str = "") -> Act:
    """Send these; close with a code, or stay silent."""

    async def act(connection: ServerConnection) -> None:
        for text in texts:
            await connection.send(text)
        if then is None:
            await connection.wait_closed()
        else:
            await connection.close(then, reason)

    return act


async def test_a_reader_who_was_busy_while_a_quote_became_stale_is_told(quote_of: QuoteOf) -> None:
    """The server says nothing more, and the moment has passed when the reader asks again."""
    due = quote_of("KGS", "87.45", due_at=NOON + timedelta(seconds=1))
    async with scripted(tells(frame(due))) as script, subscribe(script.url) as subscription:
        before = (await soon(subscription)).status
        await asyncio.sleep(1.1)

        assert (before, (await soon(subscription)).status) == ("live", "stale")


async def drops(connection: ServerConnection) -> None:
    connection.transport.abort()


@pytest.mark.parametrize("code", [1002, 1007, 1009, 4400])
async def test_a_final_close_code_raises_the_reason(
    code: int, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(tells(then=code, reason="not you")) as script, subscribe(script.url) as subscription:
        with pytest.raises(Refused, match=r"^not you$") as refused:
            await soon(subscription)

    assert refused.value.code == code
    assert len(script.queries) == 1
    assert "trying again" not in caplog.text


async def test_the_error_frame_has_more_words_than_a_close_may_have(impatient: None) -> None:
    error = wire.encode_error("bad_request", "x" * 200)
    async with scripted(tells(error, then=4400, reason="x" * 120)) as script:
        with pytest.raises(Refused, match=r"^x{200}$"):
            await soon(subscribe(script.url))


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013, 4408, 4999])
async def test_after_any_other_close_code_it_comes_back(
    code: int, impatient: None, quote_of: QuoteOf
) -> None:
    acts = tells(then=code), drops, tells(frame(quote_of("KGS", "87.45")))
    async with scripted(*acts) as script, subscribe(script.url) as subscription:
        assert (await soon(subscription)).symbol == KGS


def test_every_close_code_is_final_or_not_as_the_docs_say() -> None:
    page = (ROOT / "ticker/docs/stream.md").read_text()
    rows = re.findall(r"^\| (\d{4}) \| .* \| (yes|no) \|$", page, re.MULTILINE)

    assert {int(code) for code, again in rows if again == "no"} == connection._FINAL
    assert len(rows) == len(CloseCode)


async def test_a_close_of_our_own_is_not_final(
    monkeypatch: pytest.MonkeyPatch, impatient: None, quote_of: QuoteOf
) -> None:
    monkeypatch.setattr(connection, "_MOST_BYTES", 2000)
    acts = tells("x" * 3000), tells(frame(quote_of("KGS", "87.45")))
    async with scripted(*acts) as script, subscribe(script.url) as subscription:
        assert (await soon(subscription)).symbol == KGS


async def test_silence_is_a_loss_and_the_next_connection_resumes(
    monkeypatch: pytest.MonkeyPatch, impatient: None, quote_of: QuoteOf
) -> None:
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.3)
    first = tells(frame(quote_of("KGS", "87.45"), cursor="7-1"))
    second = tells(frame(quote_of("KGS", "87.50"), kind="update", cursor="7-2"), then=1001)
    async with scripted(first, second) as script, subscribe(script.url, ["KGS", "TJS"]) as subscription:
        await soon(subscription)
        lost = await _change(subscription)
        trouble = subscription.trouble
        quote = await soon(subscription)
        while len(script.queries) < 3:
            await _change(subscription)

    assert (lost, trouble) == ((), "the server sent nothing for 0.3 s")
    assert str(quote.inverse) == "87.50"
    asked = [(each["symbols"], each.get("cursor")) for each in script.queries[:3]]
    assert asked == [(["KGS,TJS"], None), (["KGS,TJS"], ["7-1"]), (["KGS,TJS"], ["7-2"])]


@pytest.mark.parametrize(
    "wrong",
    [
        "no json",
        "[]",
        "{}",
        b"\x00",
        '{"type":"snapshot","quotes":[{"symbol":"KGS/USD"}]}',
        '{"type":"update","time":7}',
        '{"type":"update","time":"0001-01-01T00:00:00Z"}',
        '{"type":"update","time":"0001-01-01T00:00:00+14:00"}',
        '{"type":"update","time":"9999-12-31T23:59:59Z"}',
        '{"type":"update","cursor":[1]}',
        '{"type":"update","cursor":"\\ud800"}',
        '{"type":{}}',
        '{"type":"update","awaited":{"KGS/USD":5}}',
        "[" * 200_000,
        '{"type":"update","quotes":' + "[" * 200_000,
    ],
    ids=lambda wrong: repr(wrong)[:60],
)
async def test_what_is_not_a_frame_is_a_loss(wrong: str | bytes, impatient: None, quote_of: QuoteOf) -> None:
    acts = tells(wrong), tells(frame(quote_of("KGS", "87.45")))
    async with scripted(*acts) as script, subscribe(script.url) as subscription:
        assert await _change(subscription) == ()
        assert "what is not a frame" in subscription.trouble
        assert (await soon(subscription)).symbol == KGS


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "NaN"},
        {"price": "Infinity"},
        {"price": "-1"},
        {"price": "0"},
        {"price": "1e400"},
        {"price": "٣"},
        {"price": 0.0114},
        {"price": [0, [1], 2]},
        {"price": "1" * 70},
        {"inverse": "sNaN"},
        {"previous": "-Infinity"},
        {"change": "NaN"},
        {"change_percent": "NaN"},
        {"value": "NaN"},
        {"next": {"price": "NaN", "inverse": "1", "as_of": "2026-05-23"}},
        {"nominal": "100"},
        {"status": ["live"]},
        {"source": 5},
        {"source_name": "\ud800"},
        {"source_site": None},
        {"corrected": "no"},
        {"as_of": "0001-01-01T00:00:00+14:00"},
        {"as_of": "9999-12-31T23:00:00-14:00"},
        {"published_at": "2026-05-22T12:00:00"},
        {"due_at": "9999-12-31T23:00:00-14:00"},
        {"symbol": "K" * 10_000_000},
    ],
    ids=lambda wrong: repr(wrong)[:60],
)
def test_a_quote_with_nonsense_in_it_is_not_read(wrong: dict[str, Any], quote_of: QuoteOf) -> None:
    said = json.loads(wire.encode_quote(quote_of("KGS", "87.45")))
    assert read_frame(frame(quotes=[said])).quotes

    with pytest.raises(ValueError, match="the server sent what is not a frame") as error:
        read_frame(frame(quotes=[said | wrong]))

    assert len(str(error.value)) < 500


async def test_members_and_kinds_that_are_newer_than_the_client_are_ignored(quote_of: QuoteOf) -> None:
    said = json.loads(wire.encode_quote(quote_of("KGS", "87.45"))) | {"colour": "blue", "status": "frozen"}
    acts = tells('{"type":"news","cursor":"1-0"}', frame(quotes=[said], weather="fine"))
    async with scripted(acts) as script, subscribe(script.url) as subscription:
        assert (await soon(subscription)).status == "frozen"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_address_that_was_never_right_is_refused(status: int, impatient: None) -> None:
    async with http_site(answer(b"", status)) as url, subscribe(url) as subscription:
        with pytest.raises(Refused, match=f"{url} answered {status}: is this the address") as refused:
            await soon(subscription)

    assert refused.value.code == status


@pytest.mark.parametrize("status", [301, 302, 308])
async def test_an_address_that_redirects_to_another_scheme_is_refused_with_the_right_one(
    status: int, impatient: None
) -> None:
    moved = answer(b"", status, Location="https://example.org/rates/v1/stream?symbols=KGS")
    async with http_site(moved) as url, subscribe(url, ["KGS"]) as subscription:
        with pytest.raises(Refused) as refused:
            await soon(subscription)

    assert refused.value.code == status
    assert str(refused.value) == f"{url} redirects to https://example.org/rates: use that address"


async def test_a_redirect_during_an_outage_is_a_loss(impatient: None, quote_of: QuoteOf) -> None:
    acts = tells(frame(quote_of("KGS", "87.45")), then=1001), tells(frame(quote_of("KGS", "87.50")))
    async with scripted(*acts) as script, subscribe(script.url) as subscription:
        await soon(subscription)
        script.statuses, script.location = [302, 301, 302], "https://status.example.org/"
        while not subscription.trouble.startswith("the server redirects"):
            await _change(subscription)
        trouble = subscription.trouble

        assert str((await soon(subscription)).inverse) == "87.50"
    assert trouble == "the server redirects to https://status.example.org/"


async def test_a_server_that_has_no_room_or_goes_away_for_a_while_is_asked_again(
    impatient: None, quote_of: QuoteOf
) -> None:
    acts = tells(frame(quote_of("KGS", "87.45")), then=1001), tells(frame(quote_of("KGS", "87.50")))
    async with scripted(*acts) as script, subscribe(script.url) as subscription:
        script.statuses = [503, 429, 502]
        first = await soon(subscription)
        script.statuses = [404, 503]
        second = await soon(subscription)

    assert [str(each.inverse) for each in (first, second)] == ["87.45", "87.50"]


async def test_an_outage_is_logged_once_and_so_is_its_end(
    impatient: None, quote_of: QuoteOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="ticker.client")
    acts = tells(frame(), then=1001, reason="stopping"), drops, drops, tells(frame(quote_of("KGS", "87.45")))
    async with scripted(*acts) as script, subscribe(script.url) as subscription:
        await soon(subscription)

    assert [record.getMessage() for record in caplog.records if record.name.startswith("ticker.client")] == [
        f"no connection to {script.url}: the server closed it: 1001 stopping; trying again",
        f"connected to {script.url} again",
    ]


def test_the_delays_are_random_and_grow_from_half_a_second_to_twenty() -> None:
    few, many = ([delay(failures) for _ in range(2000)] for failures in (0, 50))

    assert 0.5 <= min(few) < 0.55
    assert 0.95 < max(few) <= 1.0
    assert 0.5 <= min(many) < 1.5
    assert 19 < max(many) <= 20
    assert max(delay(3) for _ in range(2000)) <= 8
    assert connection.SILENCE_SECONDS == 60


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://HOST", "http://HOST"),
        ("https://host/rates/", "https://host/rates"),
        ("wss://host:8443/", "https://host:8443"),
        ("ws://[::1]:80", "http://[::1]:80"),
        ("http://example.org.:1", "http://example.org.:1"),
        ("http://мой.example/курс", "http://мой.example/курс"),
        ("http://me:p%20w@host", "http://me:p%20w@host"),
        ("http://me@host:1/a", "http://me:@host:1/a"),
        ("http://@host", "http://:@host"),
    ],
)
def test_an_address_is_one_of_the_service(url: str, expected: str) -> None:
    assert service_url(url) == expected


SCHEME, PORT = "it does not begin with https:// or http://", "its port is not a number from 1 to 65535"
SPACE, LONG = (
    "it has a space, which is written %20 in a path",
    "its host, or a part of it, is too long or empty",
)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", SCHEME),
        ("host", SCHEME),
        ("host:8080", SCHEME),
        ("ftp://host", SCHEME),
        ("http://", "it has no host"),
        ("http://host:x/", PORT),
        ("http://host:0", PORT),
        ("http://host:99999", PORT),
        ("http://h?a=1", "it has a query or a fragment"),
        ("http://host/a b", SPACE),
        ("http://ho st", SPACE),
        ("http://host:80 ", SPACE),
        ("http://ho\N{NO-BREAK SPACE}st", SPACE),
        ("http://host/\0", SPACE),
        ("http://a..b", LONG),
        ("http://.host", LONG),
        (f"http://{'a' * 70}", LONG),
        (f"http://{'ы' * 60}.example", LONG),
        (f"http://{'a.' * 150}b", LONG),
        ("http://[::1", "its host can't be read"),
    ],
    ids=lambda text: repr(text)[:30],
)
def test_what_is_not_an_address_is_said_at_once(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{url!r} is not the address of a service: {words}")):
        subscribe(url)


def test_what_is_said_of_a_wrong_address_has_no_password() -> None:
    for wrong in ("http://me:secret@host:0", "http://me:%ffsecret@host", "me:secret@host"):
        with pytest.raises(ValueError, match="is not the address of a service: it") as error:
            subscribe(wrong)
        assert "secret" not in str(error.value)


async def test_a_user_needs_no_password(site: Site, publisher: Publisher, quote_of: QuoteOf) -> None:
    await publisher.say(quote_of("KGS", "87.45"))
    async with subscribe(site.url.replace("//", "//me@")) as subscription:
        assert (await soon(subscription)).symbol == KGS


async def test_a_password_is_sent_and_not_logged(impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    async with http_site(answer(b"", 403)) as url:
        subscription = subscribe(url.replace("//", "//me:secret@"))
        with pytest.raises(Refused, match=f"^{url} answered"):
            await soon(subscription)

    assert "secret" not in caplog.text


# What it knows, without any connection.


def heard(known: Known, text: str, at: float = 0.0) -> list[tuple[str, str]]:
    return [(str(each.inverse), each.status) for each in known.hear(read_frame(text), at)]


@pytest.fixture
def at(quote_of: QuoteOf) -> Callable[..., Quote]:
    """A som, published so many seconds after noon."""

    def at(seconds: int, inverse: str, **others: Any) -> Quote:
        return quote_of("KGS", inverse, published_at=NOON + timedelta(seconds=seconds), **others)

    return at


@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_no_older_quote_is_given(kind: str, at: Callable[..., Quote]) -> None:
    known, later = Known(), NOON + timedelta(hours=1)
    heard(known, frame(at(10, "87.50"), time=later))

    assert heard(known, frame(at(9, "87.45"), kind=kind, time=later)) == []
    assert str(known.quotes[KGS].inverse) == "87.50"
    assert heard(known, frame(at(10, "87.51"), kind=kind, time=later)) == [("87.51", "live")]
    assert heard(known, frame(at(10, "87.51"), kind=kind, time=later)) == []
    assert heard(known, frame(at(11, "87.51"), kind=kind, time=later)) == [("87.51", "live")]


def test_an_older_quote_of_a_symbol_that_was_away_is_not_given_either(at: Callable[..., Quote]) -> None:
    known, later = Known(), NOON + timedelta(hours=1)
    heard(known, frame(at(10, "87.50"), time=later))
    heard(known, frame(time=later, awaited={"KGS/USD": "It has not been published yet"}))
    assert known.quotes == {}

    assert heard(known, frame(at(9, "87.45"), time=later)) == []


def test_what_a_fast_clock_published_is_replaced_when_the_clock_is_right_again(
    at: Callable[..., Quote],
) -> None:
    known = Known()
    heard(known, frame(at(86400, "87.50"), time=NOON + timedelta(days=1)))

    assert heard(known, frame(at(10, "87.45"), time=NOON + timedelta(seconds=11))) == [("87.45", "live")]


def test_a_quote_is_late_from_its_due_moment_on_and_no_more_if_the_clock_was_set_back(
    at: Callable[..., Quote],
) -> None:
    known = Known()
    quote = at(0, "87.45", due_at=NOON + timedelta(seconds=60))
    assert heard(known, frame(quote), at=100.0) == [("87.45", "live")]
    assert known.seconds_left(110.0) == 50.0
    assert known.look(159.9) == ()

    assert known.look(160.0) == (replace(quote, status="stale"),)
    assert known.look(170.0) == ()
    assert known.seconds_left(170.0) is None
    # The server tells the same, once it is back.
    late = replace(quote, status="stale")
    assert heard(known, frame(late, kind="update", time=NOON + timedelta(seconds=70)), at=171.0) == []
    assert heard(known, frame(quote, kind="update"), at=172.0) == [("87.45", "live")]
    heartbeat = wire.encode_heartbeat("1-1", wire.encode_moment(NOON + timedelta(seconds=61)))
    assert heard(known, heartbeat, at=173.0) == [("87.45", "stale")]


def test_a_snapshot_replaces_symbols_and_reasons(at: Callable[..., Quote], quote_of: QuoteOf) -> None:
    known = Known()
    heard(known, frame(quote_of("KGS", "87.45"), awaited={"KZT/USD": "a", "TJS/USD": "b"}))
    heard(known, frame(kind="update", awaited={"TJS/USD": "c"}))
    assert known.awaited == {KZT: "a", TJS: "c"}
    heard(known, frame(quote_of("KZT", "471"), kind="update"))
    assert known.awaited == {TJS: "c"}

    heard(known, frame(quote_of("TJS", "9.28")))

    assert (list(known.quotes), known.awaited) == ([TJS], {})
