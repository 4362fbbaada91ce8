"""
All of Redis: publish, snapshot, follow, history, scripts, the poller's lease. Redis 6.2 or later, or Valkey.

One publication is one entry of the stream, written by one Lua script together with the latest
quotes and the history, so that no reader ever sees one without the other.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Self

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff, NoBackoff
from redis.exceptions import RedisError, ResponseError

from ticker import wire
from ticker.board import Memory
from ticker.model import NOWHERE, Cursor, Fixing, Pair, Quote
from ticker.source import Outcome

log = logging.getLogger(__name__)

COMMAND_TIMEOUT = 2.0
FOLLOW_BLOCK = 5.0
ORDERS_KEPT = 1000
"""Orders of operators, and their answers, that are kept as a record."""
ROWS_AT_ONCE = 50
"""Rows of a history that are read before the loop's other work gets its turn: some milliseconds."""
SCRIPTS_KEPT = 20
"""Versions of the widget's script that pages may ask for by name: at 20 KB each, 400 KB."""
SCRIPT_DAYS = 3 * 366
"""How long one is kept after the last process started with it; a browser may keep its copy a year."""
UNAVAILABLE = (RedisError, OSError, TimeoutError)
"""What any call may raise while Redis is away; the caller decides when to come back."""


class LeaseLost(Exception):
    """Another process polls now, or the lease ran out: what was to be written was not."""


class Behind(Exception):
    """Redis has less than was already published (it was flushed or restored): publish all anew."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One entry of the stream: the quotes that changed together."""

    cursor: Cursor
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator decided: `confirm` or `hold` a symbol, or `backfill` so many days."""

    id: str
    """The order's place among all; its time in ms is the first part."""
    verb: str
    subject: str
    by: str
    """`user@host`, for the record."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an order."""

    text: str
    done: bool
    """Whether it was carried out."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest quotes, each with the cursor at which it changed, all as of one moment."""

    cursor: Cursor
    rows: tuple[tuple[Cursor, Quote], ...]


# Checks everything first, then writes: neither MULTI nor Lua rolls back.
# KEYS: stream, latest, leader, then one history key for each item of `histories`.
# ARGV[1]: the JSON object that Store.publish builds. Returns the cursor of the last publication.
_PUBLISH = """
local order = cjson.decode(ARGV[1])
if redis.call('GET', KEYS[3]) ~= order.lease then
  return redis.error_reply('LEASELOST another poller holds the lease')
end
local epoch, sequence, length = 0, 0, 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      local e, s = string.match(info[i + 1], '^(%d+)-(%d+)$')
      epoch, sequence = tonumber(e), tonumber(s)
    elseif info[i] == 'length' then
      length = info[i + 1]
    end
  end
end
local behind = epoch < order.seen[1] or (epoch == order.seen[1] and sequence < order.seen[2])
  or (length == 0 and order.seen[1] > 0)
if behind and order.mode == 'changes' then
  return redis.error_reply('BEHIND the stream ends at ' .. epoch .. '-' .. sequence)
end
local anew = behind or order.mode == 'reset' or length == 0
local texts, symbols = {}, {}
for _, row in ipairs(order.quotes) do
  local known = redis.call('HGET', KEYS[2], row[1])
  local said = known and string.match(known, '^%S+ (.*)$')
  if anew or said ~= row[2] then
    texts[#texts + 1] = row[2]
    symbols[#symbols + 1] = row[1]
  end
end
if order.mode == 'reset' then
  for i = 4, #KEYS do redis.call('DEL', KEYS[i]) end
  redis.call('DEL', KEYS[2])
end
if #texts > 0 then
  if anew then
    epoch = math.max(order.now, order.seen[1] + 1, epoch + 1)
    sequence = 0
  end
  sequence = sequence + 1
  local id = string.format('%.0f-%.0f', epoch, sequence)
  local list = '[' .. table.concat(texts, ',') .. ']'
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', order.length, id, 'quotes', list)
  for i, symbol in ipairs(symbols) do
    redis.call('HSET', KEYS[2], symbol, id .. ' ' .. texts[i])
  end
end
for _, row in ipairs(order.fixings) do
  local key, day, member = KEYS[3 + row[1]], row[2], row[4]
  local prefix = row[3] .. '|'
  for _, known in ipairs(redis.call('ZRANGEBYSCORE', key, day, day)) do
    if known ~= member and string.sub(known, 1, #prefix) == prefix then
      redis.call('ZREM', key, known)
    end
  end
  redis.call('ZADD', key, day, member)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. (day - order.days))
end
return string.format('%.0f-%.0f', epoch, sequence)
"""

