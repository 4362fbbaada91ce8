"""Arguments and exit codes."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ticker import __version__, app, cli, watch
from ticker.cli import main
from ticker.config import Settings
from ticker.edge import PortBusy
from ticker.embedded import EmbeddedServerError
from ticker.model import Pair


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
        ("[server]\nprot = 1", "server.prot: Extra inputs are not permitted"),
        ("[server", "Expected ']' at the end of a table declaration"),
        ("[sources.nbrk]", "sources.nbrk: there is no such source; there are nbkr, nbk"),
        ('[redis]\nurl = "http://:secret@example"', "redis.url: "),
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

    assert f"--port {port}: a port is a number from 0 to 65535" in capsys.readouterr().err


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

    assert "ticker serve ended by a fault of its own" in caplog.text
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


def test_quotes_of_nobody_is_said_in_words_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quotes", "--url", "http://127.0.0.1:1"]) == 1

    assert capsys.readouterr().err.startswith("ticker quotes: no quotes from http://127.0.0.1:1/v1/quotes: ")


def test_the_log_has_no_line_for_every_client_and_every_poll(started: Started) -> None:
    main(["serve"])

    assert not logging.getLogger("websockets.server").isEnabledFor(logging.INFO)
    assert not logging.getLogger("apscheduler.scheduler").isEnabledFor(logging.WARNING)
    assert not logging.getLogger("apscheduler.executors.default").isEnabledFor(logging.ERROR)
    assert logging.getLogger(cli.__name__).getEffectiveLevel() <= logging.WARNING
