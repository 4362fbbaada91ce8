"""
What a service counts: one row of numbers for each of its processes, in memory that all of them share;
and the text in which Prometheus reads that and what else is known.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, auto
from typing import Literal, Self, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from ticker import __version__, board
from ticker.board import Board, Polling
from ticker.rates.model import Cursor, Pair, Quote, Status
from ticker.rates.source import Outcome

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Count(IntEnum):
    """The place of a number in its row. Gauges say what is now, the others only grow."""

    SUBSCRIBERS = 0
    """Gauge: subscribers of the stream, by WebSocket or Server-Sent Events."""
    BLOCKED = auto()
    """Gauge: subscribers that read too slowly at this moment."""
    CONNECTIONS = auto()
    """Gauge: open connections in all."""
    ACCEPTED = auto()
    """Connections that were accepted."""
    JOINED = auto()
    """Subscribers that were taken in."""
    REFUSED_FULL = auto()
    """Turned away: too many subscribers or connections in all."""
    REFUSED_ADDRESS = auto()
    """Turned away: too many subscribers from one address."""
    REFUSED_RATE = auto()
    """Turned away: too many new connections a second, or under way."""
    REFUSED_ORIGIN = auto()
    """Turned away: a script of a site that may not read here."""
    BAD_HEADS = auto()
    """Connections ended because their request was too long, too slow or none."""
    DELIVERIES = auto()
    """Frames with quotes that were written to a subscriber."""
    CONFLATED = auto()
    """Frames that caught a slow reader up."""
    MESSAGES = auto()
    """Frames that subscribers sent, their pongs not counted."""
    CLOSED_SLOW = auto()
    """Subscribers ended because they did not read."""
    CLOSED_SILENT = auto()
    """Subscribers ended because they answered no ping."""
    CLOSED_BAD = auto()
    """Subscribers ended because of what they sent."""
    PUBLICATIONS = auto()
    """Publications that were brought to the subscribers."""
    STARTS = auto()
    """Starts of this process, the first one counted."""
    SERVING = auto()
    """Gauge: 1 while this process serves."""
    LOOP_LAG = auto()
    """Gauge: microseconds by which this process woke up late to serve, at most, in the last minute."""


GAUGES = frozenset({Count.SUBSCRIBERS, Count.BLOCKED, Count.CONNECTIONS, Count.SERVING, Count.LOOP_LAG})
_ROW = 8 * len(Count)


class Tally:
    """
    One process's row, and the sums over all rows.

    Each row has one writer, so nothing is locked. A process that takes a dead one's row over goes on
    counting where it ended: a sum never falls.
    """

    def __init__(self, memory: mmap.mmap, row: int, rows: int) -> None:
        whole = memoryview(memory)
        self.board = Board(whole[-board.SIZE :])
        """What the polling process can't do, if one of those that share this memory polls."""
        self._all = whole[: -board.SIZE].cast("Q")
        self._rows = rows
        start = row * len(Count)
        self._own = self._all[start : start + len(Count)]
        self.lost(row)

    @classmethod
    def alone(cls) -> Self:
        """For a process that shares with nobody."""
        return cls(mmap.mmap(-1, _bytes(0)), 0, 1)

    @classmethod
    def shared(cls, descriptor: int, row: int, rows: int) -> Self:
        """
        A row of the memory that `shared_memory(rows)` made.

        The row `rows`, one past the last, is for who only reads: it is in no sum.
        """
        return cls(mmap.mmap(descriptor, _bytes(rows)), row, rows)

    def add(self, count: Count, amount: int = 1) -> None:
        """Count up."""
        self._own[count] += amount

    def set(self, count: Count, value: int) -> None:
        """Say what is now."""
        self._own[count] = value

    def total(self, count: Count) -> int:
        """The sum over all processes."""
        return sum(self._each(count))

    def most(self, count: Count) -> int:
        """The highest of all processes."""
        return max(self._each(count))

    def _each(self, count: Count) -> list[int]:
        return self._all[count : self._rows * len(Count) : len(Count)].tolist()

    def lost(self, row: int) -> None:
        """The process of a row is gone: nothing that is now is there any more."""
        for gauge in GAUGES:
            self._all[row * len(Count) + gauge] = 0


