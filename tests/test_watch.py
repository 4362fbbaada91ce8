"""What a terminal shows of a service: the line, and `ticker watch` in a real pseudo-terminal and in pipes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import services
from reader import five
from services import ROOT
from stage import answer, frame_holds_to_the_schema, site, until
from terminal import Terminal, terminal
from test_edge import Site, running

from ticker import watch, wire
from ticker.rates.model import Announcement, Pair, Quote
from ticker.store import Store
from ticker.watch import questions, screen

if TYPE_CHECKING:
    from tests.conftest import FixingOf, Publisher, QuoteOf


def quote(code: str, price: str, percent: str | None) -> Quote:
    return Quote(
        symbol=Pair(code, "USD"),
        price=Decimal(price),
        inverse=1 / Decimal(price),
        previous=None,
        change=None,
        change_percent=None if percent is None else Decimal(percent),
        as_of=date(2025, 1, 23),
        source="nbkr",
        source_name="NBKR",
        status="live",
        published_at=datetime(2025, 1, 22, tzinfo=UTC),
    )


MISSION = [
    quote("KGS", "0.01143511", "0.00"),
    quote("KZT", "0.0019188", "0.00"),
    quote("TJS", "0.09131", "-0.44"),
    quote("UZS", "0.00007698", "0.00"),
    quote("TMT", "0.28490", "-0.42"),
]


def test_five_digits_print_the_line_of_the_news_site() -> None:
    assert watch.line(MISSION, digits=5) == (
        "KGS/USD = 0.01144 0%  •  KZT/USD = 0.00192 0%  •  TJS/USD = 0.09131 -0.44%  •  "
        "UZS/USD = 0.00008 0%  •  TMT/USD = 0.28490 -0.42%"
    )


def test_by_default_a_small_price_keeps_four_significant_digits() -> None:
    assert watch.line(MISSION) == (
        "KGS/USD = 0.01144 0%  •  KZT/USD = 0.001919 0%  •  TJS/USD = 0.09131 -0.44%  •  "
        "UZS/USD = 0.00007698 0%  •  TMT/USD = 0.28490 -0.42%"
    )


def test_an_unknown_change_shows_nothing() -> None:
    assert watch.line([quote("KGS", "0.01143511", None)]) == "KGS/USD = 0.01144"


def test_a_quote_that_is_not_live_says_so() -> None:
    assert watch.line([replace(MISSION[0], status="stale")]) == "KGS/USD = 0.01144 0% (stale)"


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("87.45", "87.45"),
        ("0.000085", "0.00008500"),
        ("0.011435", "0.01144"),
        ("0.099999", "0.10000"),
        ("1234.56789", "1,234.5679"),
    ],
)
def test_a_price_has_the_decimals_that_the_widget_gives_it(price: str, text: str) -> None:
    assert watch.line([quote("KGS", price, None)]) == f"KGS/USD = {text}"


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        ("0.00", "0%"),
        ("-0.00", "0%"),
        ("-0.004", "0%"),
        ("0.005", "+0.01%"),
        ("0.50", "+0.5%"),
        ("-0.44", "-0.44%"),
        ("11.75", "+11.75%"),
        ("10", "+10%"),
        ("-100", "-100%"),
    ],
)
def test_a_percentage_is_signed_and_short_and_never_minus_nought(percent: str, text: str) -> None:
    assert watch.line([quote("KGS", "1", percent)]) == f"KGS/USD = 1.00 {text}"


SERVED = datetime(2026, 11, 27, 18, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": "Fri, 27 Nov 2026 18:05:00 GMT"}, SERVED),
        ({"Date": "Fri, 27 Nov 2026 18:05:00 -0000"}, SERVED),
        ({"Date": "Fri, 27 Nov 2026 18:04:30 GMT", "Age": "30"}, SERVED),
        ({"Date": "Fri, 27 Nov 2026 18:05:00 GMT", "Age": "old"}, None),
        ({"Date": "Fri, 27 Nov 2026 18:05:00 GMT", "Age": "9" * 30}, None),
        ({"Date": "today"}, None),
        ({}, None),
    ],
)
def test_the_time_is_read_from_the_answer(headers: dict[str, str], expected: datetime | None) -> None:
    assert questions.served_at(headers) == expected


@pytest.mark.parametrize(
    ("date", "age", "statuses"),
    [
        ("Fri, 27 Nov 2026 18:04:59 GMT", "0", ["live", "live"]),
        ("Fri, 27 Nov 2026 18:05:00 GMT", "0", ["stale", "live"]),
        ("Fri, 27 Nov 2026 18:04:59 GMT", "1", ["stale", "live"]),
        # From a proxy that does not tell it: as the server said.
        ("", "0", ["live", "live"]),
    ],
)
async def test_a_quote_is_stale_from_its_due_moment_on_by_the_server_s_time(
    date: str, age: str, statuses: list[str]
) -> None:
    quotes = [replace(MISSION[0], due_at=SERVED), MISSION[1]]
    body = f'{{"cursor":"1-1","quotes":[{",".join(map(wire.encode_quote, quotes))}]}}'.encode()
    headers = {"Content-Type": "application/json", "Date": date, "Age": age}
    async with site(answer(body, **headers)) as url:
        assert [quote.status for quote in await watch.quotes(url)] == statuses


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"quotes":[5]}',
        *(
            f'{{"quotes":[{wire.encode_quote(MISSION[0])}]}}'.replace("0.01143511", each).encode()
            for each in ("NaN", "x")
        ),
    ],
    ids=["deep", "no quote", "NaN", "no number"],
)
async def test_an_answer_that_is_nonsense_is_said_in_words(body: bytes) -> None:
    async with site(answer(body, **JSON)) as url:
        with pytest.raises(watch.Unreachable, match=f"no quotes from {url}/v1/quotes: "):
            await watch.quotes(url)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        *(b'{"fixings":[%b]}' % row for row in (b'{"price":"NaN"}', b'{"price":"Infinity"}', b"5")),
    ],
    ids=["deep", "NaN", "Infinity", "no row"],
)
async def test_a_history_that_is_nonsense_is_wanted_again(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "RETRY_SECONDS", 0.01)
    async with site(answer(body, **JSON)) as url:
        histories = questions.Histories(url)
        task = asyncio.ensure_future(histories.fetch())
        histories.want(MISSION[:1], SERVED)
        await until(lambda: task.done() or not histories._asked)
        is_alive = not task.done()
        task.cancel()
        await asyncio.wait({task})

    assert is_alive
    assert histories.series == {}


# `ticker watch` in a terminal.

CTRL_C = b"\x03"
SHOW_CURSOR, LEAVE_SCREEN = b"\x1b[?25h", b"\x1b[?1049l"
HEAD = "Pair          Price  Change  30 days  Status  Age  As of       Source"


@pytest.fixture
async def edge(store: Store, publisher: Publisher) -> AsyncIterator[Site]:
    """A service with five quotes, which speaks again in five minutes."""
    await publisher.say(*five())
    async with running(store, heartbeat_seconds=300) as site:
        await until(lambda: not site.broadcast.mirror.awaited)
        yield site


def watching(url: str, **options: Any) -> Any:
    return terminal("ticker", "watch", "--url", url, **options)


async def is_left_in_order(shown: Terminal) -> bool:
    """Press Ctrl-C. It ends with 0, and gives the cursor and the screen back without another word."""
    shown.press(CTRL_C)
    code = await shown.ended()
    await until(lambda: LEAVE_SCREEN in shown.written)
    return code == 0 and shown.written.endswith(b"^C" + SHOW_CURSOR + LEAVE_SCREEN)


@pytest.mark.redis
async def test_the_table_of_a_demo_lives_through_a_killed_service(short_path: Path) -> None:
    data = ("--every", "3", "--data-dir", f"{short_path}/data")
    async with services.running(short_path, "demo", "--port", "0", *data) as first:
        port, url = first.port, first.url
        async with watching(url) as shown:
            await shown.sees("live", "KGS/USD", "TMT/USD", "demo:NBKR", *"▁█")
            assert shown.lines[0] == f"live  127.0.0.1:{port} demo"
            assert re.split(r"\s{2,}", shown.lines[1]) == re.split(r"\s{2,}", HEAD)
            prices = shown.text
            await until(lambda: shown.text != prices)

            first.process.kill()
            await shown.sees("not connected", "next attempt", "refused", "KGS/USD")
            async with services.running(short_path, "demo", "--port", port, *data):
                await shown.sees("live", without="not connected")
                days = set(re.findall(r"2026-\d\d-\d\d", shown.text))
                await until(lambda: set(re.findall(r"2026-\d\d-\d\d", shown.text)) - days)

                assert await is_left_in_order(shown)


async def test_changes_have_a_colour_and_a_sign(edge: Site) -> None:
    async with watching(edge.url) as shown:
        await shown.sees("live", "+0.44%", "-0.44%", "UZS/USD")

        assert [shown.colour_of(words) for words in ("+0.44%", "-0.44%", "0%", "live")] == [
            *("green", "red", "default", "green")
        ]
        assert await is_left_in_order(shown)


async def test_without_colours_the_signs_remain(edge: Site) -> None:
    async with watching(edge.url, environment={"NO_COLOR": "1"}) as shown:
        await shown.sees("live", "+0.44%", "-0.44%")

        assert {cell.fg for row in shown.screen.buffer.values() for cell in row.values()} == {"default"}
        assert b"\x1b[3" not in shown.written


async def test_a_quote_that_changes_or_is_late_is_shown_at_once(
    edge: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
    async with watching(edge.url) as shown:
        await shown.sees("live", "0.01144")
        await publisher.say(quote_of("KGS", "80", due_at=due, status="fallback", source="openexchangerates"))
        await shown.sees("0.01250", "fallback")
        await shown.sees("stale")

        assert shown.colour_of("stale") == "brown"


@pytest.mark.slow
async def test_a_narrow_terminal_has_fewer_columns_and_whole_figures(edge: Site) -> None:
    async with watching(edge.url, columns=100) as shown:
        heads = []
        for columns in (100, 66, 56, 46, 36, 30, 24, 20):
            shown.resize(columns, 24)
            await until(lambda columns=columns: is_drawn(shown, columns))  # type: ignore[misc]
            heads.append(re.split(r"\s{2,}", shown.lines[1]))
            assert "0.00008342" in shown.text
            assert "nbt.tj" in shown.text or columns < 30
        shown.resize(12, 24)
        await until(lambda: "0.00" in shown.text and not any("0.00008342" in line for line in shown.lines))
        folded = "".join(line.split(" ")[-1] for line in shown.lines)

    assert heads[0] == re.split(r"\s{2,}", HEAD)
    assert [len(head) for head in heads] == sorted((len(head) for head in heads), reverse=True)
    assert heads[-1] == ["Pair", "Price"]
    assert [figure for figure in ("0.01144", "0.00008342", "0.28571") if figure not in folded] == []


def is_drawn(shown: Terminal, columns: int) -> bool:
    """Whether the table was drawn for this width."""
    return len(shown.lines) > 5 and "TMT/USD" in shown.text and max(map(len, shown.lines)) <= columns


async def test_a_low_terminal_says_how_many_pairs_it_lacks(edge: Site) -> None:
    async with watching(edge.url, lines=6) as shown:
        await shown.sees("live", "KGS/USD", "KZT/USD", "Not shown, for lack of room: 2")
        assert "UZS/USD" not in shown.text

        shown.resize(100, 7)
        await shown.sees("UZS/USD", "TMT/USD", without="Not shown")


async def test_a_pair_without_a_quote_is_there_with_the_reason(store: Store) -> None:
    async with running(store, (Pair("KGS", "USD"),)) as site, watching(site.url) as shown:
        await shown.sees("live", "waiting for rates", "KGS/USD  No process has polled yet")


async def test_a_service_that_is_not_there_yet_is_waited_for() -> None:
    async with watching("http://127.0.0.1:9", columns=60) as shown:
        await shown.sees("not connected  127.0.0.1:9  next attempt", "waiting for rates")

        assert await is_left_in_order(shown)
        # A line of the log would stand across the table.
        assert b"WARNING" not in shown.written


async def test_a_terminal_that_is_dumb_gets_lines(edge: Site) -> None:
    async with watching(edge.url, environment={"TERM": "dumb"}) as shown:
        await shown.sees("KGS/USD = 0.01144 0%, 2026-05-22, NBKR")
        shown.press(CTRL_C)

        assert await shown.ended() == 0
        assert b"\x1b" not in shown.written


async def test_a_terminal_without_these_signs_gets_no_sparkline(edge: Site) -> None:
    async with watching(edge.url, environment={"PYTHONIOENCODING": "latin-1"}) as shown:
        await shown.sees("live", "KGS/USD", "Pair          Price  Change  Status")

        shown.resize(20, 24)
        await shown.sees("live  127.0.0.1:", "KGS/USD", "?")


async def test_without_rich_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ModuleNotFoundError(\"No module named 'rich'\", name='rich')")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))

    async with watching("http://127.0.0.1:9", environment={"PYTHONPATH": path}) as shown:
        code = await shown.ended()
        await shown.sees("pip install rich")

    assert code == 1
    assert " ".join(shown.lines).startswith("ticker watch: the table needs the package `rich`.")


async def test_an_address_that_is_no_service_ends_it_in_words() -> None:
    async with site(answer(b"", 404)) as url, watching(url) as shown:
        code = await shown.ended()
        await shown.sees(f"ticker watch: {url} answered 404: is this the address of the service?")

    assert code == 1


# In a pipe.


@asynccontextmanager
async def piped(*options: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ticker", "watch", *options),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def next_line(process: Process) -> str:
    assert process.stdout
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode()


async def test_json_is_the_frames_each_at_once_and_over_an_outage(
    store: Store, publisher: Publisher, quote_of: QuoteOf
) -> None:
    await publisher.say(*five())
    async with running(store) as site:
        process = piped("--url", site.url, "--json")
        async with process as watched:
            frames = [json.loads(await next_line(watched))]
            await publisher.say(quote_of("KGS", "80"))
            frames.append(json.loads(await next_line(watched)))
            await site.stop()
            await publisher.say(quote_of("KGS", "81"))
            async with running(store, port=site.port, alone=False):
                frames.append(json.loads(await next_line(watched)))
            watched.terminate()
            _, told = await watched.communicate()

    for frame in frames:
        frame_holds_to_the_schema(frame)
    assert [frame["type"] for frame in frames] == ["snapshot", "update", "update"]
    assert [[quote["inverse"] for quote in frame["quotes"]] for frame in frames[1:]] == [["80"], ["81"]]
    assert watched.returncode == 0
    assert "the server closed it: 1001" in told.decode()


@pytest.mark.parametrize("options", [["--json"], []], ids=["json", "lines"])
async def test_it_ends_when_nobody_reads_it_any_more(edge: Site, options: list[str]) -> None:
    command = f'"$0" -m ticker watch --url {edge.url} "$@" | head -n 1; echo "${{PIPESTATUS[0]}}"'
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command, sys.executable, *options),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # The service says nothing more for five minutes.
    async with asyncio.timeout(60):
        out, _ = await process.communicate()

    line, code = out.decode().splitlines()
    assert "KGS/USD" in line
    assert code == "0"


async def test_it_ends_when_nobody_is_at_the_other_end_of_a_socket(
    edge: Site, publisher: Publisher, quote_of: QuoteOf
) -> None:
    ours, its = socket.socketpair()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ticker", "watch", "--json", "--url", edge.url),
        cwd=ROOT,
        stdout=its,
        stderr=subprocess.PIPE,
    )
    its.close()
    ours.setblocking(False)
    async with asyncio.timeout(60):
        await asyncio.get_running_loop().sock_recv(ours, 1)
        ours.close()
        await publisher.say(quote_of("KGS", "80"))
        _, told = await process.communicate()

    assert (process.returncode, told) == (0, b"")


async def test_a_full_disk_is_said(edge: Site) -> None:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$0" -m ticker watch --json --url {edge.url} >/dev/full', sys.executable),
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, told = await process.communicate()

    assert (process.returncode, told.decode()) == (
        1,
        "ticker watch: the output can't be written: No space left on device\n",
    )


async def test_each_change_is_a_line(store: Store, publisher: Publisher, quote_of: QuoteOf) -> None:
    coming = Announcement(price=Decimal("0.0115"), inverse=Decimal("86.95"), as_of=date(2026, 5, 23))
    symbols = (Pair("KGS", "USD"), Pair("TJS", "USD"))
    await publisher.say(quote_of("KGS", "80", next=coming))
    async with running(store, symbols) as site, piped("--url", site.url) as watched:
        lines = [await next_line(watched)]
        lines += [await next_line(watched)]
        await publisher.say(quote_of("TJS", "10", source="nbt", change_percent=Decimal("-0.44")))
        while "TJS/USD =" not in lines[-1]:
            lines.append(await next_line(watched))

    words = [line.partition("Z ")[2].rstrip("\n") for line in lines]
    assert words[0] == "KGS/USD = 0.01250, 2026-05-22, 0.01150 from 2026-05-23, NBKR"
    assert words[1].startswith("TJS/USD: ")
    assert words[-1] == "TJS/USD = 0.10000 -0.44%, 2026-05-22, NBT (www.nbt.tj)"
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines)


# Its parts.


@pytest.mark.parametrize(
    ("prices", "bars"),
    [
        ([], ""),
        (["1"], "▄"),
        (["1", "1"], "▄▄"),
        (["1", "2"], "▁█"),
        (["3", "1", "2", "1.4"], "█▁▅▂"),
        (["0.00008495", "0.00008496", "0.00008499"], "▁▃█"),
    ],
)
def test_a_sparkline_goes_from_the_lowest_to_the_highest(prices: list[str], bars: str) -> None:
    assert screen.sparkline([Decimal(price) for price in prices]) == bars


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172800, "2 d"),
    ],
)
def test_an_age_is_short(seconds: int, words: str) -> None:
    published = MISSION[0].published_at

    assert screen.age(MISSION[0], published + timedelta(seconds=seconds)) == words
    assert screen.age(MISSION[0], None) == ""


async def test_the_last_thirty_days_are_drawn_without_what_is_announced_and_again_after_each_day(
    store: Store, publisher: Publisher, fixing_of: FixingOf, quote_of: QuoteOf
) -> None:
    now = datetime.now(UTC)
    days = {-20: "80", -2: "81", -1: "82", 5: "85"}
    first = quote_of("KGS", "82", as_of=now.date() - timedelta(1))
    second = quote_of("KGS", "83", as_of=now.date())

    def fixings(days: dict[int, str]) -> list[Any]:
        return [fixing_of("KGS", value, now.date() + timedelta(day)) for day, value in days.items()]

    await publisher.say(first, fixings=fixings(days))
    async with running(store, (first.symbol,)) as site:
        histories = questions.Histories(site.url)
        task = asyncio.ensure_future(histories.fetch())
        histories.want([first], now)
        await until(lambda: histories.series)
        before = histories.series[first.symbol]
        await publisher.say(second, fixings=fixings({0: "83"}))
        histories.want([second], now)
        await until(lambda: histories.series[first.symbol] != before)
        histories.want([second], now)
        is_asked_again = not histories._wanted.empty()
        task.cancel()

    assert [round(1 / price) for price in before] == [80, 81, 82]
    assert [round(1 / price) for price in histories.series[first.symbol]] == [80, 81, 82, 83]
    assert not is_asked_again
