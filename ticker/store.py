"""
All of Redis: write, snapshot, follow, ledger, history, scripts, lease. Redis 6.2 or later, or Valkey.

One publication is one entry of the stream, written by one Lua script together with the latest quotes, the
history and the events of the ledger that it follows from: no reader ever sees one without the others.
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

from ticker import legacy, records, wire
from ticker.legacy import LegacyMemory
from ticker.rates.events import Entry
from ticker.rates.model import NOWHERE, Cursor, Fixing, Pair, Quote
from ticker.rates.source import Outcome
from ticker.records import Document

log = logging.getLogger(__name__)

COMMAND_TIMEOUT = 2.0
FOLLOW_BLOCK = 5.0
ORDERS_KEPT = 1000
"""Orders of operators, and their answers, that are kept as a record."""
ROWS_AT_ONCE = 50
"""Rows of a history or of the ledger that are parsed before the loop's other work gets a turn: some ms."""
ENTRIES_AT_ONCE = 1000
"""Entries of the ledger that one command reads: up to two megabytes."""
DOCUMENTS_AT_ONCE = 100
"""Documents that one command reads: up to one megabyte."""
SCRIPTS_KEPT = 20
"""Versions of the widget's script that pages may ask for by name: at 20 KB each, 400 KB."""
SCRIPT_DAYS = 3 * 366
"""How long one is kept after the last process started with it; a browser may keep its copy a year."""
UNAVAILABLE = (RedisError, OSError, TimeoutError)
"""What any call may raise while Redis is away; the caller decides when to come back."""


class LeaseLost(Exception):
    """Another process polls now, or the lease ran out: nothing was written."""


class Behind(Exception):
    """Redis has less than was already written (it was flushed or restored): write everything anew."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is written in one step, or not at all."""

    quotes: tuple[Quote, ...] = ()
    fixings: tuple[Fixing, ...] = ()
    """Rows of the history; each replaces its source's row of that day."""
    gone: tuple[Fixing, ...] = ()
    """Rows of the history to be deleted."""
    entries: tuple[Entry, ...] = ()
    """Events of the ledger, with rising numbers."""
    after: int = 0
    """The number of the last event that the caller knows to be written; 0 if it knows of none."""
    dropped: tuple[int, ...] = ()
    """The numbers of events to be deleted from the ledger."""
    documents: tuple[Document, ...] = ()
    """New documents, and known ones that were heard again."""
    forgotten: tuple[str, ...] = ()
    """The SHA-256 of documents to be deleted."""
    outcomes: tuple[Outcome, ...] = ()
    anew: bool = False
    """Whether the ledger and the documents are emptied first: set in the first part of a rewrite."""
    took_over: bool = False
    """Whether the ledger now has what an earlier version remembered, so that its memory is deleted."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest quotes, each with the cursor at which it changed, all as of one moment."""

    cursor: Cursor
    rows: tuple[tuple[Cursor, Quote], ...]


# A lease is held while it is there, and also after it ran out until another process takes one: Redis's clock
# may jump, and the process that polls may be stopped for a while. The fence tells, as every new lease and
# every release raises it.
_HOLDS = """
local function holds(leader, fence, lease)
  local said = redis.call('GET', leader)
  if said then return said == lease end
  return redis.call('GET', fence) == string.match(lease, '^%d+')
end
"""

