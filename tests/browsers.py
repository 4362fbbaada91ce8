"""
Three real engines behind one small interface: chromium, firefox and webkit.

    async with browser("firefox", width=320) as page:
        await page.open("http://127.0.0.1:8080/")
        assert await page.run("return document.title") == "News"

An engine takes seconds to start and gives any number of pages, each with storage of its own, so tests
share the engines of a session (the fixture `open_page`). None of them can reach more than this machine.
"""

from __future__ import annotations

import asyncio
import base64
import glob
import json
import os
import shutil
import signal
import socket
import tempfile
from abc import ABC, abstractmethod
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser as Program
from playwright.async_api import Page as Tab
from playwright.async_api import async_playwright
from websockets.asyncio.client import ClientConnection, connect

ENGINES = ("chromium", "firefox", "webkit")
EACH_ENGINE = ["chromium", *(pytest.param(name, marks=pytest.mark.slow) for name in ENGINES[1:])]
"""For tests of which the ordinary run takes one engine: `--all` takes the others, too."""
START_SECONDS = 50
ANSWER_SECONDS = 120
"""How long a script may run in a page."""
DEAD_END = "127.0.0.1:9"
"""The proxy for every other host: nobody listens at the discard port."""


class BrowserError(Exception):
    """The engine could not do it; or the script threw, and these are its words."""


class Page(ABC):
    """One page in a window of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._heard: list[str] = []

    @property
    def complaints(self) -> list[str]:
        """What the engine finds wrong: errors and warnings of the console, and what nobody caught."""
        return self._heard

    async def run(self, script: str, *arguments: object) -> Any:
        """
        The JSON value that the body of an async function returns; `arguments` are its own.

        Raises BrowserError with the message of what it throws.
        """
        answer = json.loads(await self.evaluate(_call(script, arguments)))
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer.get("value")

    @abstractmethod
    async def open(self, url: str) -> None:
        """Go there, and wait for the load event."""

    @abstractmethod
    async def evaluate(self, expression: str) -> str:
        """The text that an expression, or the promise that it is, comes to."""

    @abstractmethod
    async def preload(self, script: str) -> None:
        """
        Run this in every document opened from now on, before the scripts of the page.

        WebKit's driver has nothing like it: there the page's own HTML must begin with the script.
        """

    @abstractmethod
    async def resize(self, width: int, height: int) -> None:
        """Give the viewport this size in CSS pixels."""

    @abstractmethod
    async def screenshot(self) -> bytes:
        """The viewport as a PNG."""


class Engine(ABC):
    """A started engine."""

    @abstractmethod
    def page(self, *, width: int = 1280, height: int = 300) -> AbstractAsyncContextManager[Page]:
        """An empty page, closed at the end."""


@asynccontextmanager
async def browser(name: str, *, width: int = 1280, height: int = 300) -> AsyncIterator[Page]:
    """A page of an engine that is started for it alone."""
    async with engine(name) as started, started.page(width=width, height=height) as page:
        yield page


def engine(name: str) -> AbstractAsyncContextManager[Engine]:
    """Start `chromium`, `firefox` or `webkit`; at the end no process of it is left."""
    start: dict[str, Callable[[], AbstractAsyncContextManager[Engine]]] = {
        "chromium": _chromium,
        "firefox": _firefox,
        "webkit": _webkit,
    }
    return start[name]()


class Engines:
    """The engines of a session, each started when it is first asked for."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._started: dict[str, Engine] = {}
        self._starting = asyncio.Lock()

    async def get(self, name: str) -> Engine:
        async with self._starting:
            if name not in self._started:
                self._started[name] = await self._stack.enter_async_context(engine(name))
        return self._started[name]

    async def close(self) -> None:
        await self._stack.aclose()


def _call(script: str, arguments: tuple[object, ...]) -> str:
    given = json.dumps(arguments)
    return (
        f"(async function () {{ {script}\n}}).apply(null, {given})"
        ".then((value) => JSON.stringify({ value }), (error) => JSON.stringify({ error: `${error}` }))"
    )


def _program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise BrowserError(f"no {names[0]} here: install it, or let tests/run do so")


