"""The clients of one Redis, how long they wait, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff, NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from ticker.store import lua

COMMAND_TIMEOUT = 2.0
UNAVAILABLE = (RedisError, OSError, TimeoutError)
"""What any call may raise while Redis is away; the caller decides when to come back."""


def in_time() -> asyncio.Timeout:
    """The time that one command is given."""
    return asyncio.timeout(COMMAND_TIMEOUT)


_PLACE = re.compile(r"\S*(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:]+\]|[\w.-]+):\d+\S*|unix:\S+|/\S+\.sock\S*")


def public(error: BaseException) -> str:
    """What is wrong with Redis, in words for anybody: without its address."""
    if isinstance(error, TimeoutError | RedisTimeout):
        return "timed out"
    if isinstance(error, ResponseError):
        return _PLACE.sub("...", str(error))[:200]
    causes = (each for each in (error, error.__cause__, error.__context__) if isinstance(each, OSError))
    reason = next((each.strerror for each in causes if each.strerror), "")
    return f"no connection{reason and ': '}{reason}"


def is_refusal(error: Exception) -> bool:
    """Whether Redis answered and refused: it is full, can't save, misses a replica, or forbids it."""
    return isinstance(error, ResponseError)


class LeaseLost(Exception):
    """Another process polls now, or the lease ran out: nothing was written."""


class Behind(Exception):
    """Redis has less than was already written (it was flushed or restored): write everything anew."""


class Connected:
    """
    One Redis by its URL: `unix://`, `redis://` or, over TLS, `rediss://`.

    One client for commands, one for answers as bytes, and one that follows the stream, whose blocking read
    the default client would retry silently for a minute (seen with redis-py 8.1). Every method raises one of
    UNAVAILABLE while Redis is away: each command within COMMAND_TIMEOUT, whatever it waits for.
    """

    def __init__(self, url: str, *, prefix: str) -> None:
        self._prefix = prefix
        self._commands = _client(url, _once_more())
        self._bytes = _client(url, _once_more(), decode=False)
        self._follower = _client(url, Retry(NoBackoff(), 0))
        texts = (lua.WRITE, lua.ACQUIRE, lua.RENEW, lua.RELEASE, lua.ORDERS, lua.KEEP_SCRIPT)
        self._scripts = {text: self._commands.register_script(text) for text in texts}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self._commands, self._bytes, self._follower):
            await client.aclose()

    def _key(self, name: str) -> str:
        return self._prefix + name

    async def _run(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run one of the scripts on the keys of these names. Raises LeaseLost or Behind if it says so."""
        try:
            async with in_time():
                return await self._scripts[script](keys=[self._key(name) for name in keys], args=args)
        except ResponseError as error:
            text = str(error)
            if "LEASELOST" in text:
                raise LeaseLost(text) from None
            if "BEHIND" in text:
                raise Behind(text) from None
            raise


def _once_more() -> Retry:
    return Retry(FullJitterBackoff(cap=0.2, base=0.02), 1)


def _client(url: str, retry: Retry, *, decode: bool = True) -> Redis:
    """
    A client that never gives up by itself: every call of it stands under a timeout() of ours.

    With a `socket_timeout` it sends by wait_for(), which swallows a cancellation that comes just when
    the bytes have gone (before Python 3.12; seen 2026-11-24): a follower then lives for ever.
    """
    return Redis.from_url(
        url,
        protocol=3,
        legacy_responses=False,
        decode_responses=decode,
        socket_timeout=None,
        socket_connect_timeout=COMMAND_TIMEOUT,
        retry=retry,
    )
