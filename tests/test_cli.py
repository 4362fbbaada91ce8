"""Arguments and exit codes."""

from __future__ import annotations

import asyncio
import getpass
import io
import logging
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from services import refused
from stage import site, until

from ticker import __version__, app, cli, watch
from ticker.cli import main
from ticker.config import Settings
from ticker.edge import PortBusy
from ticker.embedded import EmbeddedServerError, embedded
from ticker.rates.model import NOWHERE, Pair
from ticker.sources import SOURCES
from ticker.store import Batch, Done, Order, Store


class Started:
    """What the command line started, in place of the service."""

    settings: Settings
    every: float = 0
    error: BaseException | None = None

    async def serve(self, settings: Settings, **others: Any) -> None:
        self.settings = settings
        self.every = others.get("every", 0)
        if self.error:
            raise self.error


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    started = Started()
    monkeypatch.setattr(app, "serve", started.serve)
    monkeypatch.setattr(app, "demo", started.serve)
    monkeypatch.delenv("TICKER_REDIS_URL", raising=False)
    return started


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ticker.toml"


def test_serve_without_arguments_has_the_defaults(started: Started) -> None:
    assert main(["serve"]) == 0

    assert started.settings == Settings()


def test_serve_reads_its_file_and_arguments_win_over_it(started: Started, file: Path) -> None:
    file.write_text('symbols = ["KGS"]\n[server]\nhost = "0.0.0.0"\nport = 9000\n')

    assert main(["serve", "--config", str(file), "--port", "0"]) == 0

    assert started.settings.symbols == (Pair("KGS", "USD"),)
    assert (started.settings.server.host, started.settings.server.port) == ("0.0.0.0", 0)  # noqa: S104 - read


