"""The service on servers as operators run them: several processes, full, refused, cut off."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from banks import Bank, open_bank, table
from servers import Server, server
from services import Service, running, start
from stage import answer, until

if TYPE_CHECKING:
    from tests.conftest import Elected, OpenStore, QuoteOf

pytestmark = pytest.mark.redis
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


async def told(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """What a command comes to: its exit code, its output and its log."""
    command = start(folder, *arguments)
    with command.process as process:
        out, _ = await asyncio.to_thread(process.communicate, None, 60)
    return process.returncode, out, command.log


async def status(service: Service) -> str | None:
    quote = (await service.quotes()).get("KGS/USD")
    return quote and str(quote["status"])


async def kept(found: Server) -> dict[str, Any]:
    """All that pollers wrote, byte for byte, but for the lease and what sources answer all the time."""
    async with found.client() as client:
        keys = {str(key) for key in await client.keys("*")}
        keys -= {"{ticker}:leader", "{ticker}:fence", "{ticker}:poller", "{ticker}:source:nbkr"}
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
        await until(lambda: "poller: polls 1 sources" in second.log, 30)
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