# KEYS: leader, fence. ARGV: owner, milliseconds, now in ms, force. Returns the lease or nil.
# The fence only ever grows, also over a flush, as it is never below the clock.
_ACQUIRE = """
local held = redis.call('GET', KEYS[1])
if held and ARGV[4] ~= '1' then return nil end
local token = math.max(tonumber(ARGV[3]), tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
local lease = string.format('%.0f', token) .. ' ' .. ARGV[1]
redis.call('SET', KEYS[2], string.format('%.0f', token))
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
return lease
"""

# KEYS: leader, stream. ARGV: lease, milliseconds. Returns the stream's last id ('' if it is gone).
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('LEASELOST another poller holds the lease')
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return last[1] and last[1][1] or ''
"""

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"

# KEYS: scripts. ARGV: fingerprint, script, now in ms, how many are kept, for how many ms.
# A field is `<ms of the last start> <script>`; the newest are kept, and this one in any case.
_KEEP_SCRIPT = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. ' ' .. ARGV[2])
local others = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if name ~= ARGV[1] then
    local said = tonumber(string.match(redis.call('HGET', KEYS[1], name), '^(%d+) ')) or 0
    others[#others + 1] = {name, said}
  end
end
table.sort(others, function(one, other)
  if one[2] ~= other[2] then return one[2] > other[2] end
  return one[1] > other[1]
end)
for place, each in ipairs(others) do
  if place >= tonumber(ARGV[4]) or each[2] < tonumber(ARGV[3]) - tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], each[1])
  end
end
"""


