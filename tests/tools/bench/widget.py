"""
What the widget costs its page: the time of the page's main thread, beside the same page without the widget.

The page is an article at 1280 x 800 in Debian's chromium, headless, on a core of its own; quotes come from
a real Redis through the real edge. Two measures, both of CPU time, not of a clock on the wall, so that what
else the machine does is not taken for the widget's:

- tasks: `TaskDuration` of `Performance.getMetrics` in thread ticks. It is what the page's main thread does,
  script, style, layout, paint and all, and what the developer tools show as its work. Targets are of this.
- thread: `ThreadTime`, all that the kernel counts for the thread; so with the price of being woken up.

What the page without the widget takes is subtracted.

Frames: an animation of the compositor causes no frame of the main thread, in headless chromium as in one with
a window under Xvfb (2026-11, chromium 156: no BeginMainFrame, no style, no layout, the same figures in both).
What is left is that the compositor tells the main thread of each frame that was shown: 60 tasks a second that
do nothing (`DidPresentCompositorFrame`). `carried` is a page with one box of text that moves this way and no
script behind it. Nothing that moves costs less, and its cost is counted as the widget's all the same. Nothing
that listens costs less than `listening`: a socket whose messages are parsed and forgotten.

Hidden: another tab is in front. Playwright keeps every page "visible" (it emulates the focus), so chromium is
spoken to directly, and started without the flags of tests that keep the timers of hidden tabs going.

`naive` is a marquee as many pages have it, to show what the measure finds where there is something to find.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import brotli

from tests.tools.bench.chromium import Event, Metrics, main_thread_of, own_seconds
from tests.tools.bench.machine import LOAD_CORE, BenchError
from tests.tools.bench.report import Table, Target, kb
from tests.tools.bench.scene import FULL, TEXT, Scene, Stage, stage

ROUNDS, SECONDS, LOADS = 3, 12.0, 9
QUICK_SECONDS = 2.0
SETTLE_SECONDS = 3.0
MOST_BYTES = 9216
MOST_BOARD_BYTES = 10_240
MARK = "the page of the benchmark"

WITHOUT = Scene("the page without it", "without")
CARRIED = Scene("carried: one box that moves, no script", "carried")
LISTENING = Scene("listening: a socket, 5 updates/s", "listening", 5)
STILL = Scene("scrolling, no updates", "one")
ONES, ALL = Scene("5 updates/s of one quote", "one", 1), Scene("5 updates/s of all five quotes", "one", 5)
AWAY = Scene("scrolled out of sight", "one", 0, "scrolled away")
AWAY_UPDATED = Scene("scrolled out of sight, 5 updates/s", "one", 5, "scrolled away")
HIDDEN = Scene("hidden tab", "one", 0, "hidden")
HIDDEN_UPDATED = Scene("hidden tab, 5 updates/s", "one", 5, "hidden")
BOARD_STILL = Scene("board, no updates", "board")
BOARD_ONES = Scene("board, 2 updates/s of one quote", "board", 1, updates=2)
BOARD_ALL = Scene("board, 2 updates/s of all five quotes", "board", 5, updates=2)
BOARDS = (BOARD_STILL, BOARD_ONES, BOARD_ALL)
FIGURES = (
    Scene("static, 5 updates/s", "static", 5),
    Scene("ten elements, no updates", "ten"),
    Scene("ten elements, 5 updates/s", "ten", 5),
    Scene("naive marquee, no updates", "naive"),
    Scene("naive marquee, 5 updates/s", "naive", 5),
)
SCENES = (
    WITHOUT,
    CARRIED,
    LISTENING,
    STILL,
    ONES,
    ALL,
    AWAY,
    AWAY_UPDATED,
    HIDDEN,
    HIDDEN_UPDATED,
    *BOARDS,
    *FIGURES,
)

KINDS = {
    "script": ("FunctionCall", "TimerFire", "EventDispatch", "FireAnimationFrame", "RunMicrotasks", "v8."),
    "garbage": ("MinorGC", "MajorGC", "V8.GC", "BlinkGC"),
    "style": ("UpdateLayoutTree", "ScheduleStyleRecalculation"),
    "layout": ("Layout", "UpdateLayout", "InvalidateLayout"),
    "paint": ("PrePaint", "Paint", "Layerize", "Commit", "UpdateLayer", "CompositingCommit"),
}


# Watching.


async def watched(stage: Stage, scene: Scene, seconds: float) -> Metrics:
    """What a second of the scene took: ms in the durations, and counts. Raises BenchError."""
    async with stage.shown(scene) as tab, stage.updating(scene):
        await asyncio.sleep(SETTLE_SECONDS)
        text, before = await tab.evaluate(TEXT), await tab.metrics()
        await asyncio.sleep(seconds)
        after = await tab.metrics()
        if scene.changes and text == await tab.evaluate(TEXT):
            raise BenchError(f"{scene.name}: nothing changed on the page")
    passed = after["Timestamp"] - before["Timestamp"]
    return {name: (after[name] - before[name]) * _unit(name) / passed for name in before}


def _unit(name: str) -> int:
    return 1000 if name.endswith(("Duration", "Time")) else 1


@dataclass(slots=True)
class Rounds:
    """What each scene took in each round."""

    of: dict[Scene, list[Metrics]] = field(default_factory=lambda: {scene: [] for scene in SCENES})

    def median(self, scene: Scene, name: str) -> float:
        """The median over the rounds of what the scene took over the page without the widget."""
        pairs = zip(self.of[scene], self.of[WITHOUT], strict=True)
        return _median(one[name] - without[name] for one, without in pairs)

    def plain(self, scene: Scene, name: str) -> float:
        return _median(each[name] for each in self.of[scene])

    def sum(self, scene: Scene, name: str) -> float:
        return sum(each[name] for each in self.of[scene])

    def row(self, scene: Scene) -> tuple[str, ...]:
        figure = self.plain if scene is WITHOUT else self.median
        durations = ("TaskDuration", "ThreadTime", "ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
        counts = ("RecalcStyleCount", "LayoutCount")
        cells = [f"{figure(scene, name):.2f}" for name in durations]
        return scene.name, *cells, *(f"{self.plain(scene, name):.1f}" for name in counts)


def time_table(rounds: Rounds, seconds: float) -> Table:
    def tasks(text: str, most: float, *scenes: Scene) -> Target:
        found = max(rounds.median(scene, "TaskDuration") for scene in scenes)
        return Target(f"{text}: tasks", found, most, " ms/s")

    count = len(rounds.of[STILL])
    return Table(
        "Widget: the page's main thread, ms in a second",
        ("page", "tasks", "thread", "script", "style", "layout", "styles/s", "layouts/s"),
        [rounds.row(scene) for scene in rounds.of],
        [
            tasks("scrolling, no updates", 3, STILL),
            Target("scrolling, no updates: layouts", rounds.sum(STILL, "LayoutCount"), 0, "/s"),
            tasks("five updates a second, one quote or all", 12, ONES, ALL),
            tasks("out of sight, no updates", 1, AWAY),
            tasks("out of sight, five updates a second", 1, AWAY_UPDATED),
            tasks("hidden, no updates", 1, HIDDEN),
            tasks("hidden, five updates a second", 1, HIDDEN_UPDATED),
            tasks("board, two updates a second, one quote or all", 6, BOARD_ONES, BOARD_ALL),
        ],
        [
            f"CPU time, medians of {count} interleaved rounds of {seconds:g} s, less the first page",
            "thread is with the price of waking it up",
        ],
    )


# Where it goes.


async def shares(stage: Stage, scene: Scene, seconds: float) -> tuple[str, ...]:
    """A row: ms in a second by kind of work, of a trace, which itself costs a little."""
    async with stage.shown(scene) as tab, stage.updating(scene):
        await asyncio.sleep(SETTLE_SECONDS)
        async with stage.browser.trace() as events:
            await tab.evaluate(f"console.timeStamp({MARK!r})")
            began = time.monotonic()
            await asyncio.sleep(seconds)
            passed = time.monotonic() - began
    spent: defaultdict[str, float] = defaultdict(float)
    for event, own in own_seconds(main_thread_of(events, MARK)):
        spent[_kind(event)] += own * 1000 / passed
    return scene.name, *(f"{spent[kind]:.2f}" for kind in (*KINDS, "frames", "other"))


def _kind(event: Event) -> str:
    if "DidPresentCompositorFrame" in str(event.get("args", {}).get("src_func")):
        return "frames"
    return next((kind for kind, names in KINDS.items() if event["name"].startswith(names)), "other")


async def share_table(stage: Stage, seconds: float) -> Table:
    scenes = (CARRIED, LISTENING, STILL, ONES, ALL, AWAY_UPDATED, FIGURES[-1])
    return Table(
        "Widget: where the time of the main thread goes, ms in a second",
        ("page", *KINDS, "frames", "other"),
        [await shares(stage, scene, seconds) for scene in scenes],
        [],
        ["of one trace each, which has its own price; frames: being told that the compositor has shown one"],
    )


# The load, and what an element keeps.


@dataclass(frozen=True, slots=True)
class Load:
    """One visit with an empty cache."""

    evaluated: float
    """Milliseconds of our script, the element's making and first connection in it."""
    tasks: float
    """Milliseconds of all that the main thread did."""
    received: int
    """Bytes of our script over the wire, its head in it."""


