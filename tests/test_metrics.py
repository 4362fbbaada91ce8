"""What is counted by several processes, and what Prometheus reads."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ticker import __version__
from ticker.board import Polling
from ticker.health import judge
from ticker.metrics import CONTENT_TYPE, GAUGES, METRICS, Count, Facts, Tally, exposition, lag, shared_memory
from ticker.rates.model import NOWHERE, Cursor, Pair, Quote
from ticker.rates.source import Outcome

NOW = datetime(2026, 5, 21, 12, tzinfo=UTC)
KGS, TJS = Pair("KGS", "USD"), Pair("TJS", "USD")
QuoteOf = Callable[..., Quote]


@dataclass
class Shared:
    """Memory for so many processes; each `row` is a process's own, and `reader` has none."""

    descriptor: int
    rows: int

    def row(self, number: int) -> Tally:
        return Tally.shared(self.descriptor, number, self.rows)

    def reader(self) -> Tally:
        return self.row(self.rows)


@pytest.fixture
def shared() -> Iterator[Shared]:
    descriptor = shared_memory(3)
    yield Shared(descriptor, 3)
    os.close(descriptor)


def facts(**others: Any) -> Facts:
    known: dict[str, Any] = {
        "now": NOW,
        "symbols": (KGS, TJS),
        "quotes": (),
        "outcomes": (),
        "redis_error": "",
        "lag": 0,
        "polling": None,
    }
    return Facts(**known | others)


