"""Operators' orders: read from Redis, carried out by the process that polls, and answered in Redis."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ticker.config import Settings
from ticker.poll.current import CurrentDesk
from ticker.poll.feed import Feed
from ticker.poll.outbox import Outbox
from ticker.poll.schedule import Schedule
from ticker.rates.model import Pair, both_ways
from ticker.store import Done, Order, Store

log = logging.getLogger(__name__)

REMEMBERED = 1000
"""The number of orders whose answers a process remembers."""
_NOTHING = {"confirm": "nothing is unconfirmed", "hold": "there is no quote to keep"}


class Orders:
    """Carries out the orders of operators."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        current: CurrentDesk,
        outbox: Outbox,
        feeds: Sequence[Feed],
    ) -> None:
        self._store = store
        self._settings = settings
        self._current = current
        self._outbox = outbox
        self._feeds = feeds
        self._desk = current.desk
        self._done: dict[str, Done] = {}
        """The answers to the last orders that were carried out on `_desk`: Redis may lose an answer."""

    async def obey(self, schedule: Schedule | None) -> None:
        """Carry out the orders that have no answer, oldest first. Raises UNAVAILABLE's errors."""
        for order in await self._store.orders():
            self._outbox.answer(order.id, self._carried_out(order, schedule))
            await self._outbox.write()

    def _carried_out(self, order: Order, schedule: Schedule | None) -> Done:
        """The answer to an order. It is carried out once per desk, however often it is read."""
        if self._desk is not self._current.desk:
            # What was done on the earlier desk is not on this one, which came from another process's ledger.
            self._desk, self._done = self._current.desk, {}
        if order.id not in self._done:
            self._done[order.id] = done = self._carry_out(order, schedule)
            if len(self._done) > REMEMBERED:
                del self._done[next(iter(self._done))]
            log.info("%s: %s %s: %s", order.by, order.verb, order.subject, done.text)
        return self._done[order.id]

    def _carry_out(self, order: Order, schedule: Schedule | None) -> Done:
        """Carry out an order, or say why not."""
        try:
            if order.verb == "backfill":
                return self._fill_all(int(order.subject), schedule)
            if order.verb not in _NOTHING:
                raise ValueError(repr(order.verb))
            asked = Pair.parse(order.subject)
        except ValueError as error:
            return Done(f"not understood: {error}", done=False)
        symbol = both_ways(self._settings.symbols).get(asked)
        if symbol is None:
            return Done(f"{asked} is not served here", done=False)
        try:
            return self._decide(order.verb, symbol)
        except Exception as error:  # answered all the same, or it would fail again at every start
            log.exception("%s %s failed after an internal error: %s", order.verb, order.subject, error)  # noqa: TRY401
            return Done(f"failed after an internal error: {error}", done=False)

    def _decide(self, verb: str, symbol: Pair) -> Done:
        desk = self._current.desk
        decide = desk.confirm if verb == "confirm" else desk.hold
        quotes, what = decide(symbol, now=self._current.now())
        self._current.say(desk, quotes)
        for feed in self._feeds:
            feed.note_state(desk)
        return Done(f"{symbol}: {what or _NOTHING[verb]}", done=bool(what))

    def _fill_all(self, days: int, schedule: Schedule | None) -> Done:
        feeds = [feed for feed in self._feeds if feed.history.is_there(self._current.desk)]
        most = self._settings.history.days
        if not feeds:
            return Done("no enabled source has an archive", done=False)
        if schedule is None or not 0 < days <= most:
            return Done(f"{days} days are out of range: write 1 to {most} (history.days)", done=False)
        for feed in feeds:
            feed.history.order(days)
            schedule.fill_soon(feed, days)
        keys = ", ".join(feed.source.key for feed in feeds)
        return Done(f"asks {keys} for {days} days; /v1/sources shows the progress", done=True)
