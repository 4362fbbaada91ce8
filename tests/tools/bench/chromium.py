"""A chromium of its own, spoken to in its own protocol (CDP), and the time of a page's main thread."""

# ruff: noqa: ASYNC240 - nobody else is on the loop that looks at a file of the profile

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.tools.bench.machine import BenchError, Late, program

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,800"),
    *("--no-first-run", "--disable-sync", "--disable-background-networking", "--disable-component-update"),
)
START_SECONDS, ANSWER_SECONDS = 30, 30
TRACED = ("toplevel", "devtools.timeline", "v8")

Metrics = dict[str, float]
Event = dict[str, Any]


@dataclass(slots=True)
class Browser:
    """Calls one after the other; what chromium tells in between is kept until it is asked for."""

    socket: ClientConnection
    _calls: int = 0
    _told: list[Event] = field(default_factory=list)

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> Event:
        self._calls += 1
        order: Event = {"id": self._calls, "method": method, "params": parameters}
        if session:
            order["sessionId"] = session
        await self.socket.send(json.dumps(order))
        while (message := await self._next(method)).get("id") != self._calls:
            self._told.append(message)
        if "error" in message:
            raise BenchError(f"chromium refused {method}: {message['error']}")
        result: Event = message["result"]
        return result

    async def told(self, until: str, session: str | None = None) -> list[Event]:
        """All that was told in this session since the last time, up to an event of this name."""
        while not any(self._is_of(each, session) and each.get("method") == until for each in self._told):
            self._told.append(await self._next(until))
        told = [each for each in self._told if self._is_of(each, session)]
        self._told.clear()
        return told

    @staticmethod
    def _is_of(event: Event, session: str | None) -> bool:
        return bool(event.get("sessionId") == session)

    async def _next(self, wanted: str) -> Event:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                message: Event = json.loads(await self.socket.recv())
        except TimeoutError:
            raise Late(f"chromium did not answer {wanted} within {ANSWER_SECONDS} s") from None
        return message

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """An empty page in front of all others, in a process of its own."""
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = Tab(self, session)
        await tab.call("Page.enable")
        await tab.call("Performance.enable", timeDomain="threadTicks")
        try:
            yield tab
        finally:
            await self.call("Target.closeTarget", targetId=target)

    @asynccontextmanager
    async def trace(self) -> AsyncIterator[list[Event]]:
        """What all threads do meanwhile; the list is filled at the end."""
        events: list[Event] = []
        config = {"includedCategories": TRACED, "excludedCategories": ["*"]}
        await self.call("Tracing.start", traceConfig=config, transferMode="ReportEvents")
        yield events
        await self.call("Tracing.end")
        for each in await self.told("Tracing.tracingComplete"):
            if each["method"] == "Tracing.dataCollected":
                events += each["params"]["value"]


@dataclass(frozen=True, slots=True)
class Tab:
    """A page."""

    browser: Browser
    session: str

    async def call(self, method: str, **parameters: Any) -> Event:
        return await self.browser.call(method, self.session, **parameters)

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.browser.told("Page.loadEventFired", self.session)

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BenchError(f"the page failed: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 20) -> None:
        """Wait for a fact of the page."""
        try:
            async with asyncio.timeout(seconds):
                while not await self.evaluate(expression):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise Late(f"the page never came to `{expression}`") from None

    async def metrics(self) -> Metrics:
        """Seconds and counts since the page's process began."""
        answer = await self.call("Performance.getMetrics")
        return {each["name"]: each["value"] for each in answer["metrics"]}


@asynccontextmanager
async def chromium(folder: Path, *, core: int) -> AsyncIterator[Browser]:
    """A browser with a profile of its own, all of it on one core. Raises BenchError."""
    if not shutil.which("chromium"):
        raise BenchError("there is no chromium here")
    folder.mkdir()
    profile, log = folder / "profile", folder / "chromium.log"
    command = ("chromium", *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank")
    async with program(*command, core=core, log=log) as process:
        address = await _address(profile / "DevToolsActivePort", process, log)
        # Nothing is read while a page is watched, so a ping would find nobody.
        async with connect(
            address, max_size=None, compression=None, ping_interval=None, proxy=None
        ) as socket:
            yield Browser(socket)


async def _address(file: Path, process: asyncio.subprocess.Process, log: Path) -> str:
    """Where the browser listens; it writes the port and the path to a file of its profile."""
    for _ in range(START_SECONDS * 10):
        lines = file.read_text().split() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        if process.returncode is not None:
            break
        await asyncio.sleep(0.1)
    raise BenchError(f"chromium does not start; its log: {log.read_text(errors='replace')[-1000:]}")


# What a trace says.


def main_thread_of(events: list[Event], marked: str) -> list[Event]:
    """The complete events of the main thread on which something with this name happened."""
    mains = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"].get("name") == "CrRendererMain"
    }
    places = {(each["pid"], each["tid"]) for each in events if _marks(each, marked)} & mains
    if len(places) != 1:
        raise BenchError(f"the trace has {len(places)} main threads with {marked}")
    place = places.pop()
    return [each for each in events if each["ph"] == "X" and (each["pid"], each["tid"]) == place]


def _marks(event: Event, marked: str) -> bool:
    return marked in json.dumps(event.get("args", {}))


def own_seconds(events: list[Event]) -> Iterator[tuple[Event, float]]:
    """Each event with the thread's time in it that is in none of those within it."""
    open_events: list[tuple[Event, list[float]]] = []
    for event in sorted(events, key=lambda each: (each["ts"], -each.get("dur", 0))):
        while open_events and open_events[-1][0]["ts"] + open_events[-1][0].get("dur", 0) <= event["ts"]:
            yield _closed(open_events)
        if open_events:
            open_events[-1][1].append(event.get("tdur", 0))
        open_events.append((event, []))
    while open_events:
        yield _closed(open_events)


def _closed(open_events: list[tuple[Event, list[float]]]) -> tuple[Event, float]:
    event, within = open_events.pop()
    return event, max(0, event.get("tdur", 0) - sum(within)) / 1e6