@asynccontextmanager
async def _home() -> AsyncIterator[dict[str, str]]:
    """The environment of a program that has settings and caches for its life only."""
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp", ignore_cleanup_errors=True) as path:
        places = {"HOME": path, "XDG_RUNTIME_DIR": path, "TMPDIR": path}
        # The page's language, its clock and its fonts are not to depend on who runs the tests.
        yield {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", **places}


@asynccontextmanager
async def _process(
    *command: str, env: Mapping[str, str], output: Any = DEVNULL, **more: Any
) -> AsyncIterator[Process]:
    """A program that is ended with all its children."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=output, stderr=STDOUT, env=env, start_new_session=True, **more
    )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    """Ask the program to end, and see to it that its process group does."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


# Debian's chromium, driven by playwright.


@asynccontextmanager
async def _chromium() -> AsyncIterator[Engine]:
    async with async_playwright() as playwright:
        program = await playwright.chromium.launch(
            executable_path=_program(os.environ.get("CHROMIUM", "chromium"), "chromium"),
            # Readers have it.
            ignore_default_args=["--disable-back-forward-cache"],
            args=[
                *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
                *("--disable-background-networking", "--disable-component-update"),
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            ],
        )
        try:
            yield Chromium(program)
        finally:
            await program.close()


class Chromium(Engine):
    """Chromium; `options` of a page are those of a browser context of playwright."""

    def __init__(self, program: Program) -> None:
        self._program = program

    @asynccontextmanager
    async def page(
        self, *, width: int = 1280, height: int = 300, **options: Any
    ) -> AsyncIterator[ChromiumPage]:
        context = await self._program.new_context(viewport={"width": width, "height": height}, **options)
        try:
            yield ChromiumPage(await context.new_page())
        finally:
            await context.close()


class ChromiumPage(Page):
    """`tab` is playwright's page, for what only chromium can be asked."""

    def __init__(self, tab: Tab) -> None:
        super().__init__("chromium")
        self.tab = tab
        tab.on("console", lambda said: self._hear(said.type, said.text))
        tab.on("pageerror", lambda error: self._hear("error", str(error)))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._heard.append(text)

    async def cdp(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one command of the Chrome DevTools Protocol."""
        session = await self.tab.context.new_cdp_session(self.tab)
        answer: dict[str, Any] = await session.send(method, params)
        await session.detach()
        return answer

    async def open(self, url: str) -> None:
        await self.tab.goto(url, wait_until="load")

    async def evaluate(self, expression: str) -> str:
        return str(await self.tab.evaluate(expression))

    async def preload(self, script: str) -> None:
        await self.tab.add_init_script(f"(() => {{ {script}\n}})();")

    async def resize(self, width: int, height: int) -> None:
        await self.tab.set_viewport_size({"width": width, "height": height})

    async def screenshot(self) -> bytes:
        return await self.tab.screenshot()


# Debian's firefox-esr, which speaks WebDriver BiDi itself.

FIREFOX = {
    "remote.active-protocols": 1,
    "remote.prefs.recommended": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "services.settings.server": f"http://{DEAD_END}/",
    # A proxy is never asked for this machine's own addresses.
    "network.proxy.type": 1,
    "network.proxy.http": DEAD_END.partition(":")[0],
    "network.proxy.http_port": 9,
    "network.proxy.ssl": DEAD_END.partition(":")[0],
    "network.proxy.ssl_port": 9,
}


@asynccontextmanager
async def _firefox() -> AsyncIterator[Engine]:
    program = _program("firefox-esr", "firefox")
    async with _home() as env:
        profile = _profile(env)
        command = (program, "--headless", "--no-remote", "--profile", str(profile))
        port = ("--remote-debugging-port", "0")
        async with _process(*command, *port, "about:blank", env=env) as process:
            address = await _announced(profile / "WebDriverBiDiServer.json", process)
            async with connect(address, max_size=None, ping_interval=None, proxy=None) as connection:
                bidi = Bidi(connection)
                try:
                    await bidi.call("session.new", capabilities={})
                    yield Firefox(bidi)
                    with suppress(BrowserError, TimeoutError):
                        await bidi.call("browser.close", seconds=5)
                finally:
                    await bidi.close()


def _profile(env: Mapping[str, str]) -> Path:
    profile = Path(env["HOME"], "profile")
    profile.mkdir()
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in FIREFOX.items())
    profile.joinpath("user.js").write_text("".join(lines))
    return profile


async def _announced(file: Path, process: Process) -> str:
    """The address that a starting Firefox writes into its profile."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            if process.returncode is not None:
                raise BrowserError(f"firefox ended with {process.returncode} before it was ready")
            # Half of the file may be there.
            with suppress(FileNotFoundError, ValueError):
                told = json.loads(file.read_bytes())  # noqa: ASYNC240 - a line of a local file
                return f"ws://{told['ws_host']}:{told['ws_port']}/session"
            await asyncio.sleep(0.05)


class Bidi:
    """WebDriver BiDi: commands that are answered in any order, and events."""

    def __init__(self, connection: ClientConnection) -> None:
        self._socket = connection
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self.logs: dict[str, Callable[[dict[str, Any]], None]] = {}
        """Who hears what is logged in which context."""
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, *, seconds: float = ANSWER_SECONDS, **params: Any) -> dict[str, Any]:
        self._number += 1
        number, future = self._number, asyncio.get_running_loop().create_future()
        self._asked[number] = future
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(seconds):
            answer: dict[str, Any] = await future
        if answer["type"] == "error":
            raise BrowserError(f"{method}: {answer['error']}: {answer['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if future := self._asked.pop(message.get("id"), None):
                if not future.done():
                    future.set_result(message)
            elif message.get("method") == "log.entryAdded":
                context = message["params"]["source"].get("context")
                if hear := self.logs.get(context):
                    hear(message["params"])
        for future in self._asked.values():
            future.cancel("firefox hung up")

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])