async def load(stage: Stage, page: str) -> Load:
    """A visit up to the line, if it has one, and a second more."""
    async with stage.browser.tab() as tab:
        await tab.call("Network.enable")
        await tab.call("Network.setCacheDisabled", cacheDisabled=True)
        async with stage.browser.trace() as events:
            await tab.open(stage.pages[page])
            await tab.evaluate(f"console.timeStamp({MARK!r})")
            if page != WITHOUT.page:
                await tab.until(FULL)
            await asyncio.sleep(1)
            metrics = await tab.metrics()
    return Load(
        sum(_evaluated(main_thread_of(events, MARK))),
        metrics["TaskDuration"] * 1000,
        sum(_received(events)),
    )


def _evaluated(events: Iterable[Event]) -> Iterator[float]:
    for each in events:
        if each["name"] == "EvaluateScript" and "ticker.js" in each["args"]["data"]["url"]:
            yield each.get("tdur", 0) / 1000


def _received(events: list[Event]) -> Iterator[int]:
    requests = {
        each["args"]["data"]["requestId"]
        for each in events
        if each["name"] == "ResourceSendRequest" and "ticker.js" in each["args"]["data"]["url"]
    }
    for each in events:
        if each["name"] == "ResourceFinish" and each["args"]["data"]["requestId"] in requests:
            yield each["args"]["data"]["encodedDataLength"]