# Checks everything first, then writes: neither MULTI nor Lua rolls back.
# KEYS: stream, latest, leader, fence, ledger, documents, documents:about, memory, then one history key for
# each symbol, then one key for each of `outcomes`. ARGV: the JSON object that Store.write builds, then the
# bytes of each of its `documents`. Returns the cursor of the last publication.
_WRITE = (
    _HOLDS
    + """
local order = cjson.decode(ARGV[1])
if not holds(KEYS[3], KEYS[4], order.lease) then
  return redis.error_reply('LEASELOST another poller holds the lease')
end
local function ending(key)
  local first, second, length = 0, 0, 0
  if redis.call('EXISTS', key) == 1 then
    local info = redis.call('XINFO', 'STREAM', key)
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        local one, other = string.match(info[i + 1], '^(%d+)-(%d+)$')
        first, second = tonumber(one), tonumber(other)
      elseif info[i] == 'length' then
        length = info[i + 1]
      end
    end
  end
  return first, second, length
end
local epoch, sequence, length = ending(KEYS[1])
local behind = epoch < order.seen[1] or (epoch == order.seen[1] and sequence < order.seen[2])
  or (length == 0 and order.seen[1] > 0)
if behind and order.mode == 'changes' then
  return redis.error_reply('BEHIND the stream ends at ' .. epoch .. '-' .. sequence)
end
local rewrite = order.anew and order.mode ~= 'changes'
local written, _, events = ending(KEYS[5])
if not rewrite and order.after > 0 and (written < order.after or events == 0) then
  return redis.error_reply('BEHIND the ledger ends at ' .. written .. ' and has ' .. events .. ' events')
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
local histories = #KEYS - #order.outcomes
if order.mode == 'reset' then
  for i = 9, histories do redis.call('DEL', KEYS[i]) end
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
local function forget(key, day, source, but)
  local prefix = source .. '|'
  for _, known in ipairs(redis.call('ZRANGEBYSCORE', key, day, day)) do
    if known ~= but and string.sub(known, 1, #prefix) == prefix then redis.call('ZREM', key, known) end
  end
end
local touched = {}
for _, row in ipairs(order.gone) do forget(KEYS[8 + row[1]], row[2], row[3], nil) end
for _, row in ipairs(order.fixings) do
  local key = KEYS[8 + row[1]]
  forget(key, row[2], row[3], row[4])
  redis.call('ZADD', key, row[2], row[4])
  touched[key] = true
end
for i = 9, histories do
  local newest = touched[KEYS[i]] and redis.call('ZREVRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2]
  if newest then redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. (newest - order.days)) end
end
if rewrite then
  redis.call('DEL', KEYS[5], KEYS[6], KEYS[7])
  written = 0
end
for _, row in ipairs(order.entries) do
  if row[1] > written then
    redis.call('XADD', KEYS[5], string.format('%.0f-0', row[1]), 'e', row[2])
  end
end
for _, number in ipairs(order.dropped) do redis.call('XDEL', KEYS[5], string.format('%.0f-0', number)) end
for i, row in ipairs(order.documents) do
  redis.call('HSETNX', KEYS[6], row[1], ARGV[1 + i])
  redis.call('HSET', KEYS[7], row[1], row[2])
end
for _, name in ipairs(order.forgotten) do
  redis.call('HDEL', KEYS[6], name)
  redis.call('HDEL', KEYS[7], name)
end
for i, outcome in ipairs(order.outcomes) do redis.call('SET', KEYS[histories + i], outcome) end
if order.took_over then redis.call('DEL', KEYS[8]) end
return string.format('%.0f-%.0f', epoch, sequence)
"""
)

# KEYS: leader, fence. ARGV: owner, milliseconds, now in ms, force. Returns the lease or nil.
# The fence only ever grows, also over a flush, as it is never below the clock. A lease that lasts longer than
# any could is of before Redis's clock was set back: whoever holds it renews it, or it runs out.
_ACQUIRE = """
local held = redis.call('GET', KEYS[1])
if held and ARGV[4] ~= '1' then
  if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return nil
end
local token = math.max(tonumber(ARGV[3]), tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
local lease = string.format('%.0f', token) .. ' ' .. ARGV[1]
redis.call('SET', KEYS[2], string.format('%.0f', token))
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
return lease
"""

# KEYS: leader, stream, fence. ARGV: lease, milliseconds. Returns the stream's last id ('' if it is gone).
_RENEW = (
    _HOLDS
    + """
if not holds(KEYS[1], KEYS[3], ARGV[1]) then
  return redis.error_reply('LEASELOST another poller holds the lease')
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return last[1] and last[1][1] or ''
"""
)

# KEYS: leader, fence. ARGV: lease.
_RELEASE = (
    _HOLDS
    + """
if not holds(KEYS[1], KEYS[2], ARGV[1]) then return end
redis.call('INCR', KEYS[2])
redis.call('DEL', KEYS[1])
"""
)

