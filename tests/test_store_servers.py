"""The service on servers as operators run them: several processes, full, refused, cut off."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from banks import Bank, open_bank, table
from redis.exceptions import NoPermissionError
from servers import Server, certificates, cluster, free_ports, server, speaking_resp2, watched
from services import Service, running, start
from stage import answer, until

from ticker import deploy
from ticker.edge.mirror import Mirror, Row
from ticker.rates.events import Empty, Entry
from ticker.rates.model import NOWHERE, Cursor, Fixing, Pair, Rate
from ticker.rates.source import Outcome
from ticker.records import Document
from ticker.store import UNAVAILABLE, Behind, Done, Publication, Refused, Snapshot, Store
from ticker.store.errors import CLUSTER

if TYPE_CHECKING:
    from tests.conftest import Elected, OpenStore, QuoteOf

pytestmark = [pytest.mark.redis, pytest.mark.slow]
KGS, KZT = Pair("KGS", "USD"), Pair("KZT", "USD")
FRIDAY = date(2026, 5, 22)
NOON = datetime(2026, 5, 22, 6, tzinfo=UTC)
HOLD_WORDS = "is on hold until it is confirmed"


@pytest.fixture
async def one(short_path: Path) -> AsyncIterator[Server]:
    """A server of a test's own, which it may fill, stop and kill."""
    async with server(short_path / "redis") as found:
        yield found


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    async with open_bank() as found:
        found.answer = answer(table(date.today() - timedelta(days=1)))  # noqa: DTZ011 - any zone's will do
        yield found


def configured(folder: Path, url: str, bank: Bank | None = None, *, others: str = "") -> tuple[str, ...]:
    """The arguments of a service on this Redis that asks NBKR at `bank`, or nobody."""
    asked = f'base_url = "{bank.url}"\ninterval_seconds = 1' if bank else "enabled = false"
    silent = ("nbk", "nbt", "cbu", "cbr", "fawazahmed0", "frankfurter", "floatrates")
    folder.mkdir(exist_ok=True)
    (folder / "ticker.toml").write_text(
        f'symbols = ["KGS/USD"]\n[server]\nport = 0\n[redis]\nurl = "{url}"\nlease_seconds = 3\n{others}\n'
        f"[history]\nbackfill_days = 0\n[sources.nbkr]\n{asked}\n"
        + "".join(f"[sources.{key}]\nenabled = false\n" for key in silent)
    )
    return "--config", f"{folder}/ticker.toml"


