"""The clients of one address: one server, a socket, the master that Sentinels name, a Cluster."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import FullJitterBackoff, NoBackoff
from redis.exceptions import AuthenticationError, InvalidResponse, RedisError, ResponseError
from redis.exceptions import ConnectionError as Unreachable
from redis.maint_notifications import MaintNotificationsConfig

from ticker.store import address
from ticker.store.address import Address
from ticker.store.errors import CLUSTER, UNAVAILABLE, Refused, fault

COMMAND_TIMEOUT = 2.0
SENTINEL_TIMEOUT = 0.5
"""Seconds after which the next sentinel is asked."""
FOLLOW_BLOCK = 5.0
"""Seconds for which the server is asked to wait for a publication."""
Client = Redis | RedisCluster


class Clients:
    """
    The clients of one address.

    One is for commands, one for answers as bytes, and one follows the stream. The default client would retry
    the follower's blocking read silently for a minute (seen with redis-py 8.1). They use RESP3 unless a
    server does not know it.
    """

    def __init__(self, url: str, sentinels: Mapping[str, Any], *, key: str) -> None:
        """
        `sentinels` are the user and the password of the sentinels themselves; `key` names the address in
        errors.

        Raises Refused.
        """
        self._key = key
        try:
            self.where = where = address.read(url)
        except ValueError as error:
            raise Refused(key, str(error)) from None
        for name, value in where.tls.items():
            if name in address.FILES and not Path(str(value)).is_file():
                raise Refused(key, f"?{name}= is not an existing file")
        self._sentinels = _Sentinels.of(where, sentinels) if where.kind == "sentinel" else None
        self._protocol = 3
        self._old: list[Client] = []
        self._make()

    def _make(self) -> None:
        self._made_for = self._protocol
        self._watched: list[Any] = []
        self._commands = self._client(_once_more())
        self._bytes = self._client(_once_more(), decode_responses=False)
        self._follower = self._client(Retry(NoBackoff(), 0), blocks=FOLLOW_BLOCK)

    @property
    def commands(self) -> Client:
        """The client for commands."""
        self._keep_up()
        return self._commands

    @property
    def bytes(self) -> Client:
        """The client whose answers are bytes."""
        self._keep_up()
        return self._bytes

    @property
    def follower(self) -> Client:
        """The client for blocking reads."""
        self._keep_up()
        return self._follower

    def _keep_up(self) -> None:
        """Make new clients if the server refused RESP3: all answers of a client must have one shape."""
        if self._made_for != self._protocol:
            self._old += (self._commands, self._bytes, self._follower)
            self._make()

    async def greet(self, name: str) -> None:
        """Check that this is the intended Redis; `name` is a key in it. Raises Refused."""
        try:
            if self._sentinels:
                await self._sentinels.greet(self.where.service)
            await self._hear(name)
        except Exception as error:
            if words := fault(error, self.where):
                raise Refused(self._key, words) from None
            raise

    async def _hear(self, name: str) -> None:
        """Check the server's answers. One that does not know HELLO is only asked for a key."""
        mode = await self._mode()
        if mode == "cluster" and self.where.kind != "cluster":
            raise Refused(self._key, CLUSTER)
        if mode == "sentinel":
            raise Refused(
                self._key, "the server there is a Sentinel: write redis+sentinel://HOST:PORT/SERVICE"
            )
        if not isinstance(await self.commands.exists(name), int):
            raise InvalidResponse("the server there is not a Redis")

    async def _mode(self) -> str:
        """`standalone`, `cluster` or `sentinel`; empty if the server does not know HELLO."""
        if self._protocol == 3:
            try:
                return str((await self.commands.execute_command("HELLO")).get("mode"))
            except (AttributeError, TypeError, ValueError, LookupError):
                raise InvalidResponse("the server there is not a Redis") from None
            except RedisError:
                if self._protocol == self._made_for:
                    raise
        return ""

    async def look(self) -> None:
        """
        Disconnect from a master that the sentinels no longer name.

        After a planned fail-over it still answers for ten seconds, and what is written to it is lost.
        """
        for pool in self._watched:
            with suppress(*UNAVAILABLE):
                await pool.get_master_address()

    async def aclose(self) -> None:
        """Close every connection."""
        for client in (*self._old, self._commands, self._bytes, self._follower):
            await client.aclose()
            if isinstance(client, RedisCluster):
                # Its own aclose() does nothing while the shape of the cluster is unknown.
                await client.nodes_manager.aclose()
                await client.nodes_manager.aclose("startup_nodes")
        if self._sentinels:
            await self._sentinels.aclose()

    def _client(self, retry: Retry, *, blocks: float = 0, decode_responses: bool = True) -> Client:
        """
        A client without time limits of its own: our timeout() limits every call.

        With a `socket_timeout` it would send through wait_for(), which swallows a cancellation just after the
        bytes were sent (before Python 3.12; seen 2026-11-24): a follower would then live for ever.
        """
        where = self.where
        facts: dict[str, Any] = {
            "username": where.username or None,
            "password": where.password or None,
            "decode_responses": decode_responses,
            "protocol": self._protocol,
            "legacy_responses": False,
            "socket_timeout": None,
            "socket_connect_timeout": COMMAND_TIMEOUT,
            # It would send its name and version, and subscribe to maintenance news. A user may lack both
            # permissions.
            "driver_info": None,
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
            "retry": retry,
            **where.tls,
        }
        if where.kind == "cluster":
            return _cluster(where, facts, blocks)
        facts |= {"db": where.database, "redis_connect_func": self._introduce}
        if self._sentinels:
            client: Redis = self._sentinels.master_for(where.service, ssl=where.is_tls, **facts)
            self._watched.append(client.connection_pool)
            return client
        return Redis.from_pool(ConnectionPool(**facts, **_place(where)))

    async def _introduce(self, connection: AbstractConnection) -> None:
        """Send the first commands of a connection. Notes a server that does not know RESP3."""
        try:
            await connection.on_connect()
        except (AttributeError, TypeError, ValueError, LookupError):
            raise InvalidResponse("the server there is not a Redis") from None
        except ResponseError as error:
            if not re.search(r"(?i)NOPROTO|(unknown|unsupported) command.*hello", str(error)):
                raise
            self._protocol = 2
            raise Unreachable("it does not know HELLO: next time in RESP2") from None