# KEYS: answers, orders. Returns the orders after the last one that was answered. In one step, as it is asked
# every two seconds.
_ORDERS = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return redis.call('XRANGE', KEYS[2], last[1] and '(' .. last[1][1] or '-', '+', 'COUNT', 100)
"""

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


class _Connected:
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
        texts = (_WRITE, _ACQUIRE, _RENEW, _RELEASE, _ORDERS, _KEEP_SCRIPT)
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
            async with asyncio.timeout(COMMAND_TIMEOUT):
                return await self._scripts[script](keys=[self._key(name) for name in keys], args=args)
        except ResponseError as error:
            text = str(error)
            if "LEASELOST" in text:
                raise LeaseLost(text) from None
            if "BEHIND" in text:
                raise Behind(text) from None
            raise


class _Leases(_Connected):
    """Who polls."""

    async def acquire(self, owner: str, *, seconds: int, now_ms: int, force: bool = False) -> str | None:
        """
        Take the poller's lease, if nobody has it (or by `force`); None if somebody has.

        The lease begins with a fencing token, a number that only grows.
        """
        args = [owner, seconds * 1000, now_ms, int(force)]
        lease: str | None = await self._run(_ACQUIRE, ["leader", "fence"], args)
        return lease

    async def led(self) -> bool:
        """Whether some process holds the lease."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            return bool(await self._commands.exists(self._key("leader")))

    async def renew(self, lease: str, *, seconds: int) -> Cursor:
        """Keep the lease; return the last cursor of the stream. Raises LeaseLost."""
        last = await self._run(_RENEW, ["leader", "stream", "fence"], [lease, seconds * 1000])
        return Cursor.parse(last) if last else NOWHERE

    async def release(self, lease: str) -> None:
        """Give the lease back, so that the next poller need not wait."""
        await self._run(_RELEASE, ["leader", "fence"], [lease])


class _Orders(_Connected):
    """What operators ask of the process that polls, and what came of it."""

    async def order(self, verb: str, subject: str, by: str) -> str:
        """Record an operator's decision for the process that polls; return the order's id."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            order: Any = await self._commands.xadd(
                self._key("orders"), {"verb": verb, "subject": subject, "by": by}, maxlen=ORDERS_KEPT
            )
        return str(order)

    async def orders(self) -> list[Order]:
        """The orders that nobody has answered yet, oldest first."""
        rows = await self._run(_ORDERS, ["answers", "orders"], [])
        told = ((entry, dict(zip(words[::2], words[1::2], strict=True))) for entry, words in rows)
        return [
            Order(entry, *(fields.get(name, "") for name in ("verb", "subject", "by")))
            for entry, fields in told
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


class _Scripts(_Connected):
    """The versions of the widget's script."""

    async def keep_script(self, fingerprint: str, script: str, *, now_ms: int) -> None:
        """Keep the widget's script that a process starts with, for pages that ask any process for it."""
        day_ms = 86_400_000
        args = [fingerprint, script, now_ms, SCRIPTS_KEPT, SCRIPT_DAYS * day_ms]
        await self._run(_KEEP_SCRIPT, ["scripts"], args)

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


class _Quotes(_Connected):
    """What every process reads: the quotes, the history, the outcomes of the sources."""

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
                if fixing := _fixing(key, member, symbol):
                    found.append(fixing)
                # Five years take a tenth of a second; the loop's other work must not wait for that.
                if not number % ROWS_AT_ONCE:
                    await asyncio.sleep(0)
        return found

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


