"""The answers for operators: `/metrics`, `/health` and the like, and their separate address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from aiohttp import web
from pydantic import BaseModel

from ticker import __version__, answers, metrics, wire
from ticker.answers import (
    AliveAnswer,
    HealthAnswer,
    PollerHealth,
    PublicHealthAnswer,
    ReadyAnswer,
    SourceHealth,
)
from ticker.config import Settings
from ticker.edge.listening import PortBusy
from ticker.edge.stream import Broadcast
from ticker.health import HealthStatus, Writing, judge
from ticker.metrics import Count, Facts
from ticker.rates.source import Outcome
from ticker.store import UNAVAILABLE, Store, public

CLOSE_SECONDS = 0.5
LAG_SECONDS = 1.0
"""Seconds that a publication may take from Redis to the subscribers before it counts as lag."""


class Operators:
    """Answers how the service is doing."""

    def __init__(
        self, broadcast: Broadcast, store: Store, settings: Settings, enabled: frozenset[str]
    ) -> None:
        self._broadcast = broadcast
        self._store = store
        self._settings = settings
        self.enabled = enabled

    async def alive(self, request: web.Request) -> web.Response:
        """The process runs."""
        return json_answer(AliveAnswer(), cache="no-store")

    async def ready(self, request: web.Request) -> web.Response:
        """The process can serve: it has read the quotes from Redis, and it is not stopping."""
        fit = self._broadcast.loaded and not self._broadcast.leaving_soon
        answer = ReadyAnswer(status="pass" if fit else "fail")
        return json_answer(answer, status=200 if fit else 503, cache="no-store")

    async def health(self, request: web.Request) -> web.Response:
        """Every source, Redis and the quotes; 503 only when the quotes can't be trusted."""
        facts = await self._facts()
        status, reasons = self._judge(facts)
        return json_answer(
            HealthAnswer(
                status=status,
                version=__version__,
                label=self._settings.label or None,
                notes=reasons,
                cursor=str(self._broadcast.mirror.cursor),
                subscribers=self._broadcast.tally.total(Count.SUBSCRIBERS),
                redis=facts.redis_error or "pass",
                poller=_poller(facts),
                quotes={str(each.symbol): each.status for each in facts.quotes},
                due_at={str(each.symbol): moment(each.due_at) for each in facts.quotes},
                sources={
                    each.source: SourceHealth(
                        status=each.status, message=each.message(facts.now), as_of=each.as_of or None
                    )
                    for each in facts.outcomes
                },
            ),
            status=503 if status == "fail" else 200,
            cache="no-store",
            content_type="application/health+json",
        )

    async def public_health(self, request: web.Request) -> web.Response:
        """Only the status of the health check, for the public port if operators have a separate address."""
        status, _ = self._judge(await self._facts())
        return json_answer(
            PublicHealthAnswer(status=status),
            status=503 if status == "fail" else 200,
            cache="no-store",
            content_type="application/health+json",
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """The metrics for Prometheus: the counts of all processes, the sources and the quotes."""
        body = metrics.exposition(self._broadcast.tally, await self._facts())
        headers = {"Content-Type": metrics.CONTENT_TYPE, "Cache-Control": "no-store"}
        return web.Response(body=body, headers=headers)

    async def _facts(self) -> Facts:
        """The facts for the metrics. What Redis does not answer is missing."""
        outcomes: dict[str, Outcome] = {}
        lag, polling, redis_error = None, None, ""
        try:
            outcomes = await self._store.outcomes(sorted(self.enabled))
            polling = await self._store.polls()
            lag = await self._lag()
        except UNAVAILABLE as error:
            redis_error = public(error)
        mirror = self._broadcast.mirror
        return Facts(
            now=self._broadcast.clock(),
            symbols=mirror.symbols,
            quotes=tuple(wire.decode_quote(text) for text in mirror.since(None).items),
            outcomes=tuple(outcomes.values()),
            redis_error=redis_error,
            lag=lag,
            polling=polling,
        )

    async def _lag(self) -> int:
        """
        The number of publications that Redis had LAG_SECONDS ago and the mirror has not.

        If there are none, the answer is immediate.
        """
        newest, mirror = (await self._store.snapshot()).cursor, self._broadcast.mirror
        with suppress(TimeoutError):
            async with asyncio.timeout(LAG_SECONDS):
                while mirror.cursor < newest:  # noqa: ASYNC110 - the mirror moves several times a second
                    await asyncio.sleep(0.05)
        return metrics.lag(mirror.cursor, newest)

    def _judge(self, facts: Facts) -> tuple[HealthStatus, list[str]]:
        return judge(
            now=facts.now,
            redis_error=facts.redis_error,
            symbols=len(facts.symbols),
            quotes=facts.quotes,
            outcomes=facts.outcomes,
            lag=facts.lag or 0,
            writing=Writing(
                polling=facts.polling,
                lease_seconds=self._settings.redis.lease_seconds,
                trouble=self._broadcast.tally.board.trouble,
                tried_seconds=self._broadcast.tally.board.silent_seconds,
            ),
        )


def _poller(facts: Facts) -> PollerHealth | None:
    if facts.polling is None:
        return None
    coming = [each.due_at for each in facts.quotes if each.due_at and each.due_at > facts.now]
    return PollerHealth(
        owner=facts.polling.owner,
        since=wire.encode_time(facts.polling.since),
        wrote_at=wire.encode_time(facts.polling.wrote_at),
        next_due=moment(min(coming, default=None)),
    )


def moment(at: datetime | None) -> str | None:
    """A time as answers write it; None stays None."""
    return wire.encode_time(at) if at else None


def json_answer(
    answer: BaseModel, *, cache: str, status: int = 200, content_type: str = "application/json"
) -> web.Response:
    """A model as JSON."""
    headers = {"Cache-Control": cache}
    return web.Response(
        text=answers.encode(answer), status=status, content_type=content_type, headers=headers
    )


@asynccontextmanager
async def administering(application: web.Application, address: str) -> AsyncIterator[str]:
    """Answer operators on `HOST:PORT`; gives the address. Raises PortBusy."""
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            raise PortBusy(f"server.admin: {error.strerror or error}: choose another address") from None
        host, number = runner.addresses[0][:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{number}/"
    finally:
        await runner.cleanup()