def samples(tally: Tally, told: Facts) -> dict[str, float]:
    """Each sample that a parser of Prometheus's own makes of the text: `name{label=value}` and its value."""
    found = {}
    for family in text_string_to_metric_families(exposition(tally, told).decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


# Counting


def test_the_sum_is_over_all_processes(shared: Shared) -> None:
    first, last = shared.row(0), shared.row(2)
    first.add(Count.JOINED)
    first.add(Count.JOINED, 4)
    last.add(Count.JOINED, 10)
    last.set(Count.SUBSCRIBERS, 7)

    assert shared.reader().total(Count.JOINED) == 15
    assert first.total(Count.SUBSCRIBERS) == 7


def test_a_successor_counts_on_and_what_was_is_gone(shared: Shared) -> None:
    for count in Count:
        shared.row(1).add(count, 5)
    heir = shared.row(1)
    heir.add(Count.ACCEPTED)

    assert {count: heir.total(count) for count in Count} == {
        count: 0 if count in GAUGES else 5 + (count is Count.ACCEPTED) for count in Count
    }


def test_a_lost_process_has_no_subscribers_any_more_and_the_others_keep_theirs(shared: Shared) -> None:
    dead, other, parent = shared.row(0), shared.row(1), shared.reader()
    for tally in (dead, other):
        tally.set(Count.SUBSCRIBERS, 3)
        tally.add(Count.JOINED, 3)

    parent.lost(0)

    assert (parent.total(Count.SUBSCRIBERS), parent.total(Count.JOINED)) == (3, 6)


def test_who_only_reads_is_in_no_sum(shared: Shared) -> None:
    reader = shared.reader()
    for count in Count:
        reader.add(count, 9)

    assert [reader.total(count) for count in Count] == [0] * len(Count)


def test_the_highest_of_all_is_shown_in_seconds(shared: Shared) -> None:
    shared.row(0).set(Count.LOOP_LAG, 250_000)
    shared.row(1).set(Count.LOOP_LAG, 1_500_000)

    assert samples(shared.reader(), facts())["ticker_loop_lag_seconds"] == 1.5


def test_who_polls_and_what_runs_come_out(shared: Shared) -> None:
    polling = Polling("one:1", since=NOW, wrote_at=NOW, silent_seconds=7.5)

    found = samples(shared.reader(), facts(polling=polling))

    assert found["ticker_last_write_timestamp_seconds"] == NOW.timestamp()
    assert found["ticker_last_write_age_seconds"] == 7.5
    assert found[f"ticker_build_info{{version={__version__}}}"] == 1
    assert found["process_resident_memory_bytes"] > 1_000_000


def test_a_number_beyond_32_bits_is_counted(shared: Shared) -> None:
    shared.row(0).add(Count.DELIVERIES, 1 << 40)
    shared.row(1).add(Count.DELIVERIES, 1)

    assert shared.reader().total(Count.DELIVERIES) == (1 << 40) + 1


def test_who_is_alone_counts_for_itself() -> None:
    one, other = Tally.alone(), Tally.alone()
    one.add(Count.STARTS)

    assert (one.total(Count.STARTS), other.total(Count.STARTS)) == (1, 0)


# Prometheus


def test_every_count_is_shown_once() -> None:
    shown = Counter(count for metric in METRICS for count in metric.counts.values())

    assert shown == dict.fromkeys(Count, 1)


def test_a_gauge_is_no_counter() -> None:
    kinds = {count: metric.kind for metric in METRICS for count in metric.counts.values()}

    assert kinds == {count: "gauge" if count in GAUGES else "counter" for count in Count}


def test_every_metric_says_what_it_is() -> None:
    text = exposition(Tally.alone(), facts()).decode()

    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.help.endswith(".")
        assert f"# HELP {metric.name} {metric.help}\n" in text
        assert f"# TYPE {metric.name} {metric.kind}\n" in text
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_the_counts_come_out_by_name(shared: Shared) -> None:
    shared.row(0).add(Count.REFUSED_ORIGIN, 2)
    shared.row(1).add(Count.REFUSED_ORIGIN, 3)
    shared.row(1).set(Count.SUBSCRIBERS, 4)

    found = samples(shared.reader(), facts())

    assert found["ticker_refused_total{reason=origin}"] == 5
    assert found["ticker_refused_total{reason=full}"] == 0
    assert found["ticker_subscribers"] == 4


def test_sources_and_quotes_come_out_as_they_are(quote_of: QuoteOf) -> None:
    told = facts(
        quotes=(quote_of("KGS", "87.45", status="stale", published_at=NOW - timedelta(hours=1)),),
        outcomes=(
            Outcome(source="nbkr", succeeded_at=NOW, latency_ms=250),
            Outcome(source="nbt", succeeded_at=NOW, failures=3, error="timed out"),
            Outcome(source="cbr"),
        ),
        lag=2,
    )

    found = samples(Tally.alone(), told)

    about = {name: value for name, value in found.items() if "source" in name or "quote" in name}
    assert about == {
        "ticker_source_up{source=nbkr}": 1,
        "ticker_source_up{source=nbt}": 0,
        "ticker_source_failures{source=nbkr}": 0,
        "ticker_source_failures{source=nbt}": 3,
        "ticker_source_failures{source=cbr}": 0,
        "ticker_source_last_success_timestamp_seconds{source=nbkr}": NOW.timestamp(),
        "ticker_source_last_success_timestamp_seconds{source=nbt}": NOW.timestamp(),
        "ticker_source_latency_seconds{source=nbkr}": 0.25,
        **{
            f"ticker_quote_status{{status={status},symbol={symbol}}}": symbol == KGS and status == "stale"
            for symbol in (KGS, TJS)
            for status in ("live", "pegged", "unconfirmed", "stale", "fallback")
        },
        "ticker_quote_age_seconds{symbol=KGS/USD}": 3600,
    }
    assert (found["ticker_redis_up"], found["ticker_stream_lag_publications"]) == (1, 2)


def test_what_is_unknown_while_redis_is_away_is_left_out() -> None:
    found = samples(Tally.alone(), facts(redis_error="cut off", lag=None))

    assert found["ticker_redis_up"] == 0
    assert "ticker_stream_lag_publications" not in found


def test_a_quote_of_a_clock_ahead_of_ours_is_new(quote_of: QuoteOf) -> None:
    quote = quote_of("KGS", "87.45", published_at=NOW + timedelta(seconds=5))

    found = samples(Tally.alone(), facts(quotes=(quote,)))

    assert found["ticker_quote_age_seconds{symbol=KGS/USD}"] == 0


@pytest.mark.parametrize(
    ("mine", "newest", "expected"),
    [
        (Cursor(7, 3), Cursor(7, 3), 0),
        (Cursor(7, 3), Cursor(7, 5), 2),
        (Cursor(7, 5), Cursor(7, 3), 0),
        (NOWHERE, Cursor(7, 5), 5),
        (Cursor(6, 90), Cursor(7, 5), 5),
        (Cursor(8, 1), Cursor(7, 5), 0),
        (NOWHERE, NOWHERE, 0),
    ],
)
def test_the_lag_counts_publications(mine: Cursor, newest: Cursor, expected: int) -> None:
    assert lag(mine, newest) == expected


@pytest.mark.parametrize(("behind", "words"), [(1, "1 publication"), (2, "2 publications")])
def test_readers_that_are_behind_are_a_warning(behind: int, words: str, quote_of: QuoteOf) -> None:
    quotes = [quote_of("KGS", "87.45")]

    told = judge(now=NOW, redis_error="", symbols=1, quotes=quotes, outcomes=[], lag=behind)

    assert told == ("warn", [f"stream: {words} behind Redis"])
