"""Real Redis servers on loopback, as operators run them: one, with a replica, Sentinel, Cluster, TLS."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import RedisError

from ticker.embedded import find_servers

START_SECONDS = 30.0
SETTLED_SECONDS = 60.0
PROMOTED_SECONDS = 120.0
"""Usual are 2 to 8. After a vote without a result, Sentinel waits for 20 seconds."""


@dataclass
class Server:
    """One process of redis-server or valkey-server, and what to tell it."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    password: str = ""
    is_stopped: bool = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{self.address}"

    @property
    def socket(self) -> str:
        """Its door behind, also where the other one speaks TLS."""
        return f"unix://{self.folder}/redis.sock"

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Redis]:
        known = {"password": self.password} if self.password else {}
        async with Redis.from_url(self.socket, decode_responses=True, **known, **options) as client:
            yield client

    async def tell(self, *words: str | int) -> Any:
        """What it answers to a command; asked again if it hangs up, as Sentinel has whom it promotes do."""
        for left in (2, 1, 0):
            try:
                async with self.client(protocol=2) as client:
                    return await client.execute_command(*words)
            except (Unreachable, OSError):
                if not left or self.process.poll() is not None:
                    raise
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        self.is_stopped = True

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.is_stopped = False

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def start_again(self, *lines: str) -> None:
        """Start it after its end, with these lines more, and wait until it answers."""
        with (self.folder / "redis.conf").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
        self.process, self.is_stopped = _started(self.folder, self.process.args), False
        await until(lambda: _answers(self), START_SECONDS, f"no server: {_log(self.folder)}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, each with the one 10,000 above it, which a Cluster's node takes too."""
    found: list[int] = []
    candidate = 11_000 + os.getpid() * 37 % 9_000
    while len(found) < count:
        candidate = 11_000 + (candidate - 10_999) % 9_000
        if all(_is_free(port) for port in (candidate, candidate + 10_000)):
            found.append(candidate)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@asynccontextmanager
async def server(
    folder: Path, *lines: str, port: int = 0, binary: Path | None = None, **settings: str
) -> AsyncIterator[Server]:
    """
    A server without persistence. `settings` are its directives, with `_` for `-`; `lines` are more of them.

    With the `certificates` it has no door without TLS but its socket.
    """
    port = port or free_ports(1)[0]
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - of a test
    is_tls = "tls_cert_file" in settings
    told = {
        "bind": "127.0.0.1",
        "port": "0" if is_tls else str(port),
        **({"tls-port": str(port)} if is_tls else {}),
        "unixsocket": f"{folder}/redis.sock",
        "dir": str(folder),
        "save": '""',
        "daemonize": "no",
        "repl-diskless-sync-delay": "0",
        **{name.replace("_", "-"): value for name, value in settings.items()},
    }
    words = _written(folder, binary, [*(f"{name} {value}" for name, value in told.items()), *lines])
    found = Server(_started(folder, words), folder, port, told.get("requirepass", ""))
    try:
        await until(lambda: _answers(found), START_SECONDS, f"no server: {_log(folder)}")
        yield found
    finally:
        found.kill()


@dataclass
class Watched:
    """A master with its replicas, and the sentinels that watch it as `prices`."""

    servers: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(each.address for each in self.sentinels)}/prices"

    async def master(self) -> Server:
        """Who is the master, by what the first sentinel says."""
        _, port = await self.sentinels[0].tell("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "prices")
        return next(each for each in self.servers if each.port == int(port))

    async def is_master_to_all(self, server: Server) -> bool:
        """Whether no sentinel names another master."""
        told = [await each.tell("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "prices") for each in self.sentinels]
        return {int(port) for _, port in told} == {server.port}

    async def promoted(self, old: Server, seconds: float = PROMOTED_SECONDS) -> Server:
        """Wait until the sentinels name another master, which says so itself."""

        async def another() -> Server | None:
            now = await self.master()
            return now if now is not old and (await now.tell("ROLE"))[0] == "master" else None

        found: Server = await until(another, seconds, "no other master")
        return found

    async def whole(self) -> None:
        """Wait until one is master, every other one follows it, and no sentinel thinks otherwise."""
        await until(self._is_whole, SETTLED_SECONDS, "the master and its replicas are not whole")

    async def _is_whole(self) -> bool:
        with suppress(RedisError, OSError):
            for sentinel in self.sentinels:
                async with sentinel.client() as client:
                    if (await client.sentinel_masters())["prices"]["flags"] != "master":
                        return False
            master = await self.master()
            replicas = [each for each in self.servers if each is not master]
            is_master = (await master.tell("ROLE"))[0] == "master"
            return is_master and all([await _is_in_step(each) for each in replicas])
        return False


@asynccontextmanager
async def watched(
    folder: Path, *, servers: int = 3, down_after: float = 3, sentinel_password: str = "", **settings: str
) -> AsyncIterator[Watched]:
    """A master with replicas and three sentinels, which agree by two."""
    own = {"requirepass": sentinel_password} if sentinel_password else {}
    ports = free_ports(servers + 3)
    async with AsyncExitStack() as stack:
        ours: list[Server] = []
        for number, port in enumerate(ports[:servers]):
            lines = [f"replicaof {ours[0].address.replace(':', ' ')}"] if ours else []
            ours.append(
                await stack.enter_async_context(server(folder / f"{number}", *lines, port=port, **settings))
            )
        sentinels = [
            await stack.enter_async_context(
                server(folder / f"s{number}", *_watching(ours[0], down_after, own), port=port, **own)
            )
            for number, port in enumerate(ports[servers:])
        ]
        found = Watched(ours, sentinels)
        for sentinel in sentinels:
            await until(
                lambda each=sentinel: _sees_all(each, servers - 1), SETTLED_SECONDS, "it sees not all"
            )  # type: ignore[misc]
        yield found


def _watching(master: Server, down_after: float, own: dict[str, str]) -> list[str]:
    passwords = [f"sentinel auth-pass prices {master.password}"] if master.password else []
    passwords += [f"sentinel sentinel-pass {password}" for password in own.values()]
    return [
        f"sentinel monitor prices 127.0.0.1 {master.port} 2",
        f"sentinel down-after-milliseconds prices {down_after * 1000:.0f}",
        "sentinel failover-timeout prices 10000",
        "sentinel parallel-syncs prices 2",
        *passwords,
    ]


async def _sees_all(sentinel: Server, replicas: int) -> bool:
    async with sentinel.client() as client:
        state = (await client.sentinel_masters())["prices"]
    return bool(state["num-slaves"] == replicas and state["num-other-sentinels"] == 2)


@asynccontextmanager
async def cluster(
    folder: Path, *, replicas: bool = False, node_timeout: float = 5, **settings: str
) -> AsyncIterator[list[Server]]:
    """Three masters, followed in the list by a replica of each if there are to be some."""
    ports = free_ports(6 if replicas else 3)
    facts = {
        "cluster_enabled": "yes",
        "cluster_node_timeout": f"{node_timeout * 1000:.0f}",
        "cluster_replica_validity_factor": "0",
    }
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(server(folder / f"{port}", port=port, **facts, **settings))
            for port in ports
        ]
        for number, node in enumerate(nodes[:3]):
            await node.tell(
                "CLUSTER", "ADDSLOTSRANGE", number * 5461, 16383 if number == 2 else number * 5461 + 5460
            )
            await node.tell("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            await node.tell("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
        await until(lambda: _all_know(nodes), SETTLED_SECONDS, "no cluster")
        for master, replica in zip(nodes[:3], nodes[3:], strict=False):
            await replica.tell("CLUSTER", "REPLICATE", await master.tell("CLUSTER", "MYID"))
        for replica in nodes[3:]:
            await until(lambda each=replica: _is_in_step(each), SETTLED_SECONDS, "no replica")  # type: ignore[misc]
        await until(lambda: _all_know(nodes), SETTLED_SECONDS, "no cluster")
        yield nodes


async def _all_know(nodes: list[Server]) -> bool:
    for node in nodes:
        info = str(await node.tell("CLUSTER", "INFO"))
        if "cluster_state:ok" not in info or f"cluster_known_nodes:{len(nodes)}" not in info:
            return False
    return True


async def _is_in_step(replica: Server) -> bool:
    role = await replica.tell("ROLE")
    return bool(role[0] == "slave" and role[3] == "connected")


async def owner(nodes: list[Server], key: str) -> Server:
    """The node that has a key now, by what a living one says."""
    alive = next(each for each in nodes if each.process.poll() is None and not each.is_stopped)
    slot = int(await alive.tell("CLUSTER", "KEYSLOT", key))
    for first, last, (_, port, *_), *_ in await alive.tell("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return next(each for each in nodes if each.port == port)
    raise AssertionError(f"no node has slot {slot}")


def _written(folder: Path, binary: Path | None, lines: list[str]) -> list[str]:
    """The words that start a server. Its directives are in a file, as Sentinel and Cluster write into it."""
    file = folder / "redis.conf"
    file.write_text("\n".join(lines) + "\n")
    is_sentinel = any(line.startswith("sentinel ") for line in lines)
    return [str(binary or find_servers()[0]), str(file), *(["--sentinel"] if is_sentinel else [])]


def _started(folder: Path, words: Any) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)


def _log(folder: Path) -> str:
    return (folder / "log").read_text()[-2000:]


async def _answers(found: Server) -> bool:
    with suppress(RedisError, OSError):
        return bool(await found.tell("PING"))
    return False


async def until(fact: Callable[[], Awaitable[Any]], seconds: float, otherwise: str) -> Any:
    """Wait until it is so, and give what it was. Raises TimeoutError with words."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := await fact()):
                await asyncio.sleep(0.05)
            return found
    except TimeoutError:
        raise TimeoutError(f"{otherwise}, after {seconds:g} s") from None


@asynccontextmanager
async def speaking_resp2(target: Server) -> AsyncIterator[str]:
    """The address of a door to a server that knows no HELLO, as before Redis 6 and behind some proxies."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(f"{target.folder}/redis.sock")
        answers = asyncio.create_task(_copy(theirs, writer))
        try:
            while data := await reader.read(1 << 16):
                # Whoever asks waits for the answer, so the question is a packet of its own.
                if data.split(b"\r\n")[2:3] == [b"HELLO"]:
                    writer.write(b"-ERR unknown command 'HELLO', with args beginning with: '3' \r\n")
                else:
                    ours.write(data)
        finally:
            answers.cancel()
            ours.close()
            writer.close()

    door = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with door:
        yield f"127.0.0.1:{door.sockets[0].getsockname()[1]}"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)


def certificates(folder: Path) -> dict[str, str]:
    """A CA of our own, and a server's certificate for 127.0.0.1: the directives of a server over TLS."""
    folder.mkdir(parents=True, exist_ok=True)
    subject = "/O=ticker tests/CN="
    _openssl(
        folder,
        *(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ),
        *("-keyout", "ca.key", "-out", "ca.crt", "-subj", f"{subject}ca"),
    )
    _openssl(
        folder,
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", "server.key", "-out", "server.csr", "-subj", f"{subject}127.0.0.1"),
    )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    _openssl(
        folder,
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2"),
        *("-CAcreateserial", "-out", "server.crt", "-extfile", "names"),
    )
    return {
        "tls_cert_file": f"{folder}/server.crt",
        "tls_key_file": f"{folder}/server.key",
        "tls_ca_cert_file": f"{folder}/ca.crt",
        "tls_auth_clients": "no",
        "tls_replication": "yes",
        "tls_cluster": "yes",
    }


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
