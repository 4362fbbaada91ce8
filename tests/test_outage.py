"""The reader's side of an outage, in three real engines: what was known stays, and the line comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from browsers import EACH_ENGINE, ENGINES, ChromiumPage, FirefoxPage, Page, WebkitPage
from newsroom import Newsroom
from stage import PATIENCE
from test_edge import running as serving

import ticker.edge

if TYPE_CHECKING:
    from tests.conftest import OpenPage, QuoteOf

pytestmark = pytest.mark.asyncio(loop_scope="session")

# As ticker/docs/embedding.md gives it; the paragraph is what a late line would push down.
SNIPPET = '<currency-ticker style="display:block;min-height:62px"></currency-ticker>{embed}<p id=after>News'
LONGEST_DELAY_SECONDS = 20
OFFLINE_SECONDS = 30
CONNECT_SECONDS = 15
# How long a line that nobody sees keeps its subscription.
LINGER_SECONDS = 2


async def until(fact: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await fact():
            await asyncio.sleep(0.05)


async def line_of(page: Page) -> str:
    """The items of the first ticker, one a row."""
    text: str = await page.run(
        """const root = document.querySelector("currency-ticker")?.shadowRoot;
        const items = [...(root?.querySelectorAll("[part~=item]") ?? [])];
        const shown = items.filter((item) => !item.closest("[aria-hidden]"));
        return shown.map((item) => item.textContent).join("\\n");"""
    )
    return text


async def until_line(page: Page, line: str, seconds: float = 20) -> None:
    try:
        async with asyncio.timeout(seconds):
            while await line_of(page) != line:
                await asyncio.sleep(0.05)
    except TimeoutError:
        assert await line_of(page) == line
        raise


async def until_state(page: Page, state: str, seconds: float = 20) -> None:
    async def said() -> bool:
        return await state_of(page) == state

    await until(said, seconds)


async def state_of(page: Page) -> str:
    state: str = await page.run('return document.querySelector("currency-ticker").state')
    return state


async def until_subscribers(newsroom: Newsroom, count: int, seconds: float = 20) -> None:
    async def there_are() -> bool:
        return await newsroom.subscribers() == count

    await until(there_are, seconds)


# A server that is gone for a moment.


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_line_outlives_its_server_and_comes_back_by_itself(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, engine: str
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    async with open_page(engine) as page:
        await page.open(newsroom.page(SNIPPET))
        await until_line(page, "KGS/USD = 0.01144")
        below = await page.run("return document.querySelector('#after').getBoundingClientRect().top")

        await newsroom.server.kill()
        await until_state(page, "connecting")
        during = await line_of(page)
        await newsroom.say(quote_of("KGS", "80"))
        await newsroom.server.start()
        await until_line(page, "KGS/USD = 0.01250")

        assert during == "KGS/USD = 0.01144"
        assert await state_of(page) == "live"
        await until_subscribers(newsroom, 1)
        assert below == await page.run("return document.querySelector('#after').getBoundingClientRect().top")


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_after_half_a_minute_without_the_server_the_line_says_so_and_nothing_has_shifted(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    async with open_page("chromium") as page:
        await page.open(newsroom.page(SNIPPET * 10))
        await until_line(page, "KGS/USD = 0.01144")
        for number in range(20):
            await newsroom.say(quote_of("KGS", f"{80 + number}", change_percent=number - 10))
            await asyncio.sleep(0.2)
        await until_line(page, "KGS/USD = 0.01010 +9%")

        await newsroom.server.kill()
        gone = time.monotonic()
        await until_state(page, "offline", OFFLINE_SECONDS + PATIENCE)
        said = time.monotonic()
        assert await line_of(page) == "KGS/USD = 0.01010 +9%"
        assert await status_of(page) == "offline"

        # Whoever looks away and comes back is told the same.
        await page.run("document.body.style.paddingBottom = '5000px'; scrollTo(0, 4000)")
        await asyncio.sleep(LINGER_SECONDS + 1)
        await page.run("scrollTo(0, 0)")
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert await status_of(page) == "offline"

        await newsroom.server.start()
        await until_state(page, "live", LONGEST_DELAY_SECONDS + PATIENCE)

        assert said - gone > OFFLINE_SECONDS - 1
        assert await status_of(page) == ""
        # A second connection would be there by now.
        await asyncio.sleep(1)
        assert await newsroom.subscribers() == 1
        assert await shift_of(page) == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_server_that_hung_has_its_readers_back_as_soon_as_one_that_was_down(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    # Chromium opens one WebSocket of a host after the other: one that hangs holds up all that follow.
    await newsroom.say(quote_of("KGS", "87.45"))
    async with open_page("chromium") as page:
        await page.open(newsroom.page(SNIPPET))
        await until_line(page, "KGS/USD = 0.01144")

        await newsroom.server.kill()
        async with hanging(newsroom) as silent:
            await asyncio.sleep(CONNECT_SECONDS + 3)
            silent.close()
            await newsroom.server.start()
            await until_state(page, "live", LONGEST_DELAY_SECONDS + PATIENCE)

        await asyncio.sleep(1)
        assert await newsroom.subscribers() == 1


@asynccontextmanager
async def hanging(newsroom: Newsroom) -> AsyncIterator[asyncio.Server]:
    """In the server's place, one that takes every call and says nothing, also when it takes no more."""
    calls: list[asyncio.StreamWriter] = []
    port = int(newsroom.server.url.rpartition(":")[2])
    yield await asyncio.start_server(lambda _, writer: calls.append(writer), "127.0.0.1", port)
    assert calls
    for writer in calls:
        writer.transport.abort()


