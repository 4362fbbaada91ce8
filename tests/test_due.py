"""
A quote that is past its `due_at` is stale in every way to read it, by the clock of the edge alone.

Nobody polls here: the publisher says a quote once, and the clock goes on.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from newsroom import Server
from stage import LONG
from test_edge import Client, Site, Web, client, digest, figures, place, running, stopped, until

import ticker.edge
from ticker import watch, wire
from ticker.edge.stream import NOTHING
from ticker.embedded import EmbeddedServer
from ticker.rates.model import Announcement, Pair, Quote
from ticker.store import Store

if TYPE_CHECKING:
    from tests.conftest import OpenStore, Publisher, QuoteOf

KGS, KZT = Pair("KGS", "USD"), Pair("KZT", "USD")
FRIDAY = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)
SATURDAY, TUESDAY = date(2026, 11, 28), datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
DUE = datetime(2026, 11, 27, 18, 5, tzinfo=UTC)
"""Five minutes past Saturday's midnight in Bishkek, from which the announced rate holds."""


class Clock:
    """A wall clock that a test sets."""

    def __init__(self, now: datetime = FRIDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """On Friday evening; edges look at it all the time, as it does not go by itself."""
    monkeypatch.setattr(ticker.edge, "CLOCK_SECONDS", 0.05)
    return Clock()


@pytest.fixture
async def site(store: Store, clock: Clock) -> AsyncIterator[Site]:
    async with running(store, clock=clock) as site:
        yield site


@pytest.fixture
async def web(site: Site) -> AsyncIterator[Web]:
    async with aiohttp.ClientSession(site.url, auto_decompress=False) as session:
        yield Web(session)


@pytest.fixture
def say(site: Site, publisher: Publisher) -> Callable[..., Awaitable[None]]:
    """Publish, and wait until the edge has it."""

    async def say(*quotes: Any) -> None:
        await publisher.say(*quotes)
        await until(lambda: site.broadcast.mirror.cursor == publisher.seen)

    return say


Say = Callable[..., Awaitable[None]]


@pytest.fixture
async def weekend(say: Say, quote_of: QuoteOf) -> None:
    """KGS has announced a rate for Saturday, KZT is due on Tuesday, TMT never."""
    coming = Announcement(price=Decimal("0.0114"), inverse=Decimal("87.71"), as_of=SATURDAY)
    await say(
        quote_of("KGS", "87.45", next=coming, due_at=DUE),
        quote_of("KZT", "525.3", source="nbk", due_at=TUESDAY),
        quote_of("TMT", "3.5", source="peg", status="pegged"),
    )


async def set_to(clock: Clock, now: datetime, site: Site) -> None:
    """Set the clock, and wait until the edge has looked at it."""
    clock.now = now
    late = {str(symbol): row.due_at for symbol, row in site.broadcast.mirror._rows.items() if row.due_at}
    wanted = {symbol for symbol, due_at in late.items() if due_at <= now}
    await until(lambda: {str(each) for each in site.broadcast.mirror.late} == wanted)


def statuses(message: dict[str, Any]) -> dict[str, str]:
    return {quote["symbol"][:3]: quote["status"] for quote in message["quotes"]}


@asynccontextmanager
async def events(site: Site, query: str = "", **headers: str) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """What an EventSource reads: a function that gives the next event's id and message."""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{site.url}/v1/events{query}") as answer,
    ):

        async def read() -> tuple[str, dict[str, Any]]:
            fields: dict[str, str] = {}
            while "data" not in fields:
                async with asyncio.timeout(10):
                    line = (await answer.content.readline()).decode().strip()
                name, _, value = line.partition(": ")
                fields[name] = value
            return fields["id"], json.loads(fields["data"])

        yield read


# Every way of reading.