def _place(where: Address) -> dict[str, Any]:
    """Where a single server is, for a pool of connections."""
    if where.kind == "socket":
        return {"connection_class": UnixDomainSocketConnection, "path": where.path}
    host, port = where.hosts[0]
    return {"connection_class": SSLConnection if where.is_tls else Connection, "host": host, "port": port}


def _once_more() -> Retry:
    return Retry(FullJitterBackoff(cap=0.2, base=0.02), 1)


def _cluster(where: Address, facts: dict[str, Any], blocks: float) -> RedisCluster:
    """
    A client of a Cluster. It must notice itself that a node is silent, because only then it asks the others.

    So it has a `socket_timeout`, shorter than ours, and may swallow a cancellation (see `_client`): a
    follower of a Cluster must be cancelled repeatedly until it has ended.
    """
    waits = blocks + 1 if blocks else COMMAND_TIMEOUT * 0.6
    nodes = [ClusterNode(host, port) for host, port in where.hosts]
    return RedisCluster(startup_nodes=nodes, ssl=where.is_tls, **facts | {"socket_timeout": waits})


class _Sentinels(Sentinel):
    """The sentinels of an address. None is waited for long, because one may be frozen."""

    @classmethod
    def of(cls, where: Address, credentials: Mapping[str, Any]) -> Self:
        """The sentinels of an address."""
        tls = {"ssl": True, **where.tls} if where.is_tls else {}
        facts = {
            "protocol": 2,
            "driver_info": None,
            "socket_timeout": None,
            "socket_connect_timeout": SENTINEL_TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
        }
        return cls(where.hosts, sentinel_kwargs=facts | tls | dict(credentials))

    async def greet(self, service: str) -> None:
        """Check that they are sentinels, accept the user, and know the service. Raises Refused."""
        for sentinel in self.sentinels:
            try:
                async with asyncio.timeout(SENTINEL_TIMEOUT):
                    known = await sentinel.sentinel_masters()
            except AuthenticationError:
                words = "the Sentinels refused this user with TICKER_REDIS_SENTINEL_PASSWORD"
                raise Refused("redis.sentinel_username", words) from None
            except ResponseError:
                raise Refused("redis.url", "the server there is not a Sentinel") from None
            except UNAVAILABLE:
                continue
            if service not in known:
                raise Refused("redis.url", "the Sentinels do not know this service")
            return

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """The address of the master, from the first sentinel that answers in time."""
        for _ in self.sentinels:
            try:
                async with asyncio.timeout(SENTINEL_TIMEOUT):
                    found: tuple[str, int] = await super().discover_master(service_name)
                    return found
            except TimeoutError:
                self.sentinels.append(self.sentinels.pop(0))
        raise MasterNotFoundError("no sentinel answers")
