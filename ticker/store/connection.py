"""The common base of the store: its clients, its prefix, and a limit to each wait."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Self

from redis.exceptions import MovedError, NoScriptError, RedisClusterException, ResponseError

from ticker.store import clients
from ticker.store.clients import Clients
from ticker.store.errors import CLUSTER, Behind, LeaseLost, Refused

GREETING_TIMEOUT = 5.0


class Connected:
    """
    The common base of the store: a Redis, perhaps another one to read from, and a prefix.

    Every method raises one of UNAVAILABLE while Redis is away: each command within COMMAND_TIMEOUT, whatever
    it waits for.
    """

    def __init__(
        self, url: str, *, prefix: str, read_url: str = "", sentinels: Mapping[str, Any] | None = None
    ) -> None:
        """
        Without `read_url`, everything is read at `url`.

        `sentinels` are the `username` and the `password` of the Sentinels themselves. Raises Refused.
        """
        self._prefix = prefix
        self._writing = Clients(url, sentinels or {}, key="redis.url")
        self._reading = (
            Clients(read_url, sentinels or {}, key="redis.read_url") if read_url else self._writing
        )
        clusters = [each for each in (self._writing, self._reading) if each.where.kind == "cluster"]
        if clusters and not re.match(r"[^{]*\{[^}]+\}", prefix):
            words = "a Cluster needs a prefix with a name in braces, like {ticker}:"
            raise Refused("redis.prefix", words)

    async def greet(self) -> None:
        """
        Check that this is the intended Redis, and that it accepts the user.

        Raises Refused; or UNAVAILABLE's errors, if that can't be known yet.
        """
        for each in dict.fromkeys((self._writing, self._reading)):
            async with self._in_time(GREETING_TIMEOUT):
                await each.greet(self._key("leader"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._writing.aclose()
        if self._reading is not self._writing:
            await self._reading.aclose()

    def _key(self, name: str) -> str:
        return self._prefix + name

    @asynccontextmanager
    async def _in_time(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Limit the time of one command, and turn a Cluster's errors into those that callers expect."""
        try:
            async with asyncio.timeout(clients.COMMAND_TIMEOUT if seconds is None else seconds):
                yield
        except RedisClusterException as error:
            raise ConnectionError(str(error)) from None
        except MovedError:
            raise ConnectionError(CLUSTER) from None
        except Refused:
            raise
        except (AttributeError, TypeError, ValueError, LookupError) as error:
            raise ConnectionError(f"the server there is not a Redis: {error}") from None

    async def _run(
        self,
        script: str,
        keys: Sequence[str],
        args: Sequence[Any],
        *,
        client: clients.Client | None = None,
        seconds: float | None = None,
    ) -> Any:
        """
        Run one of the scripts on the keys of these names.

        Without `client`, the answer is text. Raises LeaseLost or Behind if the script says so.
        """
        told = [len(keys), *(self._key(name) for name in keys), *args]
        client = client or self._writing.commands
        try:
            async with self._in_time(seconds):
                try:
                    return await client.execute_command("EVALSHA", _sha1(script), *told)
                except NoScriptError:
                    return await client.execute_command("EVAL", script, *told)
        except ResponseError as error:
            text = str(error)
            if "LEASELOST" in text:
                raise LeaseLost(text) from None
            if "BEHIND" in text:
                raise Behind(text) from None
            raise


@cache
def _sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
