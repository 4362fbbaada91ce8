"""The log: as text or JSON, for journald too, each fact once, and never a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis
from services import Service, refused, running
from stage import site, until

from ticker import app, logs
from ticker.cli import main
from ticker.config import RedisSettings, Settings, load, secrets_around, secrets_of
from ticker.sources import SOURCES


def record(level: int = logging.INFO, message: str = "nbkr is back", **others: Any) -> logging.LogRecord:
    return logging.LogRecord("ticker", level, "", 0, message, None, None, **others)


@pytest.fixture
def secret() -> Iterator[str]:
    logs.never_show(["hunter2"])
    yield "hunter2"
    logs._secrets.clear()


def test_a_line_of_json_has_level_time_with_zone_and_message() -> None:
    line = logs.Formatter("json", who="worker 2: ").format(record(logging.WARNING))

    said = json.loads(line)
    assert list(said) == ["level", "time", "message"]
    assert (said["level"], said["message"]) == ("warning", "worker 2: nbkr is back")
    assert datetime.fromisoformat(said["time"]).utcoffset() is not None


def test_a_trace_is_a_part_of_the_message() -> None:
    try:
        raise ZeroDivisionError("by nought")
    except ZeroDivisionError:
        broken = logging.LogRecord("ticker", logging.ERROR, "", 0, "broke ä", None, sys.exc_info())
    line = logs.Formatter("json").format(broken)

    assert "\n" not in line
    assert line.isascii()
    message = json.loads(line)["message"]
    assert message.startswith("broke ä\nTraceback")
    assert message.endswith("ZeroDivisionError: by nought")


def test_text_has_time_level_and_who() -> None:
    line = logs.Formatter("text", who="worker 2: ").format(record())

    assert re.fullmatch(r"[0-9-]{10} [0-9:,]{12} INFO    worker 2: nbkr is back", line)


@pytest.mark.parametrize(
    ("level", "priority"), [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 3)]
)
def test_journald_reads_the_priority_of_every_line(level: str, priority: int) -> None:
    broken = record(logging.getLevelNamesMapping()[level], "one\ntwo")

    assert logs.Formatter("text", journal=True).format(broken) == f"<{priority}>one\n<{priority}>two"
    assert logs.Formatter("json", journal=True).format(broken).startswith(f"<{priority}>{{")


@pytest.mark.parametrize("form", logs.FORMS)
def test_no_line_has_a_secret_wherever_it_stands(form: logs.Form, secret: str) -> None:
    try:
        raise ValueError(f"can't connect to redis://:{secret}@h")
    except ValueError:
        broken = logging.LogRecord("x", logging.ERROR, "", 0, "%s: %s", ("a", secret), sys.exc_info())
    line = logs.Formatter(form).format(broken)

    assert secret not in line
    assert line.count("***") == 2


def test_the_last_words_of_a_process_have_no_secret(
    secret: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_formatter", logs.Formatter("json", journal=True))
    logs.fail(f"ticker serve: {secret}")
    monkeypatch.setattr(logs, "_formatter", None)
    logs.fail(f"ticker serve: {secret}")

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("<3>")
    assert json.loads(first[3:])["message"] == "ticker serve: ***"
    assert second == "ticker serve: ***"


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("redis://:Sup3rSecret/def@h:6379/0", {"Sup3rSecret/def", "Sup3rSecret"}),
        ("rediss://user:p%40ssw0rd@h", {"p%40ssw0rd", "p@ssw0rd", "ssw0rd"}),
        ("redis://t0ken@h", {"t0ken"}),
        ("redis://h/0?password=hunter2&db=1", {"hunter2"}),
        ("unix:///run/redis.sock", set()),
        ("redis://user:@h", set()),
        ("redis://:abc@h", set()),
    ],
)
def test_the_secrets_of_an_address_are_known(address: str, secrets: set[str]) -> None:
    known = secrets_of(Settings(redis=RedisSettings(url=address)))

    assert known == secrets
    assert secrets_around({"HTTPS_PROXY": address, "TICKER_REDIS_URL": address}) == secrets


def test_the_secrets_of_sources_and_the_environment_are_known(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[sources.nbk]\nbase_url = "http://u:B4nkPass@h"\n')
    environment = {
        "TICKER_NBK_KEY": "K3yOfNbk",
        "TICKER_REDIS_SENTINEL_PASSWORD": "S3ntinel",
        "HOME": "/root",
    }

    assert secrets_of(load(file, environment=environment)) == {"B4nkPass", "K3yOfNbk", "S3ntinel"}
    assert secrets_around(environment) == {"K3yOfNbk", "S3ntinel"}


# The command line.


@pytest.mark.parametrize(
    "arguments",
    [
        ["--log-format", "json", "--log-level", "debug", "serve"],
        ["serve", "--log-format", "json", "--log-level", "debug"],
        ["--log-level", "debug", "serve", "--log-format=json"],
    ],
)
def test_how_to_log_is_said_before_or_after_the_command(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, str]] = []

    async def serve(settings: Settings, **others: Any) -> None:
        pass

    monkeypatch.setattr(app, "serve", serve)
    monkeypatch.setattr(logs, "start", lambda form, level, *, who="": started.append((form, level)))

    assert main(arguments) == 0

    assert started == [("json", "debug")]


@pytest.mark.parametrize("wrong", [["--log-format", "xml"], ["--log-level", "loud"]])
def test_another_format_or_level_is_refused_with_2(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["serve", *wrong])

    assert exit_.value.code == 2


# Whole runs.


def configured(
    folder: Path, redis_url: str, *, workers: int = 1, more: str = "", on: tuple[str, ...] = ()
) -> str:
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES if key not in on)
    (folder / "ticker.toml").write_text(
        f'[server]\nport = 0\nworkers = {workers}\nadmin = "127.0.0.1:0"\n'
        f'[redis]\nurl = "{redis_url}"\n{off}{more}'
    )
    return f"{folder}/ticker.toml"


async def test_every_process_logs_json_and_only_the_ready_line_is_none(
    short_path: Path, redis_url: str
) -> None:
    file = configured(short_path, redis_url, workers=2)
    async with running(short_path, "serve", "--config", file, "--log-format", "json") as service:
        service.process.terminate()
        out = service.process.communicate()[0]
        code = service.process.returncode

    said = [json.loads(line) for line in service.log.splitlines()]
    assert (code, out) == (0, "")
    assert all(list(line) == ["level", "time", "message"] for line in said)
    assert [line["message"] for line in said][-1] == "ended"


async def test_a_worker_logs_as_its_parent_does(short_path: Path, redis_url: str) -> None:
    file = configured(short_path, redis_url, workers=1 + 1)
    async with running(short_path, "--log-format", "json", "serve", "--config", file) as service:
        service.process.kill()
        await until(lambda: service.log.count(": the service has ended, this worker ends too") == 2)

    words = [json.loads(line)["message"] for line in service.log.splitlines()]
    assert {f"worker {number}: the service has ended, this worker ends too" for number in (1, 2)} <= {*words}


async def test_a_refusal_is_json_too(short_path: Path) -> None:
    (short_path / "ticker.toml").write_text("[server]\nprot = 1\n")

    code, log = await refused(
        short_path, "serve", "--config", f"{short_path}/ticker.toml", "--log-format", "json"
    )

    said = json.loads(log)
    assert (code, said["level"]) == (2, "error")
    assert said["message"].endswith("line 2: unknown key `server.prot`. Did you mean `server.port`?")


async def test_the_level_leaves_out_what_is_less(short_path: Path, redis_url: str) -> None:
    file = configured(short_path, redis_url)
    async with running(short_path, "serve", "--config", file, "--log-level", "warning") as service:
        service.process.terminate()
        await service.ended()

    assert re.findall(r"INFO|DEBUG", service.log) == []
    assert "WARNING" in service.log


@pytest.mark.parametrize("form", logs.FORMS)
async def test_journald_is_known_by_the_stream_that_systemd_names(
    form: str, short_path: Path, redis_url: str
) -> None:
    file = configured(short_path, redis_url, workers=2)
    (short_path / "log").touch()
    found = (short_path / "log").stat()
    journal = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    async with running(
        short_path, "serve", "--config", file, "--log-format", form, environment=journal
    ) as service:
        service.process.kill()
        await until(lambda: "worker 2: the service has ended" in service.log, 10)

    lines = service.log.splitlines()
    assert all(re.match(r"<[3467]>", line) for line in lines)
    assert any(line.startswith("<3>") and "the service has ended" in line for line in lines)
    if form == "text":
        assert [line for line in lines if line.startswith("<6>2 workers serve: pids ")]


async def test_another_stream_is_not_journald_s(short_path: Path, redis_url: str) -> None:
    file = configured(short_path, redis_url)
    async with running(
        short_path, "serve", "--config", file, environment={"JOURNAL_STREAM": "8:1"}
    ) as service:
        service.process.kill()

    assert "<6>" not in service.log


# Secrets, everywhere: no run shows one, whatever fails.

PASSWORD, OTHER, KEY = "Sup3rSecret", "An0therSecret", "K3yOfOxr0123456789"
BANK_PASSWORD, PROXY_PASSWORD = "B4nkPassword", "Pr0xyPassword"
SECRETS = (PASSWORD, OTHER, KEY, BANK_PASSWORD, PROXY_PASSWORD)


class Mischief:
    """A bank that fails in another way at every request, and says all that it was told."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.url} {request.headers.get('Authorization')}")
        told = f"{request.url}?{KEY} {BANK_PASSWORD} {request.headers}"
        match len(self.asked) % 5:
            case 0:
                return web.Response(status=500, text=told)
            case 1:
                return web.json_response({"error": True, "message": KEY, "base": BANK_PASSWORD})
            case 2:
                return web.Response(
                    status=302, headers={"Location": f"http://x:{BANK_PASSWORD}@127.0.0.1:1/"}
                )
            case 3:
                return web.Response(text=told)
        if request.transport:
            request.transport.abort()
        return web.Response()