@pytest.mark.usefixtures("weekend")
async def test_subscribers_are_told_of_a_late_quote_once_with_the_cursor_as_it_was(
    site: Site, clock: Clock
) -> None:
    async with (
        client(site) as all_of_it,
        client(site, "/v1/stream?symbols=KZT,TMT") as other,
        events(site) as read,
    ):
        first, chosen, (identity, event) = await all_of_it.receive(), await other.receive(), await read()
        assert statuses(first) == statuses(event) == {"KGS": "live", "KZT": "live", "TMT": "pegged"}

        await set_to(clock, DUE, site)
        update = await all_of_it.receive()

        assert (update["type"], update["cursor"], statuses(update)) == (
            "update",
            first["cursor"],
            {"KGS": "stale"},
        )
        # The announcement stays: nobody has said since what holds now.
        assert update["quotes"] == [first["quotes"][0] | {"status": "stale"}]
        assert update["time"] == "2026-11-27T18:05:00.000Z"
        assert await read() == (identity, update)
        await set_to(clock, TUESDAY, site)
        assert statuses(await all_of_it.receive()) == {"KZT": "stale"}
        told = await other.receive()
        assert (statuses(told), told["cursor"]) == ({"KZT": "stale"}, chosen["cursor"])


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("/v1/quotes", ["live", "live", "pegged"], ["stale", "live", "pegged"]),
        ("/v1/quotes?symbols=KGS", ["live"], ["stale"]),
        ("/v1/quotes/KGS", ["live"], ["stale"]),
        ("/v1/line.html", ["live", "live", "pegged"], ["stale", "outdated", "live", "pegged"]),
        ("/v1/line.svg", [], ["outdated"]),
    ],
)
@pytest.mark.usefixtures("weekend")
async def test_an_answer_over_http_changes_and_so_does_its_tag(
    path: str, before: list[str], after: list[str], site: Site, web: Web, clock: Clock
) -> None:
    _, first, said = await web.get(path)

    await set_to(clock, DUE, site)
    status, second, says = await web.get(path, If_None_Match=first["ETag"])

    assert (status, words(said), words(says)) == (200, before, after)
    assert (await web.get(path, If_None_Match=second["ETag"]))[::2] == (304, b"")
    assert cursors(said) == cursors(says)


def words(body: bytes) -> list[str]:
    """The statuses that an answer tells a program, and the word for one that is stale."""
    return re.findall(r'(?:status"?[:=]"|\()(live|stale|pegged|outdated)\b', now_shown(body.decode()))


def now_shown(page: str) -> str:
    """An answer without what stands behind the line for later."""
    return page.partition("<template>")[0]


def cursors(body: bytes) -> list[str]:
    return re.findall(r'"cursor":"([^"]+)', body.decode())


@pytest.mark.parametrize("path", ["/v1/quotes?symbols=KZT,TMT", "/v1/quotes/KZT"])
@pytest.mark.usefixtures("weekend")
async def test_an_answer_without_the_late_quote_keeps_its_tag(
    path: str, site: Site, web: Web, clock: Clock
) -> None:
    tag = (await web.get(path))[1]["ETag"]
    await set_to(clock, DUE, site)

    assert (await web.get(path, If_None_Match=tag))[0] == 304


@pytest.mark.usefixtures("weekend")
async def test_a_symbol_the_other_way_round_is_late_as_the_symbol_is(
    site: Site, web: Web, clock: Clock
) -> None:
    paths = ("/v1/quotes?symbols=USD/KGS", "/v1/quotes/USD/KGS", "/v1/quotes?symbols=KGS,USD/KGS,TMT")
    async with (
        client(site, "/v1/stream?symbols=USD/KGS,KGS") as reader,
        client(site, "/v1/stream?symbols=USD/KZT") as other,
    ):
        snapshot = await reader.receive()
        await other.receive()
        before = {path: (await web.get(path))[1]["ETag"] for path in paths}
        await set_to(clock, DUE, site)
        update = await reader.receive()
        await set_to(clock, TUESDAY, site)
        assert [quote["symbol"] for quote in (await other.receive())["quotes"]] == ["USD/KZT"]

    assert [(quote["symbol"], quote["status"]) for quote in snapshot["quotes"]] == [
        ("KGS/USD", "live"),
        ("USD/KGS", "live"),
    ]
    assert [(quote["symbol"], quote["status"]) for quote in update["quotes"]] == [
        ("KGS/USD", "stale"),
        ("USD/KGS", "stale"),
    ]
    assert update["cursor"] == snapshot["cursor"]
    for path in paths:
        status, headers, body = await web.get(path, If_None_Match=before[path])
        assert (status, body.count(b'"stale"'), body.count(b'"live"')) == (200, 1 + ("TMT" in path), 0)
        assert (await web.get(path, If_None_Match=headers["ETag"]))[0] == 304
    async with client(site, f"/v1/stream?symbols=USD/KGS,KGS&cursor={snapshot['cursor']}") as returned:
        assert figures(await returned.receive()) == figures(update)