def test_the_address_of_redis_may_come_from_the_environment(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKER_REDIS_URL", "redis://:secret@example/1")

    assert main(["serve", "--host", "::1"]) == 0

    assert started.settings.redis.url == "redis://:secret@example/1"
    assert started.settings.server.host == "::1"


def test_demo_has_a_redis_of_its_own(
    started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TICKER_REDIS_URL", "redis://example/1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert main(["demo"]) == 0

    assert started.every == 6
    assert started.settings.redis.url == "embedded"
    assert started.settings.redis.data_dir == str(tmp_path / "currency-ticker" / "demo")
    assert app.default_data_dir("serve") != app.default_data_dir("demo")


def test_demo_takes_its_arguments(started: Started, tmp_path: Path) -> None:
    arguments = [
        "demo",
        "--host",
        "127.0.0.2",
        "--port",
        "8081",
        "--every",
        "1.5",
        "--data-dir",
        str(tmp_path),
    ]

    assert main(arguments) == 0

    server = started.settings.server
    assert (server.host, server.port, started.every) == ("127.0.0.2", 8081, 1.5)
    assert started.settings.redis.data_dir == str(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["trade"],
        ["serve", "--every", "2"],
        ["serve", "--port", "eighty"],
        ["demo", "--every", "0.5"],
        ["demo", "--every", "nan"],
        ["demo", "--every", "soon"],
        ["quotes", "--digits", "13"],
        ["quotes", "--url", "example.org"],
        ["watch", "--url", "example.org"],
        ["watch", "KGS"],
        ["confirm"],
        ["hold"],
        ["confirm", "KGS", "TJS"],
        ["backfill", "--days", "many"],
        ["check", "KGS"],
        ["backup", "-"],
        ["backup", ""],
        ["backup", "x/"],
        ["backup", "x/."],
        ["restore", "-"],
    ],
)
def test_what_is_no_command_is_refused_with_2(
    arguments: list[str], started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    assert exit_.value.code == 2
    assert "usage: ticker" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])

    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"currency-ticker {__version__}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nprot = 1", "line 2: unknown key `server.prot`. Did you mean `server.port`?"),
        ("[server", "line 1: the name of the section does not end. Add the closing bracket: [server]."),
        ("[sources.nbrk]", "line 1: unknown source [sources.nbrk]. Did you mean [sources.nbk]?"),
        (
            '[redis]\nurl = "http://:secret@example"',
            "`redis.url`: this address can't be used: it must begin with one of redis://",
        ),
    ],
)
def test_a_configuration_that_can_not_be_used_is_refused_with_2_in_words(
    text: str, words: str, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TICKER_REDIS_URL", raising=False)
    file.write_text(text)

    assert main(["serve", "--config", str(file), "--port", "0"]) == 2

    said = capsys.readouterr().err
    assert said.startswith("ticker serve: ")
    assert words in said
    assert "secret" not in said


def test_a_file_that_is_not_there_is_refused_with_2(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", str(file)]) == 2

    assert f"ticker serve: {file}: " in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none_is_refused_with_2(
    port: str, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", port]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"ticker serve: --port: `server.port`: {port} is too ")
    assert said.endswith("Write a whole number from 0 to 65535, like 8080.\n")


@pytest.mark.parametrize("error", [PortBusy("127.0.0.1:8080 is in use"), EmbeddedServerError("no server")])
def test_what_could_not_be_done_is_said_in_words_with_1(
    error: Exception, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    started.error = error

    assert main(["serve"]) == 1

    assert capsys.readouterr().err == f"ticker serve: {error}\n"


def test_a_fault_of_ours_is_said_with_1_and_with_its_place(
    started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    started.error = ExceptionGroup("two tasks", [ZeroDivisionError("by nought")])

    assert main(["serve"]) == 1

    assert "ticker serve stopped after an internal error" in caplog.text
    assert "ZeroDivisionError: by nought" in caplog.text


def test_the_second_interrupt_ends_it_with_1(started: Started) -> None:
    started.error = KeyboardInterrupt()

    assert main(["serve"]) == 1


def test_quotes_prints_the_line_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quote_of: Any
) -> None:
    asked = []

    async def quotes(url: str) -> list[Any]:
        asked.append(url)
        return [
            quote_of("KGS", "87.45", change_percent=Decimal("0.00")),
            quote_of("TJS", "10.9517", change_percent=Decimal("-0.44")),
        ]

    monkeypatch.setattr(watch, "quotes", quotes)

    assert main(["quotes"]) == 0
    assert main(["quotes", "--url", "http://example:1/", "--digits", "3"]) == 0

    assert asked == ["http://127.0.0.1:8080/", "http://example:1/"]
    assert capsys.readouterr().out == (
        "KGS/USD = 0.01144 0%  •  TJS/USD = 0.09131 -0.44%\nKGS/USD = 0.011 0%  •  TJS/USD = 0.091 -0.44%\n"
    )


def test_quotes_prints_a_bar_where_the_terminal_has_no_dot(
    monkeypatch: pytest.MonkeyPatch, quote_of: Any
) -> None:
    async def quotes(url: str) -> list[Any]:
        return [quote_of("KGS", "87.45"), quote_of("TJS", "10.9517")]

    written = io.BytesIO()
    monkeypatch.setattr(watch, "quotes", quotes)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))

    assert main(["quotes"]) == 0

    assert written.getvalue() == b"KGS/USD = 0.01144  |  TJS/USD = 0.09131\n"


@pytest.mark.parametrize("command", ["serve", "demo", "hold", "backfill"])
def test_a_user_without_a_home_is_told_so_with_2(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    def nobody(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "XDG_STATE_HOME", "TICKER_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    file.write_text("")
    options = {"hold": ["KGS", "--config", str(file)], "demo": []}.get(command, ["--config", str(file)])

    assert main([command, *options]) == 2

    assert capsys.readouterr().err.splitlines()[-1] == (
        f"ticker {command}: `redis.data_dir`: ~/.local/state needs a home directory, "
        f"and user {os.getuid()} has none. "
        "Set redis.data_dir or HOME."
    )


async def test_too_few_open_files_are_said_with_1(short_path: Path) -> None:
    program = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
    program += "from ticker.cli import main; sys.exit(main())"

    code, said = await refused(
        short_path, "serve", "--port", "0", program=program, environment={"XDG_STATE_HOME": str(short_path)}
    )

    words = "this process may open 64 files and needs 128: raise the limit (ulimit -n, LimitNOFILE)"
    assert (code, said) == (1, f"ticker serve: {words}\n")


def test_quotes_of_nobody_is_said_in_words_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quotes", "--url", "http://127.0.0.1:1"]) == 1

    assert capsys.readouterr().err.startswith("ticker quotes: no quotes from http://127.0.0.1:1/v1/quotes: ")


def test_the_log_has_no_line_for_every_client_and_every_poll(started: Started) -> None:
    main(["serve"])

    assert not logging.getLogger("websockets.server").isEnabledFor(logging.INFO)
    assert not logging.getLogger("apscheduler.scheduler").isEnabledFor(logging.WARNING)
    assert not logging.getLogger("apscheduler.executors.default").isEnabledFor(logging.WARNING)
    assert logging.getLogger(cli.__name__).getEffectiveLevel() <= logging.WARNING


# What operators ask for.


class Service:
    """The process that polls, as far as operators see it: it holds the lease and answers orders."""

    def __init__(self, store: Store, *answers: Done) -> None:
        self.store = store
        self.answers = list(answers)
        self.orders: list[Order] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        lease = await self.store.acquire("service", seconds=60, now_ms=0, force=True)
        assert lease
        obeying = asyncio.create_task(self._obey(lease))
        yield self
        obeying.cancel()
        await asyncio.wait({obeying})
        await self.store.release(lease)

    async def _obey(self, lease: str) -> None:
        while True:
            for order in await self.store.orders():
                self.orders.append(order)
                batch = Batch(answers=((order.id, self.answers.pop(0)),))
                await self.store.write(batch, lease=lease, seen=NOWHERE, now_ms=0)
            await asyncio.sleep(0.01)


async def command(*arguments: str) -> int:
    """Run the command line as another process would: beside us, with a loop of its own."""
    return await asyncio.to_thread(main, arguments)


def say(file: Path, text: str) -> None:
    """Make this the configuration."""
    file.write_text(text)


def add(file: Path, text: str) -> None:
    """Add this to the configuration."""
    file.write_text(file.read_text() + text)


@pytest.fixture
def remote(file: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a service on a Redis of its own."""
    monkeypatch.delenv("TICKER_REDIS_URL", raising=False)
    file.write_text(f'symbols = ["KGS"]\n[redis]\nurl = "{redis_url}"\n')
    return file


@pytest.fixture
def private(file: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a service with an embedded Redis in `short_path`/data."""
    monkeypatch.delenv("TICKER_REDIS_URL", raising=False)
    file.write_text(f'symbols = ["KGS"]\n[redis]\ndata_dir = "{short_path}/data"\n')
    return file


@pytest.mark.parametrize("verb", ["confirm", "hold"])
async def test_a_decision_is_recorded_with_who_made_it_and_what_was_done_is_printed(
    verb: str, remote: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Service(store, Done("KGS/USD: done", done=True)).running() as service:
        code = await command(verb, "KGS", "--config", str(remote))

    assert code == 0
    assert capsys.readouterr().out == "KGS/USD: done\n"
    [order] = service.orders
    assert (order.verb, order.subject) == (verb, "KGS")
    assert order.by == f"{getpass.getuser()}@{socket.gethostname()}"


async def test_what_was_not_done_is_said_with_1(
    remote: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Service(store, Done("KGS/USD: nothing is held back", done=False)).running():
        code = await command("confirm", "KGS", "--config", str(remote))

    said = capsys.readouterr()
    assert (code, said.out, said.err) == (1, "", "ticker confirm: KGS/USD: nothing is held back\n")


async def test_who_has_no_name_may_decide_too(
    remote: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A container's user often has none: getuser() raises KeyError (OSError from Python 3.13 on).
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    async with Service(store, Done("KGS/USD: done", done=True)).running() as service:
        code = await command("confirm", "KGS", "--config", str(remote))

    assert code == 0
    assert service.orders[0].by.endswith(f"@{socket.gethostname()}")


async def test_a_decision_waits_for_a_process_that_polls(
    remote: Path, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "ANSWER_SECONDS", 0.2)

    code = await command("confirm", "KGS", "--config", str(remote))

    words = "recorded, but no service polls on this Redis: `ticker serve` carries it out when it runs"
    assert (code, capsys.readouterr().err) == (1, f"ticker confirm: {words}\n")
    assert [(each.verb, each.subject) for each in await store.orders()] == [("confirm", "KGS")]


@pytest.mark.parametrize("arguments", [("confirm", "KGS"), ("backfill",)])
async def test_a_redis_that_is_out_of_reach_is_said_in_words(
    arguments: tuple[str, ...], remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(remote, '[redis]\nurl = "redis://127.0.0.1:1"\n')

    code = await command(*arguments, "--config", str(remote))

    said = capsys.readouterr().err
    assert code == 1
    assert said.startswith(f"ticker {arguments[0]}: redis is unreachable")
    assert "Connect" in said


async def test_of_a_redis_that_stands_still_it_is_not_said_that_it_has_recorded_anything(
    private: Path, short_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticker.store.clients.COMMAND_TIMEOUT", 0.2)
    async with embedded(short_path / "data") as server:
        say(private, f'[redis]\nurl = "{server.url}"\n')
        os.kill(server.pid, signal.SIGSTOP)
        try:
            code = await command("confirm", "KGS", "--config", str(private))
        finally:
            os.kill(server.pid, signal.SIGCONT)

    assert code == 1
    assert capsys.readouterr().err.startswith("ticker confirm: redis is unreachable")


async def test_the_service_with_an_embedded_redis_is_found_by_its_directory(
    private: Path, short_path: Path, open_store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = Done("KGS/USD: done", done=True), Done("asks nbkr for 90 days", done=True)
    async with (
        embedded(short_path / "data") as server,
        open_store(server.url) as store,
        Service(store, *answers).running() as service,
    ):
        codes = [
            await command("hold", "KGS", "--config", str(private)),
            await command("backfill", "--days", "90", "--config", str(private)),
        ]

    assert codes == [0, 0]
    assert capsys.readouterr().out == "KGS/USD: done\nasks nbkr for 90 days\n"
    assert [(each.verb, each.subject) for each in service.orders] == [("hold", "KGS"), ("backfill", "90")]


def test_a_relative_folder_is_said_with_its_full_path(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('[redis]\ndata_dir = "data"\n')
    monkeypatch.delenv("TICKER_REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()

    codes = [main([*words, "--config", file.name]) for words in (["hold", "KGS"], ["backup", "b"])]
    said = capsys.readouterr().err
    codes.append(main(["config", "check", file.name]))

    assert codes == [1, 1, 0]
    assert f"no service uses {tmp_path}/data: " in said
    assert f"{tmp_path}/data has no data: " in said
    assert f"{tmp_path}/data/version does not exist" in capsys.readouterr().out


async def test_where_no_service_runs_there_is_nobody_to_decide_for(
    private: Path, short_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await command("confirm", "KGS", "--config", str(private))

    words = f"no service uses {short_path}/data: start `ticker serve`, then repeat the command"
    assert (code, capsys.readouterr().err) == (1, f"ticker confirm: {words}\n")
    assert not (short_path / "data").exists()


async def test_a_back_fill_is_the_polling_process_s_where_one_polls(
    remote: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Service(store, Done("asks nbkr for 30 days", done=True)).running() as service:
        code = await command("backfill", "--config", str(remote))

    assert (code, capsys.readouterr().out) == (0, "asks nbkr for 30 days\n")
    assert [(each.verb, each.subject) for each in service.orders] == [("backfill", "30")]


NBKR = (Path(__file__).parent / "payloads" / "nbkr" / "daily_2026-05-24.xml").read_bytes()


@asynccontextmanager
async def bank() -> AsyncIterator[str]:
    """NBKR on loopback: today's table, and an archive of every day that it is asked for."""

    async def today(request: web.Request) -> web.Response:
        now = datetime.now(ZoneInfo("Asia/Bishkek"))
        return web.Response(body=NBKR.replace(b"24.05.2026", f"{now:%d.%m.%Y}".encode()))

    async def archive(request: web.Request) -> web.Response:
        ends = (
            date(*(int(request.query[f"{end}_{part}"]) for part in ("year", "month", "day")))
            for end in ("beg", "end")
        )
        first, last = ends
        days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
        rows = "".join(
            f"<tr><td><!--date-->{day:%d.%m.%Y}<!--date--></td>"
            f"<td><!--value-->87,{day.day:02}00<!--value--></td></tr>"
            for day in reversed(days)
        )
        return web.Response(text=f"<table>{rows}</table>")

    site = web.Application()
    site.router.add_get("/XML/daily.xml", today)
    site.router.add_get("/index1.jsp", archive)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_where_no_service_runs_a_back_fill_is_done_on_the_spot_and_kept(
    private: Path, short_path: Path, open_store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bank() as url:
        add(private, f'[history]\npause_seconds = 0\n[sources.nbkr]\nbase_url = "{url}"\n{only("nbkr")}\n')
        code = await command("backfill", "--days", "20", "--config", str(private))
    async with embedded(short_path / "data") as server, open_store(server.url) as store:
        known = await store.fixings([Pair("KGS", "USD")])
        led, snapshot = await store.led(), await store.snapshot()

    assert (code, led) == (0, False)
    assert len(known) > 9
    # Not the thirty days of the settings; the first one's publication may be of before a weekend.
    first = datetime.now(ZoneInfo("Asia/Bishkek")).date() - timedelta(days=20)
    assert first - timedelta(days=5) < min(each.day for each in known) <= first + timedelta(days=5)
    assert [quote.source for _, quote in snapshot.rows] == ["nbkr"]
    assert capsys.readouterr().out == f"publications that are known now: nbkr {len(known)}\n"


def only(*keys: str) -> str:
    """Every other source is off."""
    return "\n".join(f"[sources.{key}]\nenabled = false" for key in SOURCES if key not in keys)


SILENT = "http://127.0.0.1:1"


async def test_a_back_fill_names_the_sources_that_failed(
    remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bank() as url:
        add(remote, f'[history]\npause_seconds = 0\n[sources.nbkr]\nbase_url = "{url}"\n')
        add(remote, f'[sources.nbk]\nbase_url = "{SILENT}"\n{only("nbkr", "nbk")}\n')
        code = await command("backfill", "--days", "20", "--config", str(remote))

    assert code == 0
    told = capsys.readouterr().out
    assert re.fullmatch(
        r"publications that are known now: nbkr [1-9]\d*, nbk 0; nbk failed: can't connect: .*\n", told
    )


async def test_a_back_fill_that_nobody_answers_fails(
    remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(remote, "".join(f'[sources.{key}]\nbase_url = "{SILENT}"\n' for key in ("nbkr", "nbk")))
    add(remote, f"{only('nbkr', 'nbk')}\n")
    code = await command("backfill", "--days", "20", "--config", str(remote))

    assert code == 1
    words = (
        r"ticker backfill: no source answered; nbkr failed: can't connect.*; nbk failed: can't connect.*\n"
    )
    assert re.fullmatch(words, capsys.readouterr().err)


async def test_a_back_fill_whose_lease_is_taken_over_says_so(
    remote: Path, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with site(hang) as url:
        add(remote, f'[sources.nbkr]\nbase_url = "{url}"\n{only("nbkr")}\n')
        filling = asyncio.create_task(command("backfill", "--config", str(remote)))
        await until(store.led)
        await store.acquire("another", seconds=30, now_ms=1, force=True)
        code = await filling

    assert code == 1
    assert "stopped early: LEASELOST another poller holds the lease" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "-1", "1831"])
async def test_a_back_fill_of_more_days_than_are_kept_is_refused_with_2(
    days: str, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await command("backfill", "--days", days, "--config", str(remote)) == 2

    words = f"--days {days} is out of range. Write 1 to 1830 (history.days)."
    assert capsys.readouterr().err == f"ticker backfill: {words}\n"


@pytest.mark.parametrize("verb", ["check", "backfill"])
async def test_a_source_that_is_not_there_is_refused_wherever_sources_are_asked(
    verb: str, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(remote, "[sources.nbrk]\nenabled = true\n")

    code = await command(verb, "--config", str(remote))

    assert code == 2
    words = f"ticker {verb}: {remote}, line 4: unknown source [sources.nbrk]. Did you mean [sources.nbk]?\n"
    assert capsys.readouterr().err == words