async def status_of(page: Page) -> str:
    """What the line says of its connection, as far as it is seen."""
    text: str = await page.run(
        """const { shadowRoot } = document.querySelector("currency-ticker");
        const status = shadowRoot.querySelector("[part~=status]");
        return status && getComputedStyle(status).display !== "none" ? status.textContent.trim() : "";"""
    )
    return text


SHIFT = """
  let sum = 0;
  const add = (entries) => entries.forEach(({ value }) => (sum += value));
  const observer = new PerformanceObserver((list) => add(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  await new Promise((resolve) => setTimeout(resolve, 500));
  add(observer.takeRecords());
  return sum;"""


async def shift_of(page: Page) -> float:
    """The cumulative layout shift since the page was opened, whoever caused it."""
    shift: float = await page.run(SHIFT)
    return shift


async def test_the_shift_of_a_page_that_reserves_no_room_is_seen(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    late = """<currency-ticker></currency-ticker><p>News<script>setTimeout(() => {
      document.body.append(Object.assign(document.createElement("script"), { src: "{server}/ticker.js" }));
    }, 500)</script>"""
    async with open_page("chromium") as page:
        await page.open(newsroom.page(late))
        await until_line(page, "KGS/USD = 0.01144")

        assert await shift_of(page) > 0


PAUSES = """
  const tickers = document.querySelectorAll("currency-ticker");
  for (let turn = 0; turn < arguments[0]; turn++) {
    for (const ticker of tickers) ticker.toggleAttribute("paused");
    await new Promise((resolve) => setTimeout(resolve, 40 + Math.random() * 40));
  }"""


LOOP = "document.querySelector('currency-ticker').shadowRoot.querySelector('[part=group]').offsetWidth"


async def test_neither_a_pause_nor_text_of_another_length_is_a_shift(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    # Shifted by a whole loop the track looks the same, and Chromium counts it as the move of every item.
    await newsroom.say(quote_of("KGS", "87.45"), quote_of("TMT", "3.5"))
    narrow = SNIPPET.replace('style="', 'symbols="KGS TMT" speed="400" style="width:400px;')
    async with open_page("chromium") as page:
        await page.open(newsroom.page(narrow * 3))
        await until_line(page, "KGS/USD = 0.01144\nTMT/USD = 0.28571")
        prices = {"80": "0.01250", "0.0874": "11.4416", "0.0000123": "81,300.813", "87.45": "0.01144"}
        for inverse, price in prices.items():
            await newsroom.say(quote_of("KGS", inverse, change_percent=-0.44))
            await until_line(page, f"KGS/USD = {price} -0.44%\nTMT/USD = 0.28571")
            # A loop of 1.6 s: time for the item to grow out of sight.
            await asyncio.sleep(2)
            await page.run(PAUSES, 20)
            await page.run("document.body.style.paddingBottom = '5000px'; scrollTo(0, 4000)")
            await asyncio.sleep(0.5)
            await page.run("scrollTo(0, 0)")

        assert await shift_of(page) == 0


async def test_what_grows_behind_what_is_in_sight_is_no_shift(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    currencies = ("KGS", "KZT", "TJS", "UZS", "TMT")
    await newsroom.say(*(quote_of(currency, "87.45") for currency in currencies))
    async with open_page("chromium") as page:
        await page.open(newsroom.page(SNIPPET.replace('style="', 'style="width:360px;')))
        await until_line(page, "\n".join(f"{currency}/USD = 0.01144" for currency in currencies))
        width = await page.run(f"return {LOOP}")
        await newsroom.say(quote_of("TMT", "0.0000123", change_percent=-0.44))
        await until(lambda: page.run(f"return {LOOP} > {width}"))

        assert await shift_of(page) == 0


# One page, one connection.


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_ten_lines_of_a_page_are_one_request_and_one_connection(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, engine: str
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"), quote_of("TMT", "3.5"))
    lines = "".join(
        f'<currency-ticker symbols="{symbols}"></currency-ticker>'
        for symbols in ("KGS", "TMT", "", "KZT", "TJS")
    )
    async with open_page(engine) as page:
        await page.open(newsroom.page(f"{lines}{{embed}}{lines}"))
        await until_line(page, "KGS/USD = 0.01144")
        before = await traffic(newsroom, page)
        await newsroom.server.kill()
        await newsroom.server.start()
        await until_state(page, "live")
        # A second connection would be there by now.
        await asyncio.sleep(1)
        after = await traffic(newsroom, page)

    assert before == after == {"scripts": 1, "connected": 1, "connections so far": 1}


async def traffic(newsroom: Newsroom, page: Page) -> dict[str, int]:
    scripts = """return performance.getEntriesByType("resource").filter(({ name }) =>
      name.endsWith("/ticker.js")).length"""
    return {
        "scripts": await page.run(scripts),
        "connected": await newsroom.subscribers(),
        # Counted by the server since its start.
        "connections so far": int(await newsroom.server.count("ticker_subscribers_joined_total")),
    }


@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_the_connection_ends_with_the_last_line_of_the_page(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, engine: str
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    async with open_page(engine) as page:
        await page.open(newsroom.page("<currency-ticker></currency-ticker>" * 2 + "{embed}"))
        await until_line(page, "KGS/USD = 0.01144")
        await page.run("document.querySelector('currency-ticker').remove()")
        await asyncio.sleep(0.5)
        assert await newsroom.subscribers() == 1
        await page.run("document.querySelector('currency-ticker').remove()")

        await until_subscribers(newsroom, 0)


async def test_neither_another_line_nor_another_network_makes_a_second_connection(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"), quote_of("TMT", "3.5"))
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(newsroom.page('<currency-ticker symbols="KGS"></currency-ticker>{embed}'))
        await until_line(page, "KGS/USD = 0.01144")
        # What is open does not bring its symbol.
        await page.run("""const ticker = document.createElement("currency-ticker");
          ticker.setAttribute("symbols", "TMT");
          document.body.prepend(ticker);""")
        await until_line(page, "TMT/USD = 0.28571")
        await until_subscribers(newsroom, 1)
        await page.tab.context.set_offline(True)
        await page.tab.context.set_offline(False)
        await newsroom.say(quote_of("TMT", "4"))
        await until_line(page, "TMT/USD = 0.25000")
        await until_subscribers(newsroom, 1)

        await asyncio.sleep(1)
        assert await newsroom.subscribers() == 1


# Nothing is left behind.


CYCLE = """
  for (let turn = 0; turn < arguments[0]; turn++) {
    const ticker = document.createElement("currency-ticker");
    document.body.append(ticker);
    if (turn % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    if (turn % 3 === 0) document.body.prepend(ticker);
    ticker.remove();
  }"""
COUNTERS = ("documents", "nodes", "jsEventListeners")


@pytest.mark.timeout(90)
@pytest.mark.parametrize("last", ["a line that stays", "no line"])
async def test_a_hundred_lines_that_came_and_went_leave_nothing(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, last: str
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"), quote_of("TMT", "3.5"))
    stays = "<currency-ticker></currency-ticker>"
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(newsroom.page(f"{stays}{{embed}}<p>News"))
        await until_line(page, "KGS/USD = 0.01144\nTMT/USD = 0.28571")
        first = await counted(page)
        if last == "no line":
            await page.run("document.querySelector('currency-ticker').remove()")
        # What the engine makes of the script's code is there after the first ones.
        await page.run(CYCLE, 20)
        before = await at_rest(page, first)
        await page.run(CYCLE, 100)
        after = await at_rest(page, first)
        assert {name: after[name] for name in COUNTERS if after[name] > first[name]} == {}
        assert after["bytes"] < before["bytes"] + 200_000
        await until_subscribers(newsroom, int(last != "no line"))


OBSERVERS = """
  window.observers = 0;
  const { observe, disconnect } = IntersectionObserver.prototype;
  IntersectionObserver.prototype.observe = function (node) { observers++; observe.call(this, node); };
  IntersectionObserver.prototype.disconnect = function () { observers--; disconnect.call(this); };"""


async def test_a_line_that_moves_a_hundred_times_is_observed_once(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    async with open_page("chromium") as page:
        await page.preload(OBSERVERS)
        await page.open(newsroom.page(SNIPPET))
        await until_line(page, "KGS/USD = 0.01144")
        await page.run(
            """const ticker = document.querySelector("currency-ticker");
            for (let turn = 0; turn < 100; turn++) document.body.prepend(ticker);"""
        )

        assert await page.run("return observers") == 1


async def at_rest(page: ChromiumPage, first: dict[str, int]) -> dict[str, int]:
    """What is alive once it is no more than at first: an engine lets go of animations in a later frame."""

    async def is_at_rest() -> bool:
        now = await counted(page)
        return all(now[name] <= first[name] for name in COUNTERS)

    with suppress(TimeoutError):
        await until(is_at_rest, 15)
    return await counted(page)


async def counted(page: ChromiumPage) -> dict[str, int]:
    await page.cdp("HeapProfiler.collectGarbage")
    heap = await page.cdp("Runtime.getHeapUsage")
    return {**await page.cdp("Memory.getDOMCounters"), "bytes": int(heap["usedSize"])}


# Networks that let no WebSocket through.


@pytest.mark.timeout(90)
@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_where_no_websocket_gets_through_the_line_lives_by_events(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, engine: str
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    async with newsroom.front("/v1/stream") as front, open_page(engine) as page:
        await page.open(newsroom.page(SNIPPET, server=front.url))
        await until_line(page, "KGS/USD = 0.01144", 30)
        await until_state(page, "live")
        await newsroom.say(quote_of("KGS", "80"))
        await until_line(page, "KGS/USD = 0.01250")

        assert front.asked.count("/v1/events") == 1
        assert "/v1/quotes" not in front.asked


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("engine", EACH_ENGINE)
async def test_where_no_stream_gets_through_the_line_lives_by_asking(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, engine: str
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    async with newsroom.front("/v1/stream", "/v1/events") as front, open_page(engine) as page:
        await page.open(newsroom.page(SNIPPET, server=front.url))
        await until_line(page, "KGS/USD = 0.01144", 40)
        await until_state(page, "live")
        if engine == "chromium":
            await newsroom.say(quote_of("KGS", "80"))
            await until_line(page, "KGS/USD = 0.01250", 35)

        assert front.asked.count("/v1/quotes") == 1 + (engine == "chromium")


@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_where_a_websocket_is_swallowed_the_other_way_is_tried_after_the_first(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    async with newsroom.front("/v1/stream", swallows=True) as front, open_page("chromium") as page:
        await page.open(newsroom.page(SNIPPET, server=front.url))
        await until_line(page, "KGS/USD = 0.01144", CONNECT_SECONDS + 5)
        assert await state_of(page) == "live"
        assert front.asked.count("/v1/stream") == 1

        # The server may come back while it is the turn of a WebSocket.
        await newsroom.server.kill()
        await until_state(page, "connecting")
        await newsroom.server.start()
        await newsroom.say(quote_of("KGS", "80"))
        await until_line(page, "KGS/USD = 0.01250", CONNECT_SECONDS + LONGEST_DELAY_SECONDS)


# Readers who go elsewhere.


@pytest.mark.slow
async def test_a_reader_who_comes_back_to_a_kept_page_finds_it_live(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    watch = "<script>addEventListener('pageshow', ({ persisted }) => (globalThis.kept = persisted))</script>"
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(newsroom.page(watch + SNIPPET))
        await until_line(page, "KGS/USD = 0.01144")
        await page.open(newsroom.page("elsewhere"))
        await until_subscribers(newsroom, 0)
        await newsroom.say(quote_of("KGS", "80"))
        # A page that was kept has no second load event.
        await page.tab.go_back(wait_until="commit")

        await until_line(page, "KGS/USD = 0.01250")
        assert await page.run("return kept")
        assert await state_of(page) == "live"
        assert await newsroom.subscribers() == 1


async def test_a_line_that_nobody_sees_stands_still(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    await newsroom.say(quote_of("KGS", "87.45"))
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        await page.open(newsroom.page(f"{SNIPPET}<div style='height: 3000px'></div>"))
        await until_line(page, "KGS/USD = 0.01144")
        running = partial(movement_of, page)
        await until(running)
        await page.run("scrollTo(0, 2500)")
        await until(partial(movement_of, page, "paused"))
        await page.run("scrollTo(0, 0)")
        await until(running)


@pytest.mark.parametrize("engine", ["firefox", "webkit"])
async def test_a_line_in_a_hidden_tab_stands_still_and_has_the_newest_quotes_after_it(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, engine: str
) -> None:
    # Headless chromium shows all its pages at once.
    await newsroom.say(quote_of("KGS", "87.45"))
    async with open_page(engine) as page:
        assert isinstance(page, FirefoxPage | WebkitPage)
        await page.open(newsroom.page(SNIPPET))
        await until(partial(movement_of, page))
        async with page.hidden():
            await until(partial(movement_of, page, "paused"))
            await newsroom.say(quote_of("KGS", "80"))

        await until_line(page, "KGS/USD = 0.01250")
        await until(partial(movement_of, page))
        assert await newsroom.subscribers() == 1


async def movement_of(page: Page, state: str = "running") -> bool:
    """Whether all animations of the line are in this state."""
    found: bool = await page.run(
        """const track = document.querySelector("currency-ticker").shadowRoot.querySelector("[part~=track]");
        const states = track.getAnimations().map(({ playState }) => playState);
        return states.length > 0 && states.every((each) => each === arguments[0]);""",
        state,
    )
    return found


# Quotes that become late, read with a clock that is wrong.


DAY_MS = 86_400_000
CLOCK = """
  const Real = Date;
  window.ahead = %d;
  window.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(Real.now() + ahead); }
    static now() { return Real.now() + ahead; }
  };"""
WRONG = pytest.mark.parametrize(
    "ahead",
    [
        pytest.param(-DAY_MS, id="a day behind", marks=pytest.mark.slow),
        pytest.param(DAY_MS, id="a day ahead"),
    ],
)
"""The reader's clock, in ms."""


def wrongly(ahead: int, html: str = SNIPPET) -> str:
    return f"<script>{{{CLOCK % ahead}}}</script>{html}"


def soon(seconds: float) -> datetime:
    """A moment in so many seconds, whole as on the wire."""
    return (datetime.now(UTC) + timedelta(seconds=seconds + 1)).replace(microsecond=0)


async def until_status(page: Page, status: str, seconds: float = 20) -> None:
    async def said() -> bool:
        return await status_shown(page) == status

    await until(said, seconds)


async def status_shown(page: Page) -> str:
    """That of the first quote of the first ticker."""
    status: str = await page.run(
        """const { shadowRoot } = document.querySelector("currency-ticker");
        return shadowRoot.querySelector("[part~=item]")?.dataset.status ?? "";"""
    )
    return status


async def title_shown(page: Page) -> str:
    title: str = await page.run(
        """const { shadowRoot } = document.querySelector("currency-ticker");
        return shadowRoot.querySelector(":not([aria-hidden]) > ul > [part~=item]").title;"""
    )
    return title


@WRONG
async def test_a_line_without_its_server_shows_a_quote_as_stale_from_its_moment_on(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, ahead: int
) -> None:
    await newsroom.say(quote_of("KGS", "80"))
    async with open_page("chromium") as page:
        await page.open(newsroom.page(wrongly(ahead)))
        await until_line(page, "KGS/USD = 0.01250")
        due_at = soon(10)
        await newsroom.say(quote_of("KGS", "87.45", due_at=due_at))
        await until_line(page, "KGS/USD = 0.01144")
        await newsroom.server.kill()
        assert datetime.now(UTC) < due_at
        assert await status_shown(page) == "live"

        await until_status(page, "stale", 40)

        assert datetime.now(UTC) >= due_at
        assert "outdated" in await title_shown(page)
        assert await line_of(page) == "KGS/USD = 0.01144"


@WRONG
@pytest.mark.parametrize("told_by", ["updates", "heartbeats"])
async def test_a_line_follows_the_clock_of_its_server_forwards_and_back(
    newsroom: Newsroom,
    open_page: OpenPage,
    quote_of: QuoteOf,
    ahead: int,
    told_by: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticker.edge, "CLOCK_SECONDS", 0.1 if told_by == "updates" else 3600)
    server = {} if told_by == "updates" else {"heartbeat_seconds": 1}
    now = [datetime.now(UTC)]
    due_at = soon(3600)
    await newsroom.say(quote_of("KGS", "87.45", due_at=due_at))
    async with (
        serving(newsroom.publisher.store, clock=lambda: now[0], alone=False, **server) as site,
        open_page("chromium") as page,
    ):
        await page.open(newsroom.page(wrongly(ahead), server=site.url))
        await until_status(page, "live")
        now[0] = due_at
        await until_status(page, "stale")
        now[0] -= timedelta(seconds=30)
        await until_status(page, "live")


@pytest.mark.slow
@WRONG
async def test_a_line_that_lives_by_asking_goes_by_the_date_of_the_answers(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, ahead: int
) -> None:
    due_at = soon(20)
    age = timedelta(hours=1)
    await newsroom.say(quote_of("KGS", "87.45", due_at=due_at + age))
    async with newsroom.front("/v1/stream", "/v1/events") as front, open_page("chromium") as page:
        # A cache on the way has kept the answer for an hour.
        front.headers = {"Age": f"{age.total_seconds():.0f}"}
        await page.open(newsroom.page(wrongly(ahead), server=front.url))
        await until_line(page, "KGS/USD = 0.01144", 40)
        await newsroom.server.kill()
        assert datetime.now(UTC) < due_at
        assert await status_shown(page) == "live"

        await until_status(page, "stale", 40)

        assert datetime.now(UTC) >= due_at


async def test_a_machine_that_slept_corrects_itself_before_it_has_its_server_again(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf
) -> None:
    await newsroom.say(quote_of("KGS", "87.45", due_at=soon(3600)))
    async with open_page("chromium") as page:
        await page.open(newsroom.page(wrongly(DAY_MS)))
        await until_status(page, "live")
        await newsroom.server.kill()
        await until_state(page, "connecting")
        assert await status_shown(page) == "live"

        # Timers stood still for a day, and the network is there again, or seems to be.
        await page.run("window.ahead *= 2; dispatchEvent(new Event('online'))")

        await until_status(page, "stale")
        await newsroom.server.start()
        await until_status(page, "live", LONGEST_DELAY_SECONDS + PATIENCE)


@WRONG
async def test_the_board_shows_what_the_line_above_it_shows(
    newsroom: Newsroom, open_page: OpenPage, quote_of: QuoteOf, ahead: int
) -> None:
    await newsroom.say(quote_of("KGS", "80"))
    async with open_page("chromium", height=900) as page:
        await page.preload(CLOCK % ahead)
        await page.open(f"{newsroom.server.url}/")
        await until(partial(row_says, page, "up to date"))
        due_at = soon(10)
        await newsroom.say(quote_of("KGS", "87.45", due_at=due_at))
        await until(partial(row_has, page, "0.01144"))
        assert await row_says(page, "up to date")
        await newsroom.server.kill()
        assert datetime.now(UTC) < due_at

        await until(partial(row_says, page, "outdated"), 40)

        assert datetime.now(UTC) >= due_at


async def row_says(page: Page, words: str) -> bool:
    """Whether the board has these words for the state of the som."""
    said: str = await page.run(
        """const { shadowRoot: board } = document.querySelector("#quotes");
        return board?.querySelector('[data-symbol="KGS/USD"] td [data-status]')?.textContent ?? "";"""
    )
    return said == words


async def row_has(page: Page, words: str) -> bool:
    """Whether the som's row of the board has these words anywhere."""
    text: str = await page.run(
        """const { shadowRoot: board } = document.querySelector("#quotes");
        return board.querySelector('[data-symbol="KGS/USD"]').textContent"""
    )
    return words in text