def _bytes(rows: int) -> int:
    return (rows + 1) * _ROW + board.SIZE


def shared_memory(rows: int) -> int:
    """A descriptor of memory for so many rows, which processes that inherit it share. It has no name."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("ticker-metrics")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _bytes(rows))
    return descriptor


# For Prometheus.


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What one name of `/metrics` means; ticker/docs/operating.md shows them all."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    counts: Mapping[str, Count] = field(default_factory=dict)
    """The counts that it shows, by the value of its one label (empty: it has none); none: see `_facts`."""
    seconds: bool = False
    """Whether it shows the highest of all processes in seconds, not their sum."""

    @property
    def kind(self) -> Literal["counter", "gauge"]:
        return "counter" if self.name.endswith("_total") else "gauge"


METRICS = (
    Metric(
        name="ticker_subscribers",
        help="Current subscribers of the stream, by WebSocket or Server-Sent Events.",
        counts={"": Count.SUBSCRIBERS},
    ),
    Metric(
        name="ticker_subscribers_blocked",
        help="Current subscribers that read too slowly.",
        counts={"": Count.BLOCKED},
    ),
    Metric(
        name="ticker_connections",
        help="Current open connections, including subscribers.",
        counts={"": Count.CONNECTIONS},
    ),
    Metric(
        name="ticker_connections_accepted_total",
        help="Accepted connections.",
        counts={"": Count.ACCEPTED},
    ),
    Metric(
        name="ticker_subscribers_joined_total",
        help="Accepted subscribers.",
        counts={"": Count.JOINED},
    ),
    Metric(
        name="ticker_refused_total",
        help="Refused clients. full: the server is full; address: too many from one address; "
        "rate: too many at once; origin: a site that is not allowed.",
        labels=("reason",),
        counts={
            "full": Count.REFUSED_FULL,
            "address": Count.REFUSED_ADDRESS,
            "rate": Count.REFUSED_RATE,
            "origin": Count.REFUSED_ORIGIN,
        },
    ),
    Metric(
        name="ticker_bad_requests_total",
        help="Connections closed because their first request was too long, too slow or missing.",
        counts={"": Count.BAD_HEADS},
    ),
    Metric(
        name="ticker_deliveries_total",
        help="Publications written to subscribers. Each subscriber counts.",
        counts={"": Count.DELIVERIES},
    ),
    Metric(
        name="ticker_conflations_total",
        help="Frames that gave a slow reader only the newest quotes.",
        counts={"": Count.CONFLATED},
    ),
    Metric(
        name="ticker_messages_total",
        help="Frames that subscribers sent, without pongs.",
        counts={"": Count.MESSAGES},
    ),
    Metric(
        name="ticker_closed_total",
        help="Disconnected subscribers. slow: did not read; silent: answered no ping; "
        "bad: broke the protocol.",
        labels=("reason",),
        counts={"slow": Count.CLOSED_SLOW, "silent": Count.CLOSED_SILENT, "bad": Count.CLOSED_BAD},
    ),
    Metric(
        name="ticker_publications_total",
        help="Publications that a process sent to its subscribers. Each process counts.",
        counts={"": Count.PUBLICATIONS},
    ),
    Metric(
        name="ticker_workers",
        help="Processes that currently serve subscribers. Normally server.workers.",
        counts={"": Count.SERVING},
    ),
    Metric(
        name="ticker_worker_starts_total",
        help="Starts of these processes. More than server.workers if one died.",
        counts={"": Count.STARTS},
    ),
    Metric(name="ticker_redis_up", help="1 if the Redis that this process reads answers, otherwise 0."),
    Metric(
        name="ticker_last_write_timestamp_seconds",
        help="Time of the polling process's last write to Redis, by Redis's clock, in seconds since 1970.",
    ),
    Metric(
        name="ticker_last_write_age_seconds",
        help="Seconds since that write. More than 2 x redis.lease_seconds: nothing polls or can write. "
        "Missing while Redis is away.",
    ),
    Metric(name="ticker_build_info", help="1 for the running version.", labels=("version",)),
    Metric(
        name="ticker_loop_lag_seconds",
        help="Longest delay of a process's event loop in the last minute. 0 without subscribers.",
        counts={"": Count.LOOP_LAG},
        seconds=True,
    ),
    Metric(
        name="ticker_stream_lag_publications",
        help="Publications that Redis had a second ago and that the queried process has not sent yet.",
    ),
    Metric(
        name="ticker_source_up",
        help="1 if the last poll of the source succeeded, 0 if it failed. Missing before the first poll.",
        labels=("source",),
    ),
    Metric(name="ticker_source_failures", help="Failed polls of the source in a row.", labels=("source",)),
    Metric(
        name="ticker_source_last_success_timestamp_seconds",
        help="Time of the source's last complete table, in seconds since 1970.",
        labels=("source",),
    ),
    Metric(
        name="ticker_source_latency_seconds",
        help="Duration of the source's last successful poll.",
        labels=("source",),
    ),
    Metric(
        name="ticker_quote_status",
        help="1 for the current status of the symbol's quote, 0 for the others. All are 0 without a quote.",
        labels=("symbol", "status"),
    ),
    Metric(
        name="ticker_quote_age_seconds",
        help="Seconds since this service last published a new quote of the symbol.",
        labels=("symbol",),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known beside the counts."""

    now: datetime
    symbols: tuple[Pair, ...]
    quotes: tuple[Quote, ...]
    outcomes: tuple[Outcome, ...]
    """Of the sources that are asked; none while Redis is away."""
    redis_error: str
    lag: int | None
    """Publications that Redis has and this process has not brought; None while Redis is away."""
    polling: Polling | None
    """Who polls, or polled last; None while Redis does not say."""


