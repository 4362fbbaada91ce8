"""
Every command and snippet of README and ticker/docs, as a reader would use it.

A snippet runs against the demo, whose address takes the place of `HOST`. One that cannot be run has the
comment `<!-- not run: reason -->` directly above it. tests/test_deploying.py runs the commands that set up a
server.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio
import services
from browsers import ChromiumPage, Page
from newsroom import File, NewsSite
from services import Service
from stage import until
from test_docs import PAGES, ROOT, text_of

from ticker import assets, cli, wire
from ticker.answers import HistoryAnswer
from ticker.config import load
from ticker.sources import SOURCES

if TYPE_CHECKING:
    from tests.conftest import OpenPage

together = pytest.mark.asyncio(loop_scope="session")
"""A test that shares the demo with others."""

FENCE = re.compile(
    r"^(?: *<!-- not run: (?P<reason>[^\n]+) -->\n)?(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
NO_CODE = {"mermaid", "text"}
MOST_NOT_RUN = 10
WALK = "ticker/docs/deploying.md"
"""Its commands set up a server, in order."""
NOWHERE = "http://127.0.0.1:9"
"""Where the banks are asked: nobody listens at the discard port."""
SECONDS = 60


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    code: str
    reason: str
    """Why it is not run; empty: it is."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets() -> Iterator[Snippet]:
    for page in PAGES:
        text = text_of(page)
        for found in FENCE.finditer(text):
            line = text.count("\n", 0, found.start("code"))
            code = textwrap.dedent(found["code"])
            yield Snippet(page, line, found["language"], code, found["reason"] or "")


ALL = tuple(snippets())


def of(*languages: str) -> pytest.MarkDecorator:
    """A test of each snippet that is to be run."""
    some = [each for each in ALL if each.language in languages and not each.reason and each.page != WALK]
    return pytest.mark.parametrize("snippet", some, ids=str)


def test_every_snippet_has_a_language_that_is_run() -> None:
    fences = sum(len(re.findall(r"^ *```", text_of(page), re.MULTILINE)) for page in PAGES)

    assert fences == 2 * len(ALL)
    assert {each.language for each in ALL if not each.reason} - NO_CODE == {
        "css",
        "html",
        "js",
        "json",
        "python",
        "sh",
        "toml",
        "ts",
    }


def test_at_most_ten_snippets_are_not_run() -> None:
    assert len([each for each in ALL if each.reason]) <= MOST_NOT_RUN


# The service that they are run against.


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo() -> AsyncIterator[Service]:
    """A demo, and a folder with a config.toml for its data."""
    with tempfile.TemporaryDirectory(prefix="ticker-", dir="/tmp") as path:
        folder = Path(path)
        (folder / "config.toml").write_text(f'[redis]\ndata_dir = "{folder}/data"\n')
        data = ("--data-dir", f"{folder}/data")
        async with services.running(folder, "demo", "--port", "0", "--every", "2", *data) as service:
            await until(lambda: has_quotes(service.url))
            yield service


async def is_beginning(demo: Service) -> bool:
    """Whether the demo plays its first days: a new loop takes what was ordered away."""
    return str((await demo.quotes())["KGS/USD"]["as_of"]) < "2026-09-10"


async def has_quotes(url: str) -> bool:
    async with aiohttp.ClientSession() as client, client.get(f"{url}v1/quotes") as answer:
        return len((await answer.json())["quotes"]) == 5


def here(code: str, service: Service) -> str:
    """The code with the address of the service."""
    script = assets.built("ticker.js")
    for written, meant in (
        ("https://HOST", service.url.rstrip("/")),
        ("wss://HOST", service.url.rstrip("/").replace("http", "ws", 1)),
        ("http://127.0.0.1:8080", service.url.rstrip("/")),
        ("ticker.HASH.js", assets.address(assets.fingerprint(script))),
        ("sha384-...", assets.integrity(script)),
    ):
        code = code.replace(written, meant)
    assert "HOST" not in code
    return code