async def told(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """What a command comes to: its exit code, its output and its log."""
    (folder / "log").unlink(missing_ok=True)
    command = start(folder, *arguments, environment=environment)
    with command.process as process:
        out, _ = await asyncio.to_thread(process.communicate, None, 60)
    return process.returncode, out, command.log


async def status(service: Service) -> str | None:
    quote = (await service.quotes()).get("KGS/USD")
    return quote and str(quote["status"])


async def kept(found: Server) -> dict[str, Any]:
    """All that pollers wrote, byte for byte, but for the lease and what sources answer all the time.

    The widget's script is no poller's: every edge keeps it, whenever it finds Redis again.
    """
    async with found.client() as client:
        keys = {str(key) for key in await client.keys("*")}
        keys -= {f"{{ticker}}:{name}" for name in ("leader", "fence", "poller", "source:nbkr", "scripts")}
        return {key: await client.dump(key) for key in sorted(keys)}


async def test_a_process_that_stood_still_while_another_took_over_writes_nothing(
    one: Server, bank: Bank, short_path: Path
) -> None:
    paths = short_path / "first", short_path / "second"
    first_file, second_file = (configured(path, one.url, bank) for path in paths)
    async with (
        running(paths[0], "serve", *first_file) as first,
        running(paths[1], "serve", *second_file) as second,
    ):
        await until(lambda: "standing by" in second.log)
        # A first rate that nobody else confirms is told after ten seconds.
        await until(lambda: status(first), 30)
        first.process.send_signal(signal.SIGSTOP)
        # It has news when it goes on, and asks for nothing in between.
        bank.answer = answer(table(datetime.now(UTC).date(), "87,9000"))
        await until(lambda: "poller: polling 1 sources" in second.log, 30)
        await until(lambda: has_price(second, "87.9000"), 30)
        bank.answer = answer(b"", 500)
        code, out, log = await told(paths[1], "hold", "KGS", *second_file)
        assert (code, HOLD_WORDS in out) == (0, True), log
        await until(lambda: status_is(second, "unconfirmed"))
        before = await kept(one)

        first.process.send_signal(signal.SIGCONT)
        await until(lambda: "the lease was lost" in first.log, 30)
        await asyncio.sleep(2)
        after = await kept(one)
        first.process.send_signal(signal.SIGTERM)
        await first.ended()
        at_last = await kept(one)

        assert before == after == at_last
        assert "on hold" in str((await second.get("health"))["notes"])
        assert await status(second) == "unconfirmed"


async def has_price(service: Service, inverse: str) -> bool:
    return (await service.quotes())["KGS/USD"]["inverse"] == inverse


async def status_is(service: Service, word: str) -> bool:
    return await status(service) == word


async def test_a_full_redis_still_gives_the_last_quotes_and_the_log_says_why_nothing_new_comes(
    one: Server, short_path: Path, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    async with open_store(one.url) as store:
        publisher = await elected(store)
        await publisher.say(quote_of("KGS", "87.45"))
        await store.release(publisher.lease)
    await one.tell("CONFIG", "SET", "maxmemory", 1)

    async with running(short_path, "serve", *configured(short_path, one.url)) as service:
        found = (await service.quotes())["KGS/USD"]["inverse"]
        ready, _ = await service.text(service.url + "readyz")
        await until(lambda: "ERROR" in service.log)

    assert (found, ready) == ("87.45", 200)
    [said] = re.findall(r"ERROR +(.*)", service.log)
    assert said.startswith("redis refuses writes, quotes wait in memory: "), said
    assert "maxmemory" in said


# Addresses of all kinds.


async def works(store: Store, elected: Elected, quote_of: QuoteOf) -> None:
    """Everything that pollers, edges and operators do."""
    publisher = await elected(store)
    fixing = fixing_of_kgs()
    quote, outcome = quote_of("KGS", "87.45"), Outcome(source="nbkr", failures=1)
    document = Document.of(bytes(range(256)), source="nbkr", address="http://h/", asked=FRIDAY, heard=NOON)
    entry = Entry(1, Empty(at=NOON, source="nbk", first=FRIDAY, last=FRIDAY))
    order = await store.order("hold", "KGS", "aigul@desk")
    [asked] = await store.orders()
    batch: dict[str, Any] = {
        "fixings": [fixing],
        "entries": [entry],
        "documents": [document],
        "outcomes": [outcome],
        "answers": [(asked.id, Done("on hold", done=True))],
    }
    cursor = await publisher.say(quote, **batch)
    await store.keep_script("0" * 16, "let it = 1", now_ms=1)
    async with aclosing(store.follow(NOWHERE)) as publications:
        async with asyncio.timeout(10):
            followed = await anext(publications)

    assert asked.id == order
    assert followed == Publication(cursor, (quote,))
    assert await store.snapshot() == Snapshot(cursor, ((cursor, quote),))
    assert await store.fixings([KGS]) == [fixing]
    assert await store.outcomes(["nbkr"]) == {"nbkr": outcome}
    assert await store.answered(order) == Done("on hold", done=True)
    assert (await store.ledger(), await store.last_event()) == ([entry], 1)
    assert await store.documents() == {document.sha256: document}
    assert await store.legacy_memory() is None
    assert (await store.scripts(), await store.script("0" * 16)) == ({"0" * 16}, "let it = 1")
    assert await store.renew(publisher.lease, seconds=60) == cursor
    polls = await store.polls()
    assert polls
    assert polls.owner == "test"
    await store.release(publisher.lease)
    assert not await store.led()


def fixing_of_kgs() -> Fixing:
    leg = Rate(source="nbkr", pair=KGS.inverse, value=Decimal("87.45"), nominal=1, as_of=FRIDAY)
    return Fixing(symbol=KGS, legs=(leg,))


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return certificates(tmp_path_factory.mktemp("ca"))


async def test_a_server_over_tls(
    ca: dict[str, str], short_path: Path, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    other = await asyncio.to_thread(certificates, short_path / "other")
    known = f"?ssl_ca_certs={ca['tls_ca_cert_file']}"
    async with server(short_path / "redis", requirepass="p/w", **ca) as found:
        address = f"rediss://:p%2Fw@{found.address}"
        async with open_store(address + known) as store:
            await store.greet()
            await works(store, elected, quote_of)
        async with open_store(f"{address}?ssl_cert_reqs=none") as store:
            await store.greet()
        for query in ("", f"?ssl_ca_certs={other['tls_ca_cert_file']}"):
            async with open_store(address + query) as store:
                assert "its certificate is not accepted: " in await refusal(store)
    with pytest.raises(Refused, match="ssl_ca_certs= is not an existing file"):
        open_store("rediss://h?ssl_ca_certs=/no/such.pem")


async def refusal(store: Store) -> str:
    with pytest.raises(Refused) as failure:
        await store.greet()
    return f"{failure.value.key}: {failure.value}"


async def test_a_server_that_knows_no_hello_is_spoken_to_as_before(
    one: Server, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    await one.tell("CONFIG", "SET", "requirepass", "secret")
    async with speaking_resp2(one) as door:
        async with open_store(f"redis://:secret@{door}") as store:
            await store.greet()
            await works(store, elected, quote_of)
        async with open_store(f"redis://:secret@{door}") as store:
            # Not greeted, as it was away at the start: the first call fails, the next does not.
            with pytest.raises(UNAVAILABLE):
                await store.snapshot()
            assert (await store.snapshot()).rows
        async with open_store(f"redis://:wrong@{door}") as store:
            assert await refusal(store) == "redis.url: it refused this user with this password"
        async with open_store(f"redis://{door}") as store:
            assert await refusal(store) == "redis.url: it requires a password, and the address has none"


async def test_an_edge_reads_at_a_replica_and_only_there(
    one: Server, short_path: Path, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    quote = quote_of("KGS", "87.45")
    async with server(short_path / "replica", f"replicaof 127.0.0.1 {one.port}") as replica:
        await until(lambda: is_in_step(replica), 30)
        reader = Store(one.url, read_url=replica.url, prefix="{ticker}:", stream_length=100, history_days=30)
        async with open_store(one.url) as store, reader:
            await reader.greet()
            publisher = await elected(store)
            cursor = await publisher.say(quote, fixings=[fixing_of_kgs()])
            async with aclosing(reader.follow(NOWHERE)) as publications, asyncio.timeout(10):
                followed = await anext(publications)
            one.kill()

            assert followed == Publication(cursor, (quote,))
            assert await reader.snapshot() == Snapshot(cursor, ((cursor, quote),))
            assert await reader.fixings([KGS]) == [fixing_of_kgs()]
            assert await reader.outcomes(["nbkr"]) == {"nbkr": Outcome(source="nbkr")}
            assert await reader.scripts() == frozenset()


async def is_in_step(replica: Server) -> bool:
    return bool((await replica.tell("ROLE"))[3] == "connected")


async def test_a_service_that_reads_at_a_replica_serves_without_its_master(
    one: Server, short_path: Path, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    async with server(short_path / "replica", f"replicaof 127.0.0.1 {one.port}") as replica:
        await until(lambda: is_in_step(replica), 30)
        async with open_store(one.url) as store:
            publisher = await elected(store)
            await publisher.say(quote_of("KGS", "87.45"))
            await store.release(publisher.lease)
        await until(lambda: replica.tell("EXISTS", "{ticker}:latest"))
        one.kill()
        file = configured(short_path / "s", one.url, others=f'read_url = "{replica.url}"')
        async with running(short_path / "s", "serve", *file) as service:
            assert (await service.quotes())["KGS/USD"]["inverse"] == "87.45"


@pytest.mark.parametrize("loss", ["another process took over", "the answer was lost"])
async def test_what_a_promoted_replica_never_got_is_not_published_again_under_the_same_cursors(
    loss: str,
    one: Server,
    short_path: Path,
    open_store: OpenStore,
    elected: Elected,
    quote_of: QuoteOf,
) -> None:
    async with (
        server(short_path / "replica", f"replicaof 127.0.0.1 {one.port}") as replica,
        open_store(one.url) as old,
        open_store(replica.url) as new,
    ):
        await until(lambda: is_in_step(replica), 30)
        first = await elected(old)
        known = await first.say(quote_of("KGS", "87.45"), quote_of("KZT", "471"))
        await until(lambda: replica.tell("EXISTS", "{ticker}:latest"))
        await replica.tell("REPLICAOF", "NO", "ONE")
        for value in ("87.46", "87.47"):
            await first.say(quote_of("KGS", value))
        # An edge that had all of it, and goes on at the new master.
        mirror: Mirror[str] = Mirror([KGS, KZT], str)
        shown(mirror, Publication(first.seen, tuple(quote for _, quote in (await old.snapshot()).rows)))
        one.kill()
        second = await elected(new) if loss == "another process took over" else type(first)(new, first.lease)
        second.seen = known
        board = {KGS: quote_of("KGS", "87.46"), KZT: quote_of("KZT", "471")}
        for each in (quote_of("KZT", "472"), quote_of("KGS", "87.48"), quote_of("KGS", "87.49")):
            board[each.symbol] = each
            try:
                await second.say(each)
            except Behind:
                await second.say(*board.values(), mode="everything")

        async with aclosing(new.follow(mirror.cursor)) as publications, asyncio.timeout(20):
            async for publication in publications:
                shown(mirror, publication)
                if publication.cursor == second.seen:
                    break
        assert (mirror.get(KGS), mirror.get(KZT)) == ("87.49", "472")
        assert second.seen.epoch > known.epoch
        # Once is enough.
        assert await second.say(quote_of("KZT", "473")) == Cursor(second.seen.epoch, 4)


def shown(mirror: Mirror[str], publication: Publication) -> None:
    rows = [(quote.symbol, Row(publication.cursor, str(quote.inverse))) for quote in publication.quotes]
    mirror.apply(publication.cursor, rows, now=NOON)


@pytest.mark.timeout(600)
async def test_whoever_takes_over_after_a_fail_over_is_heard_by_those_who_had_seen_more(
    bank: Bank, short_path: Path
) -> None:
    """Master and poller die together, and what both knew last is lost; the edge that is left has seen it."""
    today = datetime.now(UTC).date()
    paths = short_path / "first", short_path / "second"
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(watched(short_path / "redis"))
        files = [configured(path, found.url, bank) for path in paths]
        first = await stack.enter_async_context(running(paths[0], "serve", *files[0]))
        await until(lambda: status(first), 30)
        second = await stack.enter_async_context(running(paths[1], "serve", *files[1]))
        await until(lambda: "standing by" in second.log)
        old = await found.master()
        replicas = [each for each in found.servers if each is not old]
        # Stopped, they don't count how long their link is down: Sentinel promotes none that counts too much.
        for each in replicas:
            each.stop()
        await old.tell("CLIENT", "KILL", "TYPE", "replica")
        for value in ("87.4600", "87.4700", "87.4800"):
            bank.answer = answer(table(today, value.replace(".", ",")))
            await until(lambda: has_price(second, value), 30)  # noqa: B023 - awaited at once
        first.process.kill()
        old.kill()
        for each in replicas:
            each.go_on()
        bank.answer = answer(table(today, "87,4900"))
        await found.promoted(old)

        await until(lambda: has_price(second, "87.4900"), 60)
        assert "publishing everything again" in second.log


async def test_each_node_of_a_cluster_will_do_as_the_only_address(
    short_path: Path, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    async with cluster(short_path) as nodes:
        for node in nodes:
            async with open_store(f"redis+cluster://{node.address}") as store:
                await store.greet()
                await works(store, elected, quote_of)
            for each in nodes:
                await each.tell("FLUSHALL")
        for node in nodes:
            async with open_store(node.url) as store:
                assert await refusal(store) == f"redis.url: {CLUSTER}"


def test_in_a_cluster_the_prefix_must_have_braces() -> None:
    for prefix in ("ticker:", "{}ticker:", "ticker}:{"):
        with pytest.raises(Refused, match="a Cluster needs a prefix with a name in braces, like") as failure:
            Store("redis+cluster://h", prefix=prefix, stream_length=1, history_days=1)
        assert failure.value.key == "redis.prefix"


async def test_sentinels_lead_to_the_master(
    short_path: Path, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    async with watched(
        short_path, servers=2, requirepass="s", masterauth="s", sentinel_password="w"
    ) as found:
        url = found.url.replace("//", "//:s@")
        facts: Any = {"prefix": "{ticker}:", "stream_length": 100, "history_days": 30}
        async with Store(url, sentinels={"password": "w"}, **facts) as store:
            await store.greet()
            await works(store, elected, quote_of)
            found.sentinels[0].stop()
            async with Store(url, sentinels={"password": "w"}, **facts) as other:
                await other.greet()
                assert await other.last_event() == 1
            found.sentinels[0].go_on()
        async with Store(url, sentinels={"password": "x"}, **facts) as store:
            assert (await refusal(store)).startswith("redis.sentinel_username: the Sentinels refused")
        async with Store(url, **facts) as store:
            assert (await refusal(store)).startswith("redis.sentinel_username: the Sentinels refused")
        async with Store(found.url, sentinels={"password": "w"}, **facts) as store:
            assert await refusal(store) == "redis.url: it requires a password, and the address has none"
        async with Store(url.replace("/prices", "/p"), sentinels={"password": "w"}, **facts) as store:
            assert await refusal(store) == "redis.url: the Sentinels do not know this service"
        async with open_store(f"redis://:w@{found.sentinels[0].address}") as store:
            assert "the server there is a Sentinel: write redis+sentinel://" in await refusal(store)
        async with Store(f"redis+sentinel://{found.servers[1].address}/prices", **facts) as store:
            assert await refusal(store) == "redis.url: the server there is not a Sentinel"


# What a user may do.


def acl(which: str) -> str:
    """The rules of an ACL user, as operators get them."""
    found = re.search(rf"^user {which} on >PASSWORD (.*)$", deploy.text("redis-acl"), re.MULTILINE)
    assert found
    return found[1]


async def of_kind(kind: str, folder: Path, stack: AsyncExitStack) -> tuple[Sequence[Server], str]:
    """A Redis of this kind, all its nodes, and its address for a user `poller` with the password `pw`."""
    if kind == "server":
        one = await stack.enter_async_context(server(folder / "to"))
        return [one], f"redis://poller:pw@{one.address}"
    if kind == "cluster":
        nodes = await stack.enter_async_context(cluster(folder))
        return nodes, f"redis+cluster://poller:pw@{nodes[0].address}"
    found = await stack.enter_async_context(watched(folder, servers=2))
    return found.servers, found.url.replace("//", "//poller:pw@")


@pytest.mark.parametrize("kind", ["server", "cluster", "sentinel"])
async def test_a_poller_needs_no_right_but_those_of_the_kit(
    kind: str, short_path: Path, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    async with AsyncExitStack() as stack:
        nodes, url = await of_kind(kind, short_path, stack)
        for node in nodes:
            rights = acl("poller").split() + (["+cluster|slots", "+command"] if kind == "cluster" else [])
            await node.tell("ACL", "SETUSER", "poller", "on", ">pw", *rights)
        async with open_store(url) as store:
            await store.greet()
            await works(store, elected, quote_of)
        denied = [str(await node.tell("ACL", "LOG")) for node in nodes]

    assert denied == ["[]"] * len(nodes)


async def test_an_edge_needs_no_right_but_those_of_the_kit(
    one: Server, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> None:
    await one.tell("ACL", "SETUSER", "reader", "on", ">pw", *acl("reader").split())
    async with open_store(one.url) as store:
        await works(store, elected, quote_of)
    async with open_store(f"redis://reader:pw@{one.address}") as store:
        await store.greet()
        snapshot = await store.snapshot()
        async with aclosing(store.follow(NOWHERE)) as publications, asyncio.timeout(10):
            followed = await anext(publications)
        found = (
            len(await store.fixings([KGS])),
            len(await store.outcomes(["nbkr"])),
            await store.scripts(),
            await store.script("0" * 16),
            (await store.polls() is not None),
            (await one.tell("ACL", "LOG")),
        )
        # Nothing more: no lease, no word, no memory of the poller's.
        for refused in (store.ledger, store.documents, store.orders, store.legacy_memory):
            with pytest.raises(NoPermissionError):
                await refused()
        with pytest.raises(NoPermissionError):
            await elected(store)

    assert followed.quotes == tuple(quote for _, quote in snapshot.rows)
    assert found == (1, 1, {"0" * 16}, "let it = 1", True, [])


# What is said at the start.


@asynccontextmanager
async def answering(text: bytes) -> AsyncIterator[str]:
    """The address of something that answers to anything with the same."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            writer.write(text)
        writer.close()

    door = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with door:
        yield f"127.0.0.1:{door.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"+OK POP3 ready\r\n",
        b"* OK IMAP4 ready\r\n",
        b"220 smtp.example ESMTP\r\n",
    ],
)
@pytest.mark.parametrize("password", ["", ":pw@"])
async def test_what_is_no_redis_is_said(text: bytes, password: str, open_store: OpenStore) -> None:
    async with answering(text) as address, open_store(f"redis://{password}{address}") as store:
        assert await refusal(store) == "redis.url: the server there is not a Redis"
        with pytest.raises(UNAVAILABLE):
            await store.snapshot()


async def test_where_no_tls_is_spoken_that_is_said(open_store: OpenStore) -> None:
    """A plain Redis says nothing to a handshake of TLS, so that is only out of reach."""
    async with answering(b"-ERR what?\r\n") as address, open_store(f"rediss://{address}") as store:
        assert await refusal(store) == "redis.url: it does not use TLS: write redis instead of rediss"


async def test_what_is_wrong_with_an_address_is_said(one: Server, open_store: OpenStore) -> None:
    await one.tell("CONFIG", "SET", "requirepass", "secret")
    one.password = "secret"
    await one.tell("ACL", "SETUSER", "nobody", "on", ">pw", "~*", "-@all")
    for url, words in (
        (one.url, "it requires a password, and the address has none"),
        (f"redis://:wrong@{one.address}", "it refused this user with this password"),
        (f"redis://me:secret@{one.address}", "it refused this user with this password"),
        (f"redis://:secret@{one.address}/99", "it has no database 99"),
        (f"redis+cluster://:secret@{one.address}", "it is not a Cluster: write redis:// instead of redis+cl"),
        (f"redis+cluster://:wrong@{one.address}", "it refused this user with this password"),
        (f"redis+sentinel://{one.address}/prices", "the server there is not a Sentinel"),
        (
            f"redis://nobody:pw@{one.address}",
            "its user lacks a permission that is needed, see ticker/docs/operating.md",
        ),
    ):
        async with open_store(url) as store:
            assert words in await refusal(store), url


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1",
        "redis://no.such.host.invalid",
        "unix:///no/such.sock",
        "redis+cluster://127.0.0.1:1",
        "redis+sentinel://127.0.0.1:1/prices",
    ],
)
async def test_what_is_out_of_reach_is_waited_for(url: str, open_store: OpenStore) -> None:
    async with open_store(url) as store:
        for call in (store.greet, store.snapshot, store.led, lambda: store.renew("1 x", seconds=1)):
            with pytest.raises(UNAVAILABLE):
                await call()


async def test_a_check_of_the_configuration_also_asks_the_replica(one: Server, short_path: Path) -> None:
    await one.tell("CONFIG", "SET", "requirepass", "Sup3rSecret")
    url = f"redis://:Sup3rSecret@{one.address}"
    _, file = configured(short_path / "s", url, others=f'read_url = "redis://{one.address}"')

    code, out, log = await told(short_path / "s", "config", "check", file, environment={})

    assert (code, out) == (2, "")
    assert log.startswith("ticker config: redis.read_url: it requires a password")


@pytest.mark.parametrize("way", ["file", "variable"])
async def test_a_service_with_the_wrong_address_ends_at_once_and_names_what_gave_it(
    way: str, one: Server, short_path: Path
) -> None:
    await one.tell("CONFIG", "SET", "requirepass", "Sup3rSecret")
    for url, words in (
        (f"redis://:Wr0ng@{one.address}", "it refused this user with this password"),
        (f"redis://:Sup3rSecret@{one.address}/99", "it has no database 99"),
        (f"redis://:Sup3rSecret/def@{one.address}", "in a password, write / as %2F"),
        (f"redis://:Sup3rSecret@{one.address}?ssl=true", "?ssl= is not an option: for TLS, write rediss://"),
    ):
        file = configured(short_path / "s", url if way == "file" else "embedded")
        environment = {} if way == "file" else {"TICKER_REDIS_URL": url}
        for command in ("serve", "hold KGS"):
            code, out, log = await told(short_path / "s", *command.split(), *file, environment=environment)
            name = "redis.url" if way == "file" else "TICKER_REDIS_URL"
            assert (code, out) == (2, "")
            # Who reads the file says where in it, too.
            assert re.search(rf"ticker {command.split()[0]}: .*{re.escape(name)}.*: {re.escape(words)}", log)
            assert "Sup3rSecret" not in log
            assert "Wr0ng" not in log
            assert "Traceback" not in log


async def test_at_a_node_of_a_cluster_a_service_ends_and_names_the_remedy(short_path: Path) -> None:
    async with cluster(short_path / "c") as nodes:
        for node in nodes:
            file = configured(short_path / "s", node.url)
            began = time.monotonic()
            code, _, log = await told(short_path / "s", "serve", *file)

            assert (code, time.monotonic() - began < 10) == (2, True)
            assert f"redis.url: {CLUSTER}" in log


async def test_a_service_whose_redis_is_out_of_reach_waits_and_says_so(short_path: Path) -> None:
    port = free_ports(1)[0]
    file = configured(short_path / "s", f"redis://127.0.0.1:{port}")
    async with running(short_path / "s", "serve", *file) as service:
        await until(lambda: "redis is unreachable" in service.log)
        async with server(short_path / "redis", port=port):
            await until(lambda: "redis is back" in service.log, 30)