@pytest.mark.usefixtures("weekend")
async def test_operators_are_told_which_quote_is_late_since_when(site: Site, web: Web, clock: Clock) -> None:
    assert (await web.json("/health"))["notes"] == ["2 of 5 symbols have no quote yet"]

    await set_to(clock, DUE + timedelta(hours=1), site)
    health = await web.json("/health")
    _, _, metrics = await web.get("/metrics")

    assert (health["status"], health["quotes"]["KGS/USD"]) == ("warn", "stale")
    assert "KGS/USD is stale, as of 2026-05-22, late since 2026-11-27T18:05:00Z" in health["notes"]
    assert b'ticker_quote_status{status="stale",symbol="KGS/USD"} 1.0' in metrics
    assert b'ticker_quote_status{status="live",symbol="KGS/USD"} 0.0' in metrics
    await set_to(clock, TUESDAY, site)
    assert (await web.json("/health", 503))["status"] == "fail"


@pytest.mark.usefixtures("weekend")
async def test_the_terminal_goes_by_the_server_s_clock(site: Site, clock: Clock) -> None:
    assert [quote.status for quote in await watch.quotes(site.url)] == ["live", "live", "pegged"]

    await set_to(clock, DUE, site)
    assert [quote.status for quote in await watch.quotes(site.url)] == ["stale", "live", "pegged"]


@pytest.mark.usefixtures("weekend")
async def test_an_edge_needs_neither_redis_nor_a_poller_to_find_it_out(
    site: Site, web: Web, clock: Clock, redis_server: EmbeddedServer
) -> None:
    async with client(site) as reader:
        await reader.receive()
        with stopped(redis_server):
            await set_to(clock, DUE, site)

            assert statuses(await reader.receive()) == {"KGS": "stale"}
            assert statuses(await web.json("/v1/quotes"))["KGS"] == "stale"


@pytest.mark.usefixtures("weekend")
async def test_what_is_stored_stays_as_it_was_published(site: Site, store: Store, clock: Clock) -> None:
    before = await store.snapshot()
    await set_to(clock, TUESDAY, site)

    assert await store.snapshot() == before
    assert {quote.status for _, quote in before.rows} == {"live", "pegged"}


# When.


