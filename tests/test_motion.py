"""The movement of the line in three real engines: no update, and nothing else, moves what is in sight."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from browsers import ENGINES, Page
from newsroom import FIVE, File, Newsroom, newsroom
from redis.asyncio import Redis

from ticker.embedded import EmbeddedServer
from ticker.rates.model import Quote

if TYPE_CHECKING:
    from tests.conftest import Elected, OpenPage, OpenStore, QuoteOf

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

SEED = 20261125
SECONDS = 60
FRAMES = 100
PUBLICATIONS_PER_SECOND = 4
MOTION = Path(__file__).with_name("motion.js")

# Where an item stands is computed in 1/64 px, and an engine may round that to a device's pixel.
JUMP_PX = 0.5
# Firefox tells the clock of a frame in whole milliseconds: at 300 px/s both ends of a frame are 0.3 px apart.
SLIP_PX = 1.0
# The loop has a whole number of pixels, so its end is up to one wider than the items.
HOLE_PX = 2.0
SPILL_PX = 1.0

Seen = list[dict[str, Any]]
Minute = dict[str, Seen]


@dataclass(frozen=True)
class Line:
    """A ticker of the page: where and how it moves."""

    width: int
    speed: int
    attributes: str = ""
    dir: str = "ltr"

    @property
    def velocity(self) -> int:
        """In px per second to the right."""
        return self.speed if (self.dir == "rtl") != ("reverse" in self.attributes) else -self.speed

    @property
    def html(self) -> str:
        line = f'<currency-ticker speed="{self.speed}" {self.attributes}></currency-ticker>'
        return f'<div dir="{self.dir}" style="width:{self.width}px">{line}</div>'


# Short lines at a high speed begin anew every two seconds.
LINES = (
    Line(320, 150),
    Line(320, 300, 'symbols="KGS KZT" direction="reverse"'),
    Line(768, 200, 'symbols="KGS KZT UZS"', "rtl"),
    Line(1280, 50, 'direction="reverse"'),
    Line(1920, 200, 'direction="reverse"', "rtl"),
    Line(2560, 90),
    Line(3840, 250, 'symbols="TMT"'),
    Line(3840, 60, 'symbols="KGS TMT UZS"', "rtl"),
)
STYLE = "<style>body { margin: 0 } currency-ticker { display: block; min-height: 62px }</style>"


def page_of(*lines: Line) -> str:
    return f"{STYLE}{''.join(line.html for line in lines)}{{embed}}<script src=/motion.js></script>"


def quotes(dice: random.Random, quote_of: QuoteOf) -> list[Quote]:
    """One to three rates such as the worst of days might bring."""
    return [rate(dice, quote_of, code) for code in dice.sample(FIVE, dice.randint(1, 3))]


def rate(dice: random.Random, quote_of: QuoteOf, code: str) -> Quote:
    """Any figure from 0.0000837 to 11942.86, and any change from none to -1234.56 %."""
    inverse = f"{10 ** dice.uniform(-4.0772, 4.0773):.7g}"
    percent = dice.choice((None, 0, 0.01, -0.44, 7, 12.5, -99.99, 834.17, -1234.56, dice.uniform(-9, 9)))
    return quote_of(
        code,
        f"{Decimal(inverse):f}",
        change_percent=None if percent is None else Decimal(f"{percent:.2f}"),
        status=dice.choice(("live", "live", "live", "stale", "unconfirmed", "pegged", "fallback")),
        source=dice.choice(("nbkr", "nbk", "cbu", "fawazahmed0")),
        corrected=dice.random() < 0.2,
    )


async def until_moving(page: Page) -> None:
    """
    Wait until every ticker of the page has its items and moves.

    An animation that is pending stands still, though it is called running: on a busy machine for some frames.
    """
    ready = """
      return [...document.querySelectorAll("currency-ticker")].every((ticker) =>
        ticker.shadowRoot?.querySelector("[part~=item]") &&
        ticker.shadowRoot.querySelector("[part~=track]").getAnimations()
          .some(({ playState, pending }) => playState === "running" && !pending))"""
    async with asyncio.timeout(20):
        while not await page.run(ready):
            await asyncio.sleep(0.05)


async def watched(page: Page, seconds: float, frames: int = 0) -> Seen:
    """What `motion.js` saw of each ticker; a slow machine gets half as much time again for the frames."""
    seen: Seen = await page.run(
        """const [seconds, frames] = arguments;
        const [motion, start] = [watchMotion(), performance.now()];
        const goesOn = () => {
          const passed = (performance.now() - start) / 1000;
          return passed < seconds || (passed < 1.5 * seconds && motion.frames() < frames);
        };
        while (goesOn()) await new Promise((resolve) => setTimeout(resolve, 100));
        return motion.end();""",
        seconds,
        frames,
    )
    return seen


def most(seen: Seen, fact: str) -> float:
    return max(float(each[fact]) for each in seen)


def worst(seen: Seen) -> Any:
    return max(seen, key=lambda each: float(each["jump"]))["worst"]


# A minute of the worst news.


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="room")
async def _room(
    redis_server: EmbeddedServer, open_store: OpenStore, elected: Elected, quote_of: QuoteOf
) -> AsyncIterator[Newsroom]:
    async with Redis.from_url(redis_server.url) as client:
        await client.flushall()
    async with (
        open_store(redis_server.url) as store,
        newsroom(await elected(store), redis_server.url, (*FIVE, "RUB")) as room,
    ):
        room.site.put("/motion.js", File(MOTION.read_bytes(), "text/javascript"))
        await room.say(*(quote_of(code, "87.45") for code in FIVE))
        yield room


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="minute")
async def _minute(room: Newsroom, open_page: OpenPage, quote_of: QuoteOf) -> Minute:
    """What was seen in all three engines at once, on the same page at the same server."""
    url = room.page(page_of(*LINES))
    async with asyncio.TaskGroup() as group:
        looking = {name: group.create_task(minute(open_page, name, url)) for name in ENGINES}
        news = group.create_task(publish(room, quote_of))
        await asyncio.wait(looking.values())
        news.cancel()
    return {name: task.result() for name, task in looking.items()}


async def minute(open_page: OpenPage, name: str, url: str) -> Seen:
    async with open_page(name, width=3840, height=700) as page:
        await page.open(url)
        await until_moving(page)
        return await watched(page, SECONDS, FRAMES + 20)


async def publish(room: Newsroom, quote_of: QuoteOf) -> None:
    dice = random.Random(SEED)
    while True:
        await room.say(*quotes(dice, quote_of))
        await asyncio.sleep(1 / PUBLICATIONS_PER_SECOND)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("engine", ENGINES)
async def test_no_update_moves_what_is_in_sight(minute: Minute, engine: str) -> None:
    seen = minute[engine]

    assert most(seen, "jump") <= JUMP_PX, worst(seen)
    assert most(seen, "resized") <= JUMP_PX
    assert min(each["frames"] for each in seen) > FRAMES
    assert min(each["updates"] for each in seen) > 60
    assert sum(each["wraps"] for each in seen) > 20
    # What outgrew its place got another one out of sight.
    assert sum(each["grown"] for each in seen) > 3


@pytest.mark.parametrize("engine", ["chromium", "firefox"])
async def test_the_line_is_where_the_clock_of_its_animation_says(minute: Minute, engine: str) -> None:
    # WebKit has two clocks: that of the frame for a reversed animation, the wall's for others.
    assert most(minute[engine], "slip") <= SLIP_PX


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_line_covers_its_whole_width_and_no_item_another(minute: Minute, engine: str) -> None:
    seen = minute[engine]

    assert most(seen, "hole") <= HOLE_PX
    assert most(seen, "overlap") <= JUMP_PX
    assert most(seen, "spill") <= SPILL_PX


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_speed_is_the_same_at_every_width(minute: Minute, engine: str) -> None:
    speeds = [each["speed"] for each in minute[engine]]

    assert speeds == [pytest.approx(line.velocity, rel=0.02) for line in LINES]


@pytest.mark.parametrize("ratio", [1.5, 0.8])
async def test_nothing_moves_on_a_screen_whose_pixels_are_not_those_of_the_page(
    room: Newsroom, open_page: OpenPage, quote_of: QuoteOf, ratio: float
) -> None:
    url = room.page(page_of(Line(900, 200), Line(700, 130, 'direction="reverse"', "rtl")))
    async with open_page("chromium", device_scale_factor=ratio) as page, asyncio.TaskGroup() as group:
        news = group.create_task(publish(room, quote_of))
        await page.open(url)
        await until_moving(page)
        seen = await watched(page, 4)
        news.cancel()

    assert most(seen, "jump") <= JUMP_PX, worst(seen)
    assert most(seen, "slip") <= SLIP_PX
    assert most(seen, "hole") <= HOLE_PX
    assert min(each["updates"] for each in seen) > 10


# Whatever else happens on the page.


CHANGES = {
    "nothing": "",
    "other lines": "turn % 2 ? document.body.lastChild.remove()"
    " : document.body.append(document.createElement('currency-ticker'))",
    "theme": "ticker.theme = ['dark', 'light'][turn % 2]",
    "speed": "ticker.speed = [200, 40, 120][turn % 3]",
    "direction": "ticker.direction = ['reverse', 'left'][turn % 2]",
    "dir": "box.dir = ['rtl', 'ltr'][turn % 2]",
    "place in the document": "[box.firstElementChild, box][turn % 2].append(ticker)",
    "display": "box.hidden = turn % 2",
    "late font": "if (turn === 1) box.style.fontFamily = 'Late, sans-serif'",
    "late rate": "",
    "symbols": "ticker.symbols = ['KZT', 'KGS KZT UZS', 'KGS KZT TMT'][turn % 3]",
    "format": "ticker.format = ['names', 'compact', 'line'][turn % 3]",
    "digits": "ticker.digits = [12, 2, ''][turn % 3]",
    "room": "box.style.width = `${[320, 1900, 500, 1200, 900][turn % 5]}px`",
    "size of the text": "box.style.fontSize = `${[20, 11, 16][turn % 3]}px`",
    "zoom": "box.style.zoom = [1.5, 0.75, 1][turn % 3]",
}
"""What is done, again and again, to a ticker of its own and the box around it."""
STAND_FIRM = ("nothing", "other lines", "theme")
KEEP_HOLD = (*STAND_FIRM, "late font", "late rate", "room")
ROUNDS = 9
SECONDS_A_ROUND = 0.5
LATE_SECONDS = 1.0
FONT = "<style>@font-face { font-family: Late; src: url(/late.ttf); size-adjust: 130% }</style>"


def box(change: str) -> str:
    symbols = "KGS RUB TMT" if change == "late rate" else " ".join(FIVE)
    return (
        '<div class=box style="width: 900px; height: 62px; font-family: sans-serif"><div></div>'
        f'<currency-ticker speed=120 symbols="{symbols}"></currency-ticker></div>'
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="changed")
async def _changed(room: Newsroom, open_page: OpenPage, quote_of: QuoteOf) -> dict[str, Seen]:
    """What was seen of each of these tickers, in all three engines at once."""
    font = await asyncio.to_thread(system_font)
    room.site.put("/late.ttf", File(font, "font/ttf", after=LATE_SECONDS))
    boxes = "".join(map(box, CHANGES))
    url = room.page(f"{STYLE}{FONT}{boxes}{{embed}}<script src=/motion.js></script>")
    ready = asyncio.Barrier(len(ENGINES) + 1)
    async with asyncio.TaskGroup() as group:
        looking = {name: group.create_task(changing(open_page, name, url, ready)) for name in ENGINES}
        news = group.create_task(publish(room, quote_of))
        await ready.wait()
        await asyncio.sleep(ROUNDS * SECONDS_A_ROUND / 2)
        await room.say(quote_of("RUB", "90"))
        await asyncio.wait(looking.values())
        news.cancel()
    return {name: task.result() for name, task in looking.items()}


def system_font() -> bytes:
    """A font that every machine with a browser has."""
    found = subprocess.run(
        ["fc-match", "--format=%{file}", "sans:fontformat=TrueType"], capture_output=True, check=True
    )
    return Path(found.stdout.decode()).read_bytes()


async def changing(open_page: OpenPage, name: str, url: str, ready: asyncio.Barrier) -> Seen:
    acts = ", ".join(f"(box, ticker, turn) => {{ {act} }}" for act in CHANGES.values())
    async with open_page(name, width=1920, height=985) as page:
        await page.open(url)
        await until_moving(page)
        await ready.wait()
        seen: Seen = await page.run(
            f"""const acts = [{acts}], motion = watchMotion();
            const boxes = [...document.querySelectorAll(".box")];
            const tickers = boxes.map((box) => box.lastChild);
            for (let turn = 0; turn < {ROUNDS}; turn++) {{
              await new Promise((resolve) => setTimeout(resolve, {SECONDS_A_ROUND * 1000}));
              await new Promise(requestAnimationFrame);
              acts.forEach((act, index) => act(boxes[index], tickers[index], turn));
            }}
            const late = tickers[{list(CHANGES).index("late rate")}].shadowRoot;
            const came = () => document.fonts.check("16px Late") && late.querySelector("[data-symbol^=RUB]");
            while (!came()) await new Promise((resolve) => setTimeout(resolve, 50));
            await new Promise((resolve) => setTimeout(resolve, 500));
            return motion.end();"""
        )
        return seen


def of_changes(seen: Seen, fact: str) -> dict[str, float]:
    return {change: each[fact] for change, each in zip(CHANGES, seen, strict=True)}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("engine", ENGINES)
async def test_no_change_of_the_page_tears_a_hole(changed: dict[str, Seen], engine: str) -> None:
    holes = of_changes(changed[engine], "hole")
    overlaps = of_changes(changed[engine], "overlap")

    assert {change: hole for change, hole in holes.items() if hole > HOLE_PX} == {}
    assert {change: overlap for change, overlap in overlaps.items() if overlap > JUMP_PX} == {}
    assert {change for change, frames in of_changes(changed[engine], "frames").items() if frames < 3} == set()


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_does_not_change_the_items_moves_none_of_them(
    changed: dict[str, Seen], engine: str
) -> None:
    jumps = of_changes(changed[engine], "jump")

    assert {change: jumps[change] for change in STAND_FIRM if jumps[change] > JUMP_PX} == {}


@pytest.mark.parametrize("engine", ["chromium", "firefox"])
async def test_what_changes_the_items_lets_the_first_one_in_sight_where_it_is(
    changed: dict[str, Seen], engine: str
) -> None:
    lost = of_changes(changed[engine], "hold")

    assert {change: lost[change] for change in KEEP_HOLD if lost[change] > SLIP_PX} == {}
