"""`/v1/sources`: every source with its terms and the result of its last poll."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from aiohttp import web

from ticker.answers import SourceAnswer, SourcesAnswer
from ticker.edge.admin import json_answer, moment
from ticker.edge.problems import parameters
from ticker.edge.stream import Broadcast
from ticker.rates.source import Outcome, Source
from ticker.store import UNAVAILABLE, Store


class Listing:
    """Every known source, also the disabled ones."""

    def __init__(
        self,
        broadcast: Broadcast,
        store: Store,
        sources: dict[str, Source],
        enabled: frozenset[str],
        *,
        label: str,
    ) -> None:
        """`label` is the prefix of all names, such as `demo`."""
        self._broadcast = broadcast
        self._store = store
        self._sources = sources
        self.enabled = enabled
        self._label = label
        self._outcomes: dict[str, Outcome] = {}

    async def answer(self, request: web.Request) -> web.Response:
        """The answer with all sources."""
        parameters(request, "/v1/sources")
        # While Redis is away, its last answer is better than none.
        with suppress(*UNAVAILABLE):
            self._outcomes = await self._store.outcomes(list(self._sources))
        now = self._broadcast.clock()
        rows = [self._row(source, now) for source in self._sources.values()]
        return json_answer(
            SourcesAnswer(label=self._label.removesuffix(":") or None, sources=rows), cache="no-cache"
        )

    def _row(self, source: Source, now: datetime) -> SourceAnswer:
        known = self._outcomes.get(source.key) or Outcome(source=source.key)
        enabled = source.key in self.enabled
        return SourceAnswer(
            key=source.key,
            name=self._label + source.name,
            short=self._label + source.short,
            site=source.site,
            site_required=source.site_required,
            kind=source.kind,
            authority_for=source.authority_for,
            timezone=source.timezone,
            due_by=f"{source.calendar.due_by:%H:%M}",
            grace_seconds=int(source.calendar.grace.total_seconds()),
            status=known.status if enabled else "disabled",
            message=known.message(now) if enabled else "",
            as_of=known.as_of or None,
            missed=known.missed,
            repeats=known.repeats,
            held=list(known.held),
            history=known.history,
            gaps=known.gaps,
            checked_at=moment(known.checked_at),
            succeeded_at=moment(known.succeeded_at),
            next_poll_at=moment(known.next_poll_at) if enabled else None,
            failures=known.failures,
            latency_ms=known.latency_ms,
            attribution=source.attribution,
            terms=source.terms,
            coverage=source.coverage,
        )