async def test_a_quote_is_late_at_its_moment_and_not_only_when_the_clock_is_looked_at(
    store: Store, publisher: Publisher, quote_of: QuoteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The next look at the clock comes after the test.
    monkeypatch.setattr(ticker.edge, "CLOCK_SECONDS", LONG)
    async with running(store) as site, client(site) as reader:
        due_at = (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)
        await publisher.say(quote_of("KGS", "87.45", due_at=due_at))
        while not (frame := await reader.receive())["quotes"]:
            pass
        assert statuses(frame) == {"KGS": "live"}

        update = await reader.receive()

        assert statuses(update) == {"KGS": "stale"}
        assert datetime.now(UTC) >= due_at


@pytest.mark.usefixtures("weekend")
async def test_a_clock_that_steps_back_makes_quotes_fresh_again(site: Site, web: Web, clock: Clock) -> None:
    tag = (await web.get("/v1/quotes"))[1]["ETag"]
    async with client(site) as reader:
        cursor = (await reader.receive())["cursor"]
        await set_to(clock, DUE, site)
        assert statuses(await reader.receive()) == {"KGS": "stale"}

        await set_to(clock, FRIDAY, site)
        update = await reader.receive()

    assert (statuses(update), update["cursor"]) == ({"KGS": "live"}, cursor)
    assert (await web.get("/v1/quotes", If_None_Match=tag))[0] == 304
    # Whoever was away when the clock was set is told, too.
    async with client(site, f"/v1/stream?cursor={cursor}") as reader:
        assert statuses(await reader.receive()) == {"KGS": "live"}


@pytest.mark.usefixtures("weekend")
async def test_a_new_rate_ends_it_and_a_late_one_is_stale_from_the_first(
    site: Site, clock: Clock, say: Say, quote_of: QuoteOf
) -> None:
    await set_to(clock, DUE, site)
    async with client(site) as reader:
        assert statuses(await reader.receive())["KGS"] == "stale"
        await say(quote_of("KGS", "87.71", due_at=TUESDAY))
        first = await reader.receive()
        await say(quote_of("KZT", "526", due_at=DUE))
        second = await reader.receive()

    assert (statuses(first), statuses(second)) == ({"KGS": "live"}, {"KZT": "stale"})
    assert place(second) > place(first)


async def test_a_quote_that_is_stale_already_is_told_only_once(
    site: Site, clock: Clock, say: Say, quote_of: QuoteOf, web: Web
) -> None:
    await say(quote_of("KGS", "87.45", status="stale", due_at=DUE), quote_of("KZT", "525", due_at=DUE))
    tag = (await web.get("/v1/quotes?symbols=KGS"))[1]["ETag"]
    async with client(site) as reader:
        await reader.receive()
        await set_to_late(clock, site, "KZT/USD")

        assert statuses(await reader.receive()) == {"KZT": "stale"}
        assert (await web.get("/v1/quotes?symbols=KGS", If_None_Match=tag))[0] == 304


async def set_to_late(clock: Clock, site: Site, *symbols: str) -> None:
    clock.now = DUE
    await until(lambda: site.broadcast.mirror.late == {Pair.parse(symbol) for symbol in symbols})


# Whoever comes back, reads slowly or comes to another server.


@pytest.mark.usefixtures("weekend")
async def test_whoever_comes_back_learns_what_became_late_in_the_meantime(site: Site, clock: Clock) -> None:
    async with client(site) as reader:
        cursor = (await reader.receive())["cursor"]
    await set_to(clock, DUE, site)

    async with client(site, f"/v1/stream?cursor={cursor}") as reader:
        update = await reader.receive()
    async with events(site, **{"Last-Event-ID": cursor}) as read:
        identity, event = await read()

    assert (update["type"], update["cursor"], statuses(update)) == ("update", cursor, {"KGS": "stale"})
    assert (identity, event) == (cursor, update)


@pytest.mark.usefixtures("weekend")
async def test_updates_of_as_many_quotes_are_not_mistaken_for_each_other(
    site: Site, clock: Clock, say: Say, quote_of: QuoteOf
) -> None:
    await set_to(clock, DUE, site)
    async with client(site) as reader:
        before = (await reader.receive())["cursor"]
        (group,) = site.broadcast._groups.values()
        # At one moment, as the frames of the next one are made anew.
        frames = [group.encoded(site.broadcast.mirror.current([symbol])) for symbol in (KGS, KZT)]
        await say(quote_of("KZT", "526"))
        update = await reader.receive()

    assert [symbol in frame for symbol, frame in zip((b"KGS/USD", b"KZT/USD"), frames, strict=True)] == [
        True
    ] * 2
    assert digest(update) == ("update", {"KZT": "526"})
    async with client(site, f"/v1/stream?cursor={update['cursor']}") as one:
        assert digest(await one.receive()) == ("update", {"KGS": "87.45"})
    async with client(site, f"/v1/stream?cursor={before}") as other:
        assert digest(await other.receive()) == ("update", {"KGS": "87.45", "KZT": "526"})


@pytest.mark.usefixtures("weekend")
async def test_a_slow_reader_is_told_as_soon_as_it_reads(site: Site, clock: Clock) -> None:
    async with client(site) as reader:
        cursor = (await reader.receive())["cursor"]
        (slow,) = site.broadcast.subscribers
        slow.block(NOTHING, site.broadcast.mirror.cursor)
        site.broadcast.sockets.change(slow.sock, writing=False)
        await set_to(clock, DUE, site)
        site.broadcast.sockets.change(slow.sock, writing=True)

        update = await reader.receive()

    assert (statuses(update), update["cursor"]) == ({"KGS": "stale"}, cursor)


@pytest.mark.usefixtures("weekend")
async def test_two_servers_agree_and_a_client_may_go_from_one_to_the_other(
    site: Site, clock: Clock, redis_url: str, open_store: OpenStore
) -> None:
    async with open_store(redis_url) as store, running(store, clock=clock) as other:
        await until(lambda: other.broadcast.mirror.cursor == site.broadcast.mirror.cursor)
        await set_to(clock, DUE, site)
        await set_to(clock, DUE, other)
        tags = []
        for each in (site, other):
            async with aiohttp.ClientSession(each.url) as session:
                tags.append((await Web(session).get("/v1/quotes"))[1]["ETag"])
        async with client(site) as reader:
            snapshot = await reader.receive()
        async with client(other, f"/v1/stream?cursor={snapshot['cursor']}") as reader:
            update = await reader.receive()

    assert tags[0] == tags[1]
    assert (update["type"], update["quotes"]) == ("update", snapshot["quotes"][:1])


# The server's time.


@pytest.mark.parametrize("shift", [timedelta(days=-1), timedelta(days=1)])
async def test_frames_and_answers_tell_the_time_of_the_clock_that_decides(
    store: Store, shift: timedelta
) -> None:
    def clock() -> datetime:
        return datetime.now(UTC) + shift

    def is_now(at: datetime) -> bool:
        return timedelta(seconds=-1) < clock() - at < timedelta(minutes=5)

    async with (
        running(store, clock=clock, heartbeat_seconds=1) as site,
        events(site) as read,
        client(site) as reader,
        aiohttp.ClientSession(site.url) as session,
    ):
        frames = [await reader.receive(), await reader.receive(), await reader.receive()]
        frames += [(await read())[1], (await read())[1]]
        async with session.get("/v1/quotes") as answer:
            said = parsedate_to_datetime(answer.headers["Date"])
    times = [datetime.fromisoformat(frame["time"]) for frame in frames]

    assert [frame["type"] for frame in frames] == ["snapshot", *["heartbeat"] * 2, "snapshot", "heartbeat"]
    assert all(is_now(at) for at in (*times, said)), (times, said)
    # The beats of one subscriber are a second apart.
    assert times[2] - times[1] > timedelta(seconds=0.5)


async def test_a_snapshot_tells_the_time_at_which_it_is_sent_and_the_one_before_is_let_go(
    site: Site, clock: Clock
) -> None:
    # Somebody who stays keeps what was encoded alive.
    async with client(site) as bystander:
        first = await bystander.receive()
        for minute in range(1, 4):
            clock.now = FRIDAY + timedelta(minutes=minute)
            before = site.broadcast.now
            await until(lambda: site.broadcast.now > before)  # noqa: B023 - it ends within the turn
            async with client(site) as reader:
                assert (await reader.receive())["time"] == f"2026-11-27T17:0{minute}:00.000Z"
        (group,) = site.broadcast._groups.values()
        kept = [data for _, data in group._frames.values()]

    assert first["time"] == "2026-11-27T17:00:00.000Z"
    assert site.broadcast._kept_bytes == sum(map(len, kept))
    assert len(kept) == 1


async def test_a_heartbeat_is_made_once_for_all_who_get_it_at_a_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    encode = wire.encode_heartbeat
    monkeypatch.setattr(
        ticker.edge.stream.wire, "encode_heartbeat", lambda *words: made.append(words) or encode(*words)
    )
    async with client(site) as one, client(site) as other:
        await one.receive()
        await other.receive()
        for subscriber in site.broadcast.subscribers:
            subscriber.beat()

        assert await heartbeat(one) == await heartbeat(other)
    assert len(made) == 1


async def heartbeat(reader: Client) -> dict[str, Any]:
    beat = await reader.receive()
    assert beat["type"] == "heartbeat"
    return beat


# Processes.


POLLER = """
import asyncio, sys, time
from ticker import wire
from ticker.rates.model import NOWHERE
from ticker.store import Batch, Store

async def main(url, quotes):
    async with Store(url, prefix="{ticker}:", stream_length=100, history_days=30) as store:
        now_ms = time.time_ns() // 1_000_000
        lease = await store.acquire("poller", seconds=600, now_ms=now_ms, force=True)
        await store.write(Batch(quotes=wire.decode_quotes(quotes)), lease=lease, seen=NOWHERE, now_ms=now_ms)
        print("said", flush=True)
        await asyncio.sleep(3600)

asyncio.run(main(*sys.argv[1:]))
"""
"""A process that holds the lease, publishes once, and is there until it is killed."""


async def killed_poller(url: str, *quotes: Quote) -> None:
    """Start one, and kill it as soon as it has published these."""
    words = f"[{','.join(map(wire.encode_quote, quotes))}]"
    poller = await asyncio.create_subprocess_exec(sys.executable, "-c", POLLER, url, words, stdout=PIPE)
    assert poller.stdout
    async with asyncio.timeout(40):
        assert await poller.stdout.readline() == b"said\n"
        poller.kill()
        await poller.wait()


@asynccontextmanager
async def edges(url: str, count: int) -> AsyncIterator[list[Server]]:
    """So many processes with an edge each, on one Redis."""
    async with AsyncExitStack() as stack:
        some = [Server(url, ("KGS", "KZT", "TMT"), {}) for _ in range(count)]
        for each in some:
            stack.push_async_callback(each.kill)
            await each.start()
        yield some


async def read_in_every_way(server: Server) -> dict[str, list[str]]:
    """The symbols that are stale, by the way they were read; and the ETag of all quotes."""
    async with aiohttp.ClientSession(server.url) as session:

        async def text(path: str) -> str:
            async with session.get(path) as answer:
                return await answer.text()

        async with session.get("/v1/quotes") as answer:
            found = {"tag": [answer.headers["ETag"]], "quotes": stale(await answer.json())}
        async with session.ws_connect("/v1/stream") as stream:
            found["stream"] = stale(await stream.receive_json(timeout=20))
        async with session.get("/v1/events") as answer:
            while not (line := await answer.content.readline()).startswith(b"data: "):
                assert line
            found["events"] = stale(json.loads(line[6:]))
        html = now_shown(await text("/v1/line.html"))
        found["html"] = re.findall(r'data-symbol="(\S+)".* data-status="stale"', html)
        found["svg"] = re.findall(r"([A-Z/]+) = \S+ \(outdated\)", await text("/v1/line.svg"))
        found["notes"] = re.findall(r"([A-Z/]+) is stale, as of \S+, late since", await text("/health"))
        metric = r'^ticker_quote_status{status="stale",symbol="(\S+)"} 1.0'
        found["metrics"] = re.findall(metric, await text("/metrics"), re.MULTILINE)
    return found


def stale(message: dict[str, Any]) -> list[str]:
    return [quote["symbol"] for quote in message["quotes"] if quote["status"] == "stale"]


async def heard_until(server: Server, told: dict[str, str]) -> list[dict[str, Any]]:
    """The frames with quotes that a subscriber gets until one tells these statuses."""
    heard: list[dict[str, Any]] = []
    async with aiohttp.ClientSession(server.url) as session, session.ws_connect("/v1/stream") as stream:
        async with asyncio.timeout(90):
            while not heard or statuses(heard[-1]) != told:
                frame = await stream.receive_json()
                heard += [frame] if frame.get("quotes") else []
    return heard


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_edges_whose_poller_was_killed_serve_its_quotes_as_stale_when_they_are_due(
    redis_url: str, quote_of: QuoteOf
) -> None:
    """KGS holds until a rate announced for a day that begins meanwhile, KZT until a missed publication."""
    async with edges(redis_url, 2) as (one, other):
        began = datetime.now(UTC).replace(microsecond=0)
        first, second = began + timedelta(seconds=15), began + timedelta(seconds=20)
        coming = Announcement(price=Decimal("0.0114"), inverse=Decimal("87.71"), as_of=first.date())
        await killed_poller(
            redis_url,
            quote_of("KGS", "87.45", next=coming, due_at=first),
            quote_of("KZT", "525.3", source="nbk", due_at=second),
            quote_of("TMT", "3.5", source="peg", status="pegged"),
        )
        snapshot, *updates = await heard_until(other, {"KZT": "stale"})
        ended = datetime.now(UTC)
        told, agreed = [await read_in_every_way(each) for each in (one, other)]
        command = (sys.executable, "-m", "ticker", "quotes", "--url", one.url)
        terminal = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        line, _ = await terminal.communicate()

    assert ended >= second
    assert statuses(snapshot) == {"KGS": "live", "KZT": "live", "TMT": "pegged"}
    assert [statuses(each) for each in updates] == [{"KGS": "stale"}, {"KZT": "stale"}]
    assert {each["cursor"] for each in updates} == {snapshot["cursor"]}
    assert told == agreed
    assert told.pop("tag") == [f'W/"{snapshot["cursor"]}-3"']
    assert told == {way: ["KGS/USD", "KZT/USD"] for way in told}
    assert line.decode().split("  •  ")[:2] == ["KGS/USD = 0.01144 (stale)", "KZT/USD = 0.001904 (stale)"]