class _Ledger(_Connected):
    """What a poller reads to continue after another one."""

    async def ledger(self) -> list[Entry]:
        """Every event, in order. Unreadable ones are left out."""
        found: list[Entry] = []
        key, after = self._key("ledger"), "-"
        while True:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                rows: Any = await self._commands.xrange(key, min=after, count=ENTRIES_AT_ONCE)
            if not rows:
                return found
            for number, (name, fields) in enumerate(rows):
                if entry := _entry(name, fields):
                    found.append(entry)
                if not number % ROWS_AT_ONCE:
                    await asyncio.sleep(0)
            after = f"({rows[-1][0]}"

    async def last_event(self) -> int:
        """The number of the last event that was written; 0 if none was."""
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                info: Any = await self._commands.xinfo_stream(self._key("ledger"))
        except ResponseError as error:
            if "no such key" in str(error):
                return 0
            raise
        return Cursor.parse(info["last-generated-id"]).epoch

    async def documents(self) -> dict[str, Document]:
        """Every document, by its SHA-256. Unreadable ones are left out."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            abouts: Any = await self._commands.hgetall(self._key("documents:about"))
        found: dict[str, Document] = {}
        names = sorted(abouts)
        for start in range(0, len(names), DOCUMENTS_AT_ONCE):
            some = names[start : start + DOCUMENTS_AT_ONCE]
            async with asyncio.timeout(COMMAND_TIMEOUT):
                bodies: Any = await self._bytes.hmget(self._key("documents"), some)
            read = (_document(name, body, abouts[name]) for name, body in zip(some, bodies, strict=True))
            found |= {document.sha256: document for document in read if document}
        return found

    async def legacy_memory(self) -> LegacyMemory | None:
        """What a poller of an earlier version remembered; None if there is nothing readable."""
        async with asyncio.timeout(COMMAND_TIMEOUT):
            text: Any = await self._commands.get(self._key("memory"))
        try:
            return legacy.decode_memory(text) if text else None
        except ValueError as error:
            log.error("redis: what an earlier version remembered is unreadable, left out: %s", error)
            return None


class Store(_Leases, _Orders, _Scripts, _Quotes, _Ledger):
    """Everything that the service reads and writes in Redis; `write` is the poller's one write."""

    def __init__(self, url: str, *, prefix: str, stream_length: int, history_days: int) -> None:
        super().__init__(url, prefix=prefix)
        self._length = stream_length
        self._days = history_days

    async def write(
        self,
        batch: Batch,
        *,
        lease: str,
        seen: Cursor,
        now_ms: int,
        mode: Literal["changes", "everything", "reset"] = "changes",
    ) -> Cursor:
        """
        Write a batch in one atomic step. Returns the last cursor of the stream.

        Idempotent: a quote that is the latest already is not published again, and an event that is in the
        ledger already is not added. So a call may be repeated after a cancellation or a time-out, when it is
        not known whether it was carried out. A repeated `reset` opens one more epoch, and readers get the
        same snapshot again.

        `mode`: `changes` adds to what is there. `everything` repairs a Redis that lost data, in a new epoch.
        `reset` deletes the quotes, and the history of the symbols that the batch names, and opens a new
        epoch. In the last two, `batch.anew` empties the ledger first; further parts come without it.

        Raises LeaseLost; or Behind if the stream has less than `seen`, the highest cursor that the caller
        knows, or the ledger less than `batch.after`. Then nothing was written.
        """
        named = {quote.symbol for quote in batch.quotes} | {
            each.symbol for each in (*batch.fixings, *batch.gone)
        }
        symbols = sorted(map(str, named))
        order = _order(batch, symbols) | {
            "lease": lease,
            "seen": [seen.epoch, seen.sequence],
            "now": now_ms,
            "mode": mode,
            "length": self._length,
            "days": self._days,
        }
        bodies = [document.body for document in batch.documents]
        keys = _written_keys(batch, symbols)
        return Cursor.parse(await self._run(_WRITE, keys, [json.dumps(order), *bodies]))


def _written_keys(batch: Batch, symbols: Sequence[str]) -> list[str]:
    return [
        *("stream", "latest", "leader", "fence", "ledger", "documents", "documents:about", "memory"),
        *(f"history:{symbol}" for symbol in symbols),
        *(f"source:{outcome.source}" for outcome in batch.outcomes),
    ]


def _order(batch: Batch, symbols: Sequence[str]) -> dict[str, Any]:
    """A batch for the script; a row of the history begins with the number of its symbol, from 1."""
    place = {symbol: number for number, symbol in enumerate(symbols, 1)}
    return {
        "quotes": [[str(quote.symbol), wire.encode_quote(quote)] for quote in batch.quotes],
        "fixings": [
            [place[str(each.symbol)], each.day.toordinal(), each.source, _member(each)]
            for each in batch.fixings
        ],
        "gone": [[place[str(each.symbol)], each.day.toordinal(), each.source] for each in batch.gone],
        "entries": [[entry.number, records.encode_event(entry.event)] for entry in batch.entries],
        "after": batch.after,
        "dropped": batch.dropped,
        "documents": [[each.sha256, records.encode_about(each)] for each in batch.documents],
        "forgotten": batch.forgotten,
        "outcomes": [outcome.model_dump_json() for outcome in batch.outcomes],
        "anew": batch.anew,
        "took_over": batch.took_over,
    }


def _member(fixing: Fixing) -> str:
    return f"{fixing.source}|{records.encode_fixing(fixing)}"


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


def _fixing(key: str, member: str, symbol: Pair) -> Fixing | None:
    source, _, text = member.partition("|")
    try:
        return records.decode_fixing(text, symbol=symbol, source=source)
    except ValueError as error:
        log.error("redis: a row of %s is unreadable, left out: %s", key, error)
        return None


def _entry(name: str, fields: Mapping[str, str]) -> Entry | None:
    try:
        return Entry(Cursor.parse(name).epoch, records.decode_event(fields.get("e", "")))
    except ValueError as error:
        log.error("redis: event %s of the ledger is unreadable, left out: %s", name, error)
        return None


def _document(name: str, body: bytes | None, about: str) -> Document | None:
    try:
        return records.decode_document(name, body or b"", about)
    except ValueError as error:
        log.error("redis: document %s is unreadable, left out: %s", name, error)
        return None