def environment(folder: Path) -> dict[str, str]:
    """What a reader's shell has: the commands `ticker` and `python`, and a home."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, words in (("ticker", "-m ticker"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (programs / name).chmod(0o755)
    # An answer such as 404 is a failure.
    (folder / ".curlrc").write_text("silent\nfail\n")
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "LANG": "C.UTF-8",
    }


# Commands.

SERVER = re.compile(r"^ticker (demo|serve)\b(.*)$", re.MULTILINE)


@of("sh")
@pytest.mark.redis
@together
async def test_a_command_does_its_work(snippet: Snippet, demo: Service, short_path: Path) -> None:
    if server := SERVER.search(snippet.code):
        assert snippet.code.strip() == server[0]
        await serves(server[1], server[2].split(), short_path)
        return
    if "ticker restore" in snippet.code:
        (demo.folder / "rates.backup").write_bytes(await backup(demo, short_path))
    if "ticker hold" in snippet.code:
        await until(lambda: is_beginning(demo), SECONDS)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", here(snippet.code, demo)),
        cwd=demo.folder,
        env=environment(short_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()

    assert (process.returncode, bool(out)) == (0, True), out.decode()


async def backup(demo: Service, folder: Path) -> bytes:
    """What `ticker backup` writes, as an earlier snippet of the page does."""
    file = folder / "rates.backup"
    arguments = ("backup", str(file), "--config", str(demo.folder / "config.toml"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ticker", *arguments, stdout=subprocess.DEVNULL
    )
    async with asyncio.timeout(SECONDS):
        assert await process.wait() == 0
    return file.read_bytes()


async def serves(command: str, options: list[str], folder: Path) -> None:
    """The service starts by this command, with the example as its configuration."""
    shutil.copy(ROOT / "config.example.toml", folder / "config.toml")
    options = [f"{folder}/{each}" if each == "config.toml" else each for each in options]
    banks = {f"TICKER_SOURCES__{key.upper()}__BASE_URL": NOWHERE for key in SOURCES}
    state = {"XDG_STATE_HOME": str(folder / "state")}
    async with services.running(
        folder, command, *options, "--port", "0", environment=banks | state
    ) as service:
        service.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.process.wait, SECONDS) == 0


def commands() -> Iterator[str]:
    """Those that stand in a sentence or a table."""
    for page in PAGES:
        yield from re.findall(
            r"`((?:ticker|tests/run|python -m|\.venv-test/bin/python -m) [^`]+)`", text_of(page)
        )


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_a_command_in_a_sentence_exists(command: str) -> None:
    match re.sub(r"\[[^]]*\]", "", command).split():
        case ["ticker", *words]:
            symbol = ["KGS"] if words in (["confirm"], ["hold"]) else []
            assert cli._parser().parse_args(words + symbol).command == words[0]
        case ["tests/run", *files]:
            assert [name for name in files if name.startswith("tests/") and not (ROOT / name).is_file()] == []
        case [_, "-m", module, *_]:
            assert importlib.util.find_spec(module)


# Programs.


@of("python")
@pytest.mark.redis
@together
async def test_a_python_program_prints_quotes(
    snippet: Snippet, demo: Service, tmp_path: Path, short_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(here(snippet.code, demo))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-W", "error", str(program)),
        cwd=tmp_path,
        env=environment(short_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(SECONDS):
            lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    finally:
        process.kill()
        await process.wait()

    assert sorted(line.split(" ")[0] for line in lines) == ["KGS/USD", "TJS/USD"], lines


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site() -> AsyncIterator[NewsSite]:
    """A site of another origin than the service's."""
    async with NewsSite().open() as site:
        yield site


HEAD = "<!doctype html><html lang=en><meta charset=utf-8><title>News</title>"


@of("js")
@pytest.mark.redis
@together
async def test_a_script_gets_quotes(
    snippet: Snippet, demo: Service, site: NewsSite, open_page: OpenPage
) -> None:
    said: list[str] = []
    address = site.put("/script", File(f"{HEAD}<script>{here(snippet.code, demo)}</script>".encode()))
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)
        page.tab.on("console", lambda message: said.append(message.text))
        await page.open(address)
        await until(lambda: asyncio.sleep(0, bool(said)))

        assert re.match("snapshot|KGS/USD|TJS/USD", said[0])
        assert page.complaints == []