class Firefox(Engine):
    """Firefox: each page is a window with a container (`user context`) of its own."""

    def __init__(self, bidi: Bidi) -> None:
        self._bidi = bidi

    @asynccontextmanager
    async def page(self, *, width: int = 1280, height: int = 300) -> AsyncIterator[FirefoxPage]:
        user = (await self._bidi.call("browser.createUserContext"))["userContext"]
        try:
            window = await self._bidi.call("browsingContext.create", type="window", userContext=user)
            page = FirefoxPage(self._bidi, window["context"])
            self._bidi.logs[page.context] = page.hear
            await self._bidi.call("session.subscribe", events=["log.entryAdded"], contexts=[page.context])
            await page.resize(width, height)
            yield page
            del self._bidi.logs[page.context]
        finally:
            await self._bidi.call("browser.removeUserContext", userContext=user)


class FirefoxPage(Page):
    """`call` is for what only BiDi can be asked."""

    def __init__(self, bidi: Bidi, context: str) -> None:
        super().__init__("firefox")
        self._bidi = bidi
        self.context = context

    def hear(self, entry: dict[str, Any]) -> None:
        if entry["level"] in ("error", "warn"):
            self._heard.append(str(entry["text"]))

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command about this page."""
        return await self._bidi.call(method, context=self.context, **params)

    async def open(self, url: str) -> None:
        await self.call("browsingContext.navigate", url=url, wait="complete")

    async def evaluate(self, expression: str) -> str:
        target = {"context": self.context}
        answer = await self._bidi.call(
            "script.evaluate", expression=expression, target=target, awaitPromise=True
        )
        if answer["type"] == "exception":
            raise BrowserError(answer["exceptionDetails"]["text"])
        return str(answer["result"]["value"])

    async def preload(self, script: str) -> None:
        function = f"() => {{ {script}\n}}"
        await self._bidi.call(
            "script.addPreloadScript", functionDeclaration=function, contexts=[self.context]
        )

    @asynccontextmanager
    async def hidden(self) -> AsyncIterator[None]:
        """Another tab stands before this one, as long as the block runs."""
        other = await self._bidi.call("browsingContext.create", type="tab", referenceContext=self.context)
        try:
            yield
        finally:
            await self._bidi.call("browsingContext.close", context=other["context"])

    async def resize(self, width: int, height: int) -> None:
        await self.call("browsingContext.setViewport", viewport={"width": width, "height": height})

    async def screenshot(self) -> bytes:
        return base64.b64decode((await self.call("browsingContext.captureScreenshot"))["data"])


# WebKitGTK's MiniBrowser through its own driver, on a screen that nobody sees.

SCREEN = (4096, 1024)
# The tool bar of the window would keep the page from being narrower than 447 px.
SMALL = "* { min-width: 0; padding: 0; margin: 0; border-width: 0; font-size: 1px; }"
MINI_BROWSERS = (
    "/usr/lib/*/webkit2gtk-4.*/MiniBrowser",
    "/usr/lib/*/webkitgtk-6.*/MiniBrowser",
    "/usr/lib*/webkit2gtk-4.*/MiniBrowser",
    "/usr/libexec/webkit2gtk-4.*/MiniBrowser",
)


@asynccontextmanager
async def _webkit() -> AsyncIterator[Engine]:
    driver = _program("WebKitWebDriver")
    found = [path for pattern in MINI_BROWSERS for path in glob.glob(pattern)]
    if not found:
        raise BrowserError("no MiniBrowser beside WebKitWebDriver: install webkit2gtk-driver")
    async with _home() as env, _screen(env) as display, aiohttp.ClientSession() as client:
        _make_small(env)
        yield Webkit(client, driver, found[0], env | {"DISPLAY": display, "NO_AT_BRIDGE": "1"})


def _make_small(env: Mapping[str, str]) -> None:
    style = Path(env["HOME"], ".config", "gtk-3.0", "gtk.css")
    style.parent.mkdir(parents=True)
    style.write_text(SMALL)


@asynccontextmanager
async def _screen(env: Mapping[str, str]) -> AsyncIterator[str]:
    """An X server on a free display."""
    told, tell = os.pipe()
    try:
        size = f"{SCREEN[0]}x{SCREEN[1]}x24"
        command = (_program("Xvfb"), "-displayfd", str(tell), "-screen", "0", size, "-nolisten", "tcp")
        async with _process(*command, env=env, pass_fds=(tell,)) as process:
            os.close(tell)
            async with asyncio.timeout(START_SECONDS):
                number = await asyncio.to_thread(os.read, told, 16)
            if not number:
                raise BrowserError(f"Xvfb ended with {await process.wait()} before it was ready")
            yield f":{int(number)}"
    finally:
        os.close(told)


class Webkit(Engine):
    """WebKitGTK: each page is a driver with a MiniBrowser of its own, which forgets everything."""

    def __init__(self, client: aiohttp.ClientSession, driver: str, program: str, env: dict[str, str]) -> None:
        self._client = client
        self._driver = driver
        self._program = program
        self._env = env

    @asynccontextmanager
    async def page(self, *, width: int = 1280, height: int = 300) -> AsyncIterator[WebkitPage]:
        port = _free_port()
        async with _process(self._driver, f"--port={port}", env=self._env) as process:
            page = WebkitPage(self._client, f"http://127.0.0.1:{port}/session")
            await page.start(self._program, process)
            try:
                await page.resize(width, height)
                yield page
            finally:
                await page.quit()


class WebkitPage(Page):
    """The plain WebDriver protocol. It tells nothing of the console: `complaints` stay empty."""

    def __init__(self, client: aiohttp.ClientSession, address: str) -> None:
        super().__init__("webkit")
        self._client = client
        self._address = address

    async def call(self, method: str, path: str = "", /, **body: Any) -> Any:
        """The answer to one command of the session."""
        how: dict[str, Any] = {"json": body} if method == "POST" else {}
        limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with self._client.request(method, self._address + path, timeout=limit, **how) as answer:
            value = (await answer.json(content_type=None))["value"]
        if not answer.ok:
            raise BrowserError(f"{path}: {value['error']}: {value['message']}")
        return value

    async def start(self, program: str, driver: Process) -> None:
        """Open the session as soon as the driver listens."""
        proxy = (f"--proxy=http://{DEAD_END}", "--ignore-host=127.0.0.1", "--ignore-host=localhost")
        options = {"binary": program, "args": ["--automation", *proxy]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        async with asyncio.timeout(START_SECONDS):
            while True:
                if driver.returncode is not None:
                    raise BrowserError(f"WebKitWebDriver ended with {driver.returncode} before it was ready")
                with suppress(aiohttp.ClientConnectionError):
                    session = await self.call("POST", capabilities=wanted)
                    break
                await asyncio.sleep(0.02)
        self._address += f"/{session['sessionId']}"
        await self.call("POST", "/timeouts", script=ANSWER_SECONDS * 1000)

    async def quit(self) -> None:
        await self.call("DELETE")

    async def open(self, url: str) -> None:
        await self.call("POST", "/url", url=url)

    async def evaluate(self, expression: str) -> str:
        script = f"{expression}.then(arguments[arguments.length - 1])"
        return str(await self.call("POST", "/execute/async", script=script, args=[]))

    async def preload(self, script: str) -> None:
        raise BrowserError("webkit has no preload scripts: begin the page's own HTML with it")

    @asynccontextmanager
    async def hidden(self) -> AsyncIterator[None]:
        """The window is minimized, as long as the block runs."""
        size = await self.run("return [innerWidth, innerHeight]")
        await self.call("POST", "/window/minimize")
        try:
            yield
        finally:
            await self.resize(*size)

    async def resize(self, width: int, height: int) -> None:
        """The driver sizes the window; what stands around the page is measured and added."""
        frame = (0, 0)
        async with asyncio.timeout(10):
            while True:
                await self.call("POST", "/window/rect", width=width + frame[0], height=height + frame[1])
                rect = await self.call("GET", "/window/rect")
                inner = await self.run("return [innerWidth, innerHeight]")
                if inner == [width, height]:
                    return
                frame = (rect["width"] - inner[0], rect["height"] - inner[1])
                await asyncio.sleep(0.05)

    async def screenshot(self) -> bytes:
        return base64.b64decode(await self.call("GET", "/screenshot"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