def shown(*texts: str) -> list[str]:
    return [secret for secret in SECRETS for text in texts if secret in text]


@asynccontextmanager
async def user_of(redis: Redis, password: str) -> AsyncIterator[None]:
    """A user with this password, who is gone at the end."""
    await redis.acl_setuser(
        "ticker", enabled=True, passwords=[f"+{password}"], keys=["*"], categories=["+@all"]
    )
    try:
        yield
    finally:
        await redis.acl_deluser("ticker")


async def everything(service: Service) -> list[str]:
    paths = ("v1/sources", "v1/quotes", "healthz", "readyz", "health", "metrics", "")
    texts = [(await service.text(service.url + path))[1] for path in paths]
    return [*texts, *[(await service.text(service.admin + path))[1] for path in ("health", "metrics")]]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_no_output_of_a_run_has_a_secret(
    workers: int, short_path: Path, redis: Redis, redis_url: str
) -> None:
    address = f"unix://ticker:{PASSWORD}@{redis_url.removeprefix('unix://')}"
    bank = Mischief()
    async with site(bank.handle) as url, user_of(redis, PASSWORD):
        where = url.replace("http://", f"http://user:{BANK_PASSWORD}@")
        keys = ("nbkr", "nbk", "cbr", "openexchangerates")
        sources = "".join(
            f'[sources.{key}]\nenabled = true\ninterval_seconds = 1\nbase_url = "{where}"\n' for key in keys
        )
        file = configured(
            short_path,
            "embedded",
            workers=workers,
            on=keys,
            more=f"[poll]\nretry_min_seconds = 0.2\nretry_max_seconds = 0.5\n{sources}",
        )
        environment = {
            "TICKER_REDIS_URL": address,
            "TICKER_OPENEXCHANGERATES_KEY": KEY,
            "HTTPS_PROXY": f"http://user:{PROXY_PASSWORD}@127.0.0.1:1",
        }
        arguments = ("serve", "--config", file, "--log-level", "debug")
        async with running(short_path, *arguments, environment=environment) as service:
            await until(lambda: len(bank.asked) > 25, 60)
            answers = await everything(service)
            # The password is another one now, and the connections are cut.
            await redis.acl_setuser("ticker", enabled=True, reset_passwords=True, passwords=[f"+{OTHER}"])
            await redis.client_kill_filter(user="ticker", skipme=True)
            await until(lambda: "redis is unreachable" in service.log, 30)
            answers += await everything(service)
            service.process.terminate()
            out = service.process.communicate()[0]

    assert any(KEY in asked for asked in bank.asked)
    assert any("Basic" in asked for asked in bank.asked)
    assert "nbkr failed: " in service.log
    assert shown(out, service.log, *answers) == []


@pytest.mark.parametrize(
    "address",
    [
        f"redis://:{PASSWORD}/def@127.0.0.1:1/0",
        f"redis://:{PASSWORD}@127.0.0.1:port/0",
        f"rediss://:{PASSWORD}@[127.0.0.1/0",
        f"http://:{PASSWORD}@127.0.0.1/0",
        f"redis://user:{PASSWORD}@127.0.0.1:1/notanumber?{OTHER}",
        f"redis://127.0.0.1:1/0?password={PASSWORD}&socket_timeout=x",
    ],
)
@pytest.mark.parametrize("command", ["serve", "hold", "backfill"])
def test_a_wrong_address_of_redis_is_refused_without_its_secret(
    address: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "ticker.toml"
    file.write_text("[server]\nport = 0\n")
    monkeypatch.setenv("TICKER_REDIS_URL", address)

    code = main([command, *(["KGS"] if command == "hold" else []), "--config", str(file)])

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert shown(said.err) == []