LINES = """
const names = "currency-ticker, currency-board, currency-quote, currency-converter";
const shown = "[part~=item], [part~=row], [part~=sum]:not(:empty)";
return [...document.querySelectorAll(names)].map(
  (element) => element.shadowRoot?.querySelectorAll(shown).length ?? 0);
"""


@of("html")
@pytest.mark.redis
@together
async def test_a_snippet_of_html_shows_quotes(
    snippet: Snippet, demo: Service, site: NewsSite, open_page: OpenPage
) -> None:
    address = site.put("/html", File(f"{HEAD}<body>{here(snippet.code, demo)}".encode()))
    async with open_page("chromium") as page:
        assert isinstance(page, ChromiumPage)

        async def shows() -> bool:
            lines = await page.run(LINES)
            frames = [each for each in page.tab.frames if each.parent_frame]
            texts = [await each.inner_text("body") for each in frames]
            pictures = await page.run("return [...document.images].map((each) => each.naturalWidth)")
            return (
                (any(lines) or not re.search("<script|<currency-", snippet.code))
                and all(["KGS/USD" in text for text in texts])
                and all(pictures)
                and bool(lines or texts or pictures)
            )

        await page.open(address)
        await until(shows)
        assert page.complaints == []


STRICT = (
    "default-src 'none'; style-src 'self'; script-src {host}; connect-src {host} {socket}; frame-src {host}"
)
HEIGHTS = """
return [...document.querySelectorAll("currency-ticker, iframe")].map((each) => {
  const { width, height } = each.getBoundingClientRect();
  return [each.localName, Math.round(width) === document.body.clientWidth, Math.round(height)];
});
"""


@of("css")
@pytest.mark.redis
@together
async def test_a_style_sheet_does_what_a_strict_policy_forbids_the_snippets(
    snippet: Snippet, demo: Service, site: NewsSite, open_page: OpenPage
) -> None:
    frame = next(each for each in ALL if each.language == "html" and each.code.startswith("<iframe"))
    element = "<currency-ticker></currency-ticker><script async src='https://HOST/ticker.js'></script>"
    host = demo.url.rstrip("/")
    policy = STRICT.format(host=host, socket=host.replace("http", "ws", 1))
    site.put("/style.css", File(here(snippet.code, demo).encode(), "text/css"))
    body = here(f"{HEAD}<link rel=stylesheet href=/style.css><body>{element}{frame.code}", demo)
    address = site.put("/strict", File(body.encode(), headers={"Content-Security-Policy": policy}))
    async with open_page("chromium") as page:
        await page.open(address)
        await until(lambda: shown(page))

        assert await page.run(HEIGHTS) == [["currency-ticker", True, 62], ["iframe", True, 62]]


async def shown(page: Page) -> bool:
    return any(await page.run(LINES))


# Files.


@of("ts")
def test_a_declaration_is_understood_by_the_compiler(snippet: Snippet, tmp_path: Path) -> None:
    modules = ROOT / "widget/node_modules"
    (tmp_path / "node_modules").mkdir()
    for name in ("react", "@types", "csstype"):
        (tmp_path / "node_modules" / name).symlink_to(modules / name)
    (tmp_path / "node_modules/currency-ticker-widget").symlink_to(ROOT / "widget")
    (tmp_path / "snippet.ts").write_text(snippet.code)
    use = tmp_path / "use.tsx"
    use.write_text('export const rates = <currency-ticker symbols="KGS" speed={60} paused />;\n')
    options = ("--noEmit", "--strict", "--jsx", "react-jsx", "--module", "nodenext", "--target", "esnext")

    def faults(*files: Path) -> str:
        command = (modules / ".bin/tsc", *options, *files)
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    assert "currency-ticker" in faults(use)
    assert faults(use, tmp_path / "snippet.ts") == ""


@of("toml")
def test_a_configuration_is_understood(snippet: Snippet, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(snippet.code)

    assert load(tmp_path / "config.toml", environment={}) != load(None, environment={})


@of("json")
def test_a_sample_is_what_the_service_sends(snippet: Snippet) -> None:
    sample = json.loads(snippet.code)
    model = HistoryAnswer if "fixings" in sample else wire.SnapshotMessage

    assert model.model_validate_json(snippet.code).model_dump(mode="json", exclude_unset=True) == sample