class Store:
    """
    One Redis by its URL: `unix://`, `redis://` or, over TLS, `rediss://`.

    Two clients: one for commands; one that follows the stream, whose blocking read the default client
    would retry silently for a minute (seen with redis-py 8.1). Every method raises one of UNAVAILABLE
    while Redis is away: each command within COMMAND_TIMEOUT, whatever it waits for.
    """

    def __init__(self, url: str, *, prefix: str, stream_length: int, history_days: int) -> None:
        self._prefix = prefix
        self._length = stream_length
        self._days = history_days
        self._commands = _client(url, Retry(FullJitterBackoff(cap=0.2, base=0.02), 1))
        self._follower = _client(url, Retry(NoBackoff(), 0))
        self._publish = self._commands.register_script(_PUBLISH)
        self._acquire = self._commands.register_script(_ACQUIRE)
        self._renew = self._commands.register_script(_RENEW)
        self._release = self._commands.register_script(_RELEASE)
        self._keep_script = self._commands.register_script(_KEEP_SCRIPT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._commands.aclose()
        await self._follower.aclose()

    def _key(self, name: str) -> str:
        return self._prefix + name

    async def ping(self) -> None:
        """Answer if Redis does."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            await self._commands.ping()

    async def publish(
        self,
        quotes: Sequence[Quote],
        fixings: Iterable[Fixing] = (),
        *,
        lease: str,
        seen: Cursor,
        now_ms: int,
        mode: Literal["changes", "everything", "reset"] = "changes",
    ) -> Cursor:
        """
        Publish in one atomic step: stream, latest quotes and history. Returns the last cursor.

        Idempotent: a quote that is the latest already is not published again, so that a call may be
        repeated after a cancellation or a time-out, when nobody knows whether it was carried out. (A
        repeated `reset` opens one more epoch, and readers get the same snapshot once more.)
        `mode`: `changes` are a part of the quotes; `everything` repairs a Redis that lost data, in a
        new epoch; `reset` forgets all and opens a new epoch. Raises LeaseLost, or Behind if there is
        less in Redis than `seen`, the highest cursor that the caller knows.
        """
        fixings = tuple(fixings)
        symbols = sorted({str(fixing.symbol) for fixing in fixings} | {str(quote.symbol) for quote in quotes})
        order = {
            "lease": lease,
            "seen": [seen.epoch, seen.sequence],
            "now": now_ms,
            "mode": mode,
            "length": self._length,
            "days": self._days,
            "quotes": [[str(quote.symbol), wire.encode_quote(quote)] for quote in quotes],
            "fixings": [
                [
                    symbols.index(str(fixing.symbol)) + 1,
                    fixing.day.toordinal(),
                    fixing.source,
                    f"{fixing.source}|{wire.encode_fixing(fixing)}",
                ]
                for fixing in fixings
            ],
        }
        keys = [self._key(name) for name in ("stream", "latest", "leader")]
        keys += [self._key(f"history:{symbol}") for symbol in symbols]
        return Cursor.parse(await _run(self._publish, keys, [json.dumps(order)]))

    async def snapshot(self) -> Snapshot:
        """The latest quotes and the last cursor, read in one transaction. Unreadable rows are left out."""
        async with asyncio.timeout(COMMAND_TIMEOUT), self._commands.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(self._key("latest"))
            pipeline.xrevrange(self._key("stream"), count=1)
            latest, last = await pipeline.execute()
        cursor = Cursor.parse(last[0][0]) if last else NOWHERE
        rows = (_row(symbol, text) for symbol, text in latest.items())
        return Snapshot(cursor, tuple(row for row in rows if row and row[0] <= cursor))

    async def follow(self, position: Cursor) -> AsyncGenerator[Publication, None]:
        """
        Every publication after `position`, as it comes, without end. Raises UNAVAILABLE's errors.

        The position is always explicit: `$` would lose what is published between two reads.
        """
        while True:
            async with asyncio.timeout(FOLLOW_BLOCK + 2):
                answer: Any = await self._follower.xread(
                    {self._key("stream"): str(position)}, count=100, block=int(FOLLOW_BLOCK * 1000)
                )
            for entry, fields in (answer or {}).get(self._key("stream"), ()):
                position = Cursor.parse(entry)
                yield Publication(position, _quotes(entry, fields))

    async def fixings(
        self,
        symbols: Iterable[Pair],
        *,
        since: date = date.min,
        until: date = date.max,
        source: str | None = None,
    ) -> list[Fixing]:
        """
        What every source (or one) said of each symbol, by day, from `since` to `until`, both included.

        Unreadable rows are left out.
        """
        found: list[Fixing] = []
        for symbol in symbols:
            key = self._key(f"history:{symbol}")
            async with asyncio.timeout(COMMAND_TIMEOUT):
                members: Any = await self._commands.zrange(
                    key, since.toordinal(), until.toordinal(), byscore=True
                )
            if source is not None:
                members = [member for member in members if member.startswith(f"{source}|")]
            for number, member in enumerate(members):
                if fixing := _fixing(key, member):
                    found.append(fixing)
                # Five years take a tenth of a second, which nobody else shall wait.
                if not number % ROWS_AT_ONCE:
                    await asyncio.sleep(0)
        return found

    async def forget(self, fixings: Iterable[Fixing]) -> None:
        """Take fixings that were given up out of the history."""
        for fixing in fixings:
            member = f"{fixing.source}|{wire.encode_fixing(fixing)}"
            async with asyncio.timeout(COMMAND_TIMEOUT):
                await self._commands.zrem(self._key(f"history:{fixing.symbol}"), member)

    async def remember(self, memory: Memory) -> None:
        """Keep what the board knows beside fixings and quotes."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            await self._commands.set(self._key("memory"), wire.encode_memory(memory))

    async def memory(self) -> Memory | None:
        """What the board of an earlier process knew; None if nothing readable is kept."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            text: Any = await self._commands.get(self._key("memory"))
        try:
            return wire.decode_memory(text) if text else None
        except ValueError as error:
            log.error("redis: what the board knew is unreadable, left out: %s", error)
            return None

    async def order(self, verb: str, subject: str, by: str) -> str:
        """Record an operator's decision for the process that polls; return the order's id."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            order: Any = await self._commands.xadd(
                self._key("orders"), {"verb": verb, "subject": subject, "by": by}, maxlen=ORDERS_KEPT
            )
        return str(order)

    async def orders(self) -> list[Order]:
        """The orders that nobody has answered yet, oldest first."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            last: Any = await self._commands.xrevrange(self._key("answers"), count=1)
            after = f"({last[0][0]}" if last else "-"
            rows: Any = await self._commands.xrange(self._key("orders"), min=after, count=100)
        return [
            Order(entry, *(fields.get(name, "") for name in ("verb", "subject", "by")))
            for entry, fields in rows
        ]

    async def answer(self, order: Order, done: Done) -> None:
        """Record what came of an order. To answer it once more changes nothing."""
        fields: dict[Any, Any] = {"text": done.text, "done": int(done.done)}
        async with asyncio.timeout(COMMAND_TIMEOUT):
            with suppress(ResponseError):  # the id is not above the last one
                await self._commands.xadd(self._key("answers"), fields, id=order.id, maxlen=ORDERS_KEPT)

    async def answered(self, order: str) -> Done | None:
        """What came of an order; None while nobody has answered it."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            rows: Any = await self._commands.xrange(self._key("answers"), min=order, max=order)
        return Done(rows[0][1].get("text", ""), rows[0][1].get("done") == "1") if rows else None

    async def keep_script(self, fingerprint: str, script: str, *, now_ms: int) -> None:
        """Keep the widget's script that a process starts with, for pages that ask any process for it."""
        day_ms = 86_400_000
        args = [fingerprint, script, now_ms, SCRIPTS_KEPT, SCRIPT_DAYS * day_ms]
        await _run(self._keep_script, [self._key("scripts")], args)

    async def scripts(self) -> frozenset[str]:
        """The fingerprints of the scripts that are kept."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            names: Any = await self._commands.hkeys(self._key("scripts"))
        return frozenset(names)

    async def script(self, fingerprint: str) -> str | None:
        """The script that was kept under this fingerprint; None if none is."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            text: Any = await self._commands.hget(self._key("scripts"), fingerprint)
        return str(text).partition(" ")[2] if text else None

    async def acquire(self, owner: str, *, seconds: int, now_ms: int, force: bool = False) -> str | None:
        """
        Take the poller's lease, if nobody has it (or by `force`); None if somebody has.

        The lease begins with a fencing token, a number that only grows.
        """
        keys = [self._key("leader"), self._key("fence")]
        lease: str | None = await _run(self._acquire, keys, [owner, seconds * 1000, now_ms, int(force)])
        return lease

    async def led(self) -> bool:
        """Whether some process holds the lease."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            return bool(await self._commands.exists(self._key("leader")))

    async def renew(self, lease: str, *, seconds: int) -> Cursor:
        """Keep the lease; return the last cursor of the stream. Raises LeaseLost."""
        last = await _run(self._renew, [self._key("leader"), self._key("stream")], [lease, seconds * 1000])
        return Cursor.parse(last) if last else NOWHERE

    async def release(self, lease: str) -> None:
        """Give the lease back, so that the next poller need not wait."""
        await _run(self._release, [self._key("leader")], [lease])

    async def record(self, outcome: Outcome) -> None:
        """Keep how a source's last poll went."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            await self._commands.set(self._key(f"source:{outcome.source}"), outcome.model_dump_json())

    async def outcomes(self, sources: Sequence[str]) -> dict[str, Outcome]:
        """How each source's last poll went, where that is known."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            texts = await self._commands.mget([self._key(f"source:{source}") for source in sources])
        found = {}
        for source, text in zip(sources, texts, strict=True):
            try:
                found[source] = Outcome.model_validate_json(text) if text else Outcome(source=source)
            except ValidationError:
                found[source] = Outcome(source=source)
        return found


def _client(url: str, retry: Retry) -> Redis:
    """
    A client that never gives up by itself: every call of it stands under a timeout() of ours.

    With a `socket_timeout` it sends by wait_for(), which swallows a cancellation that comes just when
    the bytes have gone (before Python 3.12; seen 2026-11-24): a follower then lives for ever.
    """
    return Redis.from_url(
        url,
        protocol=3,
        legacy_responses=False,
        decode_responses=True,
        socket_timeout=None,
        socket_connect_timeout=COMMAND_TIMEOUT,
        retry=retry,
    )


async def _run(script: Any, keys: Sequence[str], args: Sequence[Any]) -> Any:
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT):
            return await script(keys=keys, args=args)
    except ResponseError as error:
        text = str(error)
        if "LEASELOST" in text:
            raise LeaseLost(text) from None
        if "BEHIND" in text:
            raise Behind(text) from None
        raise


# The append-only file has no checksum: what is read back is validated.


def _row(symbol: str, text: str) -> tuple[Cursor, Quote] | None:
    cursor, _, quote = text.partition(" ")
    try:
        return Cursor.parse(cursor), wire.decode_quote(quote)
    except ValueError as error:
        log.error("redis: the latest quote of %s is unreadable, left out: %s", symbol, error)
        return None


def _quotes(entry: str, fields: Mapping[str, str]) -> tuple[Quote, ...]:
    try:
        return wire.decode_quotes(fields.get("quotes", ""))
    except ValueError as error:
        log.error("redis: entry %s of the stream is unreadable, left out: %s", entry, error)
        return ()


def _fixing(key: str, member: str) -> Fixing | None:
    try:
        return wire.decode_fixing(member.partition("|")[2])
    except ValueError as error:
        log.error("redis: a row of %s is unreadable, left out: %s", key, error)
        return None