def exposition(tally: Tally, facts: Facts) -> bytes:
    """Everything that is counted and known, in Prometheus's text format (`CONTENT_TYPE`)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything(tally, facts))
    # Of the process that is asked: its memory, CPU time, start and open files.
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def lag(mine: Cursor, newest: Cursor) -> int:
    """How many publications lie between two places: each has the next sequence of its epoch."""
    if mine.epoch != newest.epoch:
        return newest.sequence if mine < newest else 0
    return max(0, newest.sequence - mine.sequence)


class _Everything(Collector):
    def __init__(self, tally: Tally, facts: Facts) -> None:
        self._tally = tally
        self._facts = dict(_told(facts))

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for metric in METRICS:
            make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = make(metric.name, metric.help, labels=metric.labels)
            for label, count in metric.counts.items():
                tally = self._tally
                value = tally.most(count) / 1_000_000 if metric.seconds else tally.total(count)
                family.add_metric([label] if label else [], value)
            for labels, value in self._facts.get(metric.name, ()):
                family.add_metric(labels, value)
            yield family


Samples = Iterable[tuple[tuple[str, ...], float]]


def _told(facts: Facts) -> Iterator[tuple[str, Samples]]:
    asked, quotes = facts.outcomes, {each.symbol: each for each in facts.quotes}
    yield "ticker_redis_up", [((), not facts.redis_error)]
    if facts.lag is not None:
        yield "ticker_stream_lag_publications", [((), facts.lag)]
    yield "ticker_build_info", [((__version__,), 1)]
    if facts.polling:
        yield "ticker_last_write_timestamp_seconds", [((), facts.polling.wrote_at.timestamp())]
        yield "ticker_last_write_age_seconds", [((), facts.polling.silent_seconds)]
    yield "ticker_source_up", [((o.source,), o.status == "ok") for o in asked if o.status != "waiting"]
    yield "ticker_source_failures", [((o.source,), o.failures) for o in asked]
    yield (
        "ticker_source_last_success_timestamp_seconds",
        [((o.source,), o.succeeded_at.timestamp()) for o in asked if o.succeeded_at],
    )
    yield (
        "ticker_source_latency_seconds",
        [((o.source,), o.latency_ms / 1000) for o in asked if o.latency_ms is not None],
    )
    yield (
        "ticker_quote_status",
        [
            ((str(symbol), status), symbol in quotes and quotes[symbol].status == status)
            for symbol in facts.symbols
            for status in get_args(Status)
        ],
    )
    yield (
        "ticker_quote_age_seconds",
        [
            ((str(symbol),), max(0.0, (facts.now - quote.published_at).total_seconds()))
            for symbol, quote in quotes.items()
        ],
    )
