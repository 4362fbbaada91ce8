"""What systemd hears from the service, and that it takes the unit."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import services
from services import Service
from stage import until

from ticker import app, deploy
from ticker.config import Settings
from ticker.metrics import Count, Tally
from ticker.sources import SOURCES
from ticker.systemd import Systemd

Notice = dict[str, str]


@asynccontextmanager
async def listening(address: str) -> AsyncIterator[list[Notice]]:
    """What arrives at a socket like systemd's, one entry for each datagram."""
    heard: list[Notice] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(f"\0{address[1:]}" if address.startswith("@") else address)

        def hear() -> None:
            lines = sock.recv(1 << 16).decode().split("\n")
            heard.append({name: value for name, _, value in (line.partition("=") for line in lines)})

        loop = asyncio.get_running_loop()
        loop.add_reader(sock, hear)
        try:
            yield heard
        finally:
            loop.remove_reader(sock)


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, short_path: Path) -> str:
    return f"{short_path}/notify" if request.param == "path" else f"@{short_path}/notify"


async def test_each_state_is_one_datagram(address: str) -> None:
    systemd = Systemd(address)
    async with listening(address) as heard:
        before = time.monotonic_ns() // 1000
        systemd.ready("answers on http://127.0.0.1:8080/")
        with systemd.reloading():
            systemd.ready("within")
        systemd.stopping(2.5)
        await until(lambda: len(heard) == 5)

    assert heard[0] == {"READY": "1", "STATUS": "answers on http://127.0.0.1:8080/"}
    assert heard[1]["RELOADING"] == "1"
    assert before <= int(heard[1]["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert heard[2]["STATUS"] == "within"
    assert heard[3] == {"READY": "1"}
    assert (heard[4]["STOPPING"], heard[4]["EXTEND_TIMEOUT_USEC"]) == ("1", "2500000")


async def test_pings_stop_while_there_is_a_fault_and_systemd_is_told_it_once(
    short_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fault = ""
    address = f"{short_path}/notify"
    systemd = Systemd(address, watchdog_seconds=0.03)
    async with listening(address) as heard, asyncio.TaskGroup() as group:
        fault = "it starts"
        pinging = group.create_task(systemd.keep_alive(lambda: fault))
        await until(lambda: heard.count({"WATCHDOG": "1"}) >= 3)
        systemd.ready("")
        fault = "the polling has stalled"
        await until(lambda: {"STATUS": fault} in heard)
        told = len(heard)
        await asyncio.sleep(0.3)
        assert heard[told:] == []
        fault = ""
        await until(lambda: len(heard) > told)
        assert heard[-1] == {"WATCHDOG": "1"}

        # A service that stops is not killed for what no longer runs.
        fault = "nothing serves"
        systemd.stopping(1)
        told = len(heard)
        await until(lambda: heard[told:].count({"WATCHDOG": "1"}) >= 3)
        pinging.cancel()

    assert [record.getMessage() for record in caplog.records] == [
        "systemd restarts this service if it stays so: the polling has stalled"
    ]


@pytest.mark.parametrize(
    ("environment", "pings"),
    [
        ({"WATCHDOG_USEC": "30000"}, True),
        ({"WATCHDOG_USEC": "30000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "30000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({}, False),
    ],
    ids=["ours", "by pid", "another's", "no number", "none"],
)
async def test_the_environment_says_where_and_how_often(
    short_path: Path, environment: dict[str, str], pings: bool
) -> None:
    environment = {"NOTIFY_SOCKET": f"{short_path}/notify", "HOME": "/root"} | environment
    async with listening(environment["NOTIFY_SOCKET"]) as heard:
        systemd = Systemd.of(environment)
        systemd.ready("")
        pinging = asyncio.create_task(systemd.keep_alive(lambda: ""))
        await until(lambda: len(heard) >= 1 + pings)
        await asyncio.sleep(0.1)
        pinging.cancel()

    assert ({"WATCHDOG": "1"} in heard) == pings
    assert environment == {"HOME": "/root"}


async def test_a_missing_systemd_changes_nothing_and_is_said_once(
    short_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Systemd().ready("nobody listens")
    assert caplog.records == []

    gone = Systemd(f"{short_path}/gone", watchdog_seconds=1)
    gone.ready("")
    gone.stopping(1)
    assert [record.getMessage() for record in caplog.records] == [
        f"systemd can't be notified: No such file or directory: {short_path}/gone"
    ]


def test_only_what_a_restart_repairs_is_a_fault() -> None:
    settings = Settings.model_validate({"redis": {"lease_seconds": 3}})
    tally = Tally.alone()
    assert app._fault(tally, settings) == "no process serves readers"
    tally.set(Count.SERVING, 1)
    assert app._fault(tally, settings) == ""
    tally.board.tries()
    assert app._fault(tally, settings) == ""


def test_polling_has_stalled_after_a_minute_or_two_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally.alone()
    tally.set(Count.SERVING, 1)
    tally.board.tries()
    now = time.monotonic()
    for lease, seconds, stalled in ((6, 59, False), (6, 61, True), (300, 599, False), (300, 601, True)):
        monkeypatch.setattr(time, "monotonic", lambda later=now + seconds: later)
        settings = Settings.model_validate({"redis": {"lease_seconds": lease}})
        assert app._fault(tally, settings).startswith("the polling has stalled") == stalled


# The service itself.


def serving(
    folder: Path, *, workers: int = 1, program: str = "", text: str = "", watchdog_ms: int = 1500
) -> AbstractAsyncContextManager[Service]:
    """`ticker serve` of one pegged currency, as systemd starts it."""
    write(folder, workers, text)
    environment = {
        "NOTIFY_SOCKET": f"{folder}/notify",
        "WATCHDOG_USEC": f"{watchdog_ms}000",
        "TICKER_REDIS__DATA_DIR": f"{folder}/data",
    }
    return services.running(
        folder, "serve", "--config", f"{folder}/ticker.toml", program=program, environment=environment
    )


def write(folder: Path, workers: int, text: str = "") -> None:
    off = "".join(f"[sources.{key}]\nenabled = false\n" for key in SOURCES)
    (folder / "ticker.toml").write_text(
        f'symbols = ["TMT"]\n[server]\nport = 0\nlame_seconds = 1.5\nworkers = {workers}\n{text}\n{off}'
    )


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.redis
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_systemd_hears_the_whole_life_of_the_service(short_path: Path, workers: int) -> None:
    async with (
        listening(f"{short_path}/notify") as heard,
        serving(short_path, workers=workers) as service,
    ):
        await until(lambda: {"READY": "1", "STATUS": f"answers on {service.url}"} in heard)
        pings = heard.count({"WATCHDOG": "1"})
        await until(lambda: heard.count({"WATCHDOG": "1"}) > pings + 1)
        children = [service.redis_pid(), *service.workers.values()]
        assert len(children) == (1 if workers == 1 else 3)
        assert [pid for pid in children if re.search("NOTIFY_SOCKET|WATCHDOG", environment_of(pid))] == []

        # A reload is over also when the file was faulty.
        for number, text in enumerate(("", "[server]\nport = 1"), 1):
            write(short_path, workers, text)
            service.process.send_signal(signal.SIGHUP)
            await until(lambda n=number: heard.count({"READY": "1"}) == n)
            reloads = [index for index, each in enumerate(heard) if "RELOADING" in each]
            assert len(reloads) == number
            assert heard.index({"READY": "1"}, reloads[-1]) > reloads[-1]
        assert "reload: the new configuration was not applied" in service.log

        service.process.send_signal(signal.SIGTERM)
        assert await service.ended() == 0, service.log
        await asyncio.sleep(0)
        [stopping] = [each for each in heard if "STOPPING" in each]
        assert stopping["EXTEND_TIMEOUT_USEC"] == "24500000"
        # It stays alive for systemd until its end, which may take minutes.
        assert {"WATCHDOG": "1"} in heard[heard.index(stopping) :]


STALLED = """
import sys
from ticker import app, cli
from ticker.poll.outbox import Outbox
async def wait(self):
    await __import__("asyncio").sleep(3600)
Outbox.wait, app.STALLED_SECONDS = wait, 1.0
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.redis
@pytest.mark.slow
async def test_a_stalled_poller_ends_the_pings(short_path: Path) -> None:
    async with (
        listening(f"{short_path}/notify") as heard,
        serving(short_path, program=STALLED) as service,
    ):

        def status() -> list[str]:
            return [each["STATUS"] for each in heard if each.keys() == {"STATUS"}]

        await until(status)
        told = len(heard)
        await asyncio.sleep(2)

        assert status()[0].startswith("the polling has stalled, its last step was ")
        assert heard[told:] == []
        assert "systemd restarts this service if it stays so: the polling has stalled" in service.log


@pytest.mark.redis
@pytest.mark.slow
async def test_a_lost_redis_does_not_end_the_pings(short_path: Path) -> None:
    async with listening(f"{short_path}/notify") as heard, serving(short_path) as service:
        await until(lambda: service.get("v1/quotes"))
        os.kill(pid := service.redis_pid(), signal.SIGSTOP)
        try:
            before = heard.count({"WATCHDOG": "1"})
            await until(lambda: heard.count({"WATCHDOG": "1"}) > before + 12)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert [each for each in heard if each.keys() == {"STATUS"}] == []


# The unit.

EXPOSURE = 1.5
"""systemd's own figure, from 0 (nothing is exposed) to 10. It was 1.4 by systemd 252."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here."""
    file = tmp_path / "ticker@8080.service"
    program = shutil.which("true")
    file.write_text(deploy.text("systemd").replace("/opt/ticker/bin/ticker", str(program)))
    return file


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.fail("no systemd-analyze here for the tests of the unit; install it (apt install systemd)")
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=100)


def test_systemd_takes_every_line_of_the_unit(unit: Path) -> None:
    found = analyze("verify", "--man=no", str(unit))

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_the_unit_exposes_little(unit: Path) -> None:
    found = analyze(
        "security", "--offline=true", "--json=short", f"--threshold={EXPOSURE * 10:.0f}", str(unit)
    )
    rows = json.loads(found.stdout)
    wrong = [row["json_field"] for row in rows if not row["set"]]

    assert found.returncode == 0, wrong