async def kept(stage: Stage, page: str) -> Metrics:
    """What is on the heap of a page after a collection of garbage."""
    async with stage.shown(Scene(page, page)) as tab:
        await asyncio.sleep(1)
        await tab.call("HeapProfiler.enable")
        await tab.call("HeapProfiler.collectGarbage")
        return await tab.metrics()


async def load_table(stage: Stage, count: int) -> Table:
    both = [(await load(stage, STILL.page), await load(stage, WITHOUT.page)) for _ in range(count)]
    script = await _script(stage.server)
    small = len(brotli.compress(script, quality=11))
    one, ten = await kept(stage, "one"), await kept(stage, "ten")
    more = {name: (ten[name] - one[name]) / 9 for name in one}
    return Table(
        "Widget: the load, and an element",
        ("", "widget"),
        [
            ("script, bytes", f"{len(script):,}"),
            ("script at brotli 11, bytes", f"{small:,}"),
            ("script over the wire with its head, bytes", f"{both[0][0].received:,}"),
            (
                "script evaluated, element made, ms",
                f"{_median(with_it.evaluated for with_it, _ in both):.1f}",
            ),
            (
                "whole visit over the page without it, ms",
                f"{_median(a.tasks - b.tasks for a, b in both):.1f}",
            ),
            ("JavaScript heap of one element more, KB", kb(more["JSHeapUsedSize"])),
            ("DOM nodes of one element more", f"{more['Nodes']:.0f}"),
            ("listeners of one element more", f"{more['JSEventListeners']:.0f}"),
        ],
        [Target("script at brotli 11, bytes", small, MOST_BYTES)],
        [f"medians of {count} visits with an empty cache, CPU time of the main thread under a trace"],
    )


async def _script(server: str) -> bytes:
    async with aiohttp.ClientSession() as client, client.get(f"{server}ticker.js") as answer:
        return await answer.read()


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


async def tables(*, quick: bool) -> list[Table]:
    """Everything measured. Raises BenchError."""
    os.sched_setaffinity(0, {LOAD_CORE})
    seconds, count = (QUICK_SECONDS, 1) if quick else (SECONDS, ROUNDS)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        async with stage(Path(name)) as there:
            rounds = Rounds()
            for _ in range(count):
                for scene, found in rounds.of.items():
                    found.append(await watched(there, scene, seconds))
            return [
                time_table(rounds, seconds),
                await share_table(there, seconds),
                await load_table(there, 1 if quick else LOADS),
            ]
