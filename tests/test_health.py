"""What an operator is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ticker import board
from ticker.board import Board, Polling, Trouble
from ticker.health import Writing, judge
from ticker.rates.model import Quote
from ticker.rates.source import Outcome

NOW = datetime(2026, 5, 21, 12, tzinfo=UTC)
QuoteOf = Callable[..., Quote]


@pytest.fixture
def quotes_of(quote_of: QuoteOf) -> Callable[..., list[Quote]]:
    """Quotes with these statuses, of KGS, KZT, TJS and so on."""

    def quotes(*statuses: str) -> list[Quote]:
        codes = ("KGS", "KZT", "TJS", "UZS", "TMT")
        return [quote_of(code, "87.45", status=status) for code, status in zip(codes, statuses, strict=False)]

    return quotes


def verdict(quotes: list[Quote], *, symbols: int = 5, **facts: Any) -> tuple[str, list[str]]:
    told: dict[str, Any] = {"now": NOW, "redis_error": "", "outcomes": ()}
    return judge(symbols=symbols, quotes=quotes, **told | facts)


def test_all_is_well(quotes_of: Callable[..., list[Quote]]) -> None:
    outcomes = [Outcome(source="nbkr", succeeded_at=NOW), Outcome(source="cbr")]

    assert verdict(quotes_of("live", "live", "live", "live", "pegged"), outcomes=outcomes) == ("pass", [])


def test_what_fails_is_a_warning_while_the_quotes_hold(quotes_of: Callable[..., list[Quote]]) -> None:
    quotes = quotes_of("live", "fallback", "stale", "unconfirmed")
    outcomes = [Outcome(source="nbk", failures=3, error="timed out")]

    assert verdict(quotes, outcomes=outcomes, redis_error="cut off") == (
        "warn",
        [
            "nbk: timed out",
            "redis: cut off",
            "1 of 5 symbols have no quote yet",
            "KZT/USD is fallback, as of 2026-05-22",
            "TJS/USD is stale, as of 2026-05-22",
            "UZS/USD is unconfirmed, as of 2026-05-22",
        ],
    )


def test_a_late_quote_says_since_when(quote_of: QuoteOf) -> None:
    # The fifth repeat of a bank is stale before anything is due.
    quotes = [
        quote_of("KGS", "87.45", status="stale", due_at=NOW),
        quote_of("KZT", "471", status="stale", due_at=NOW + timedelta(seconds=1)),
        quote_of("TJS", "9.2", due_at=NOW + timedelta(seconds=1)),
    ]

    assert verdict(quotes, symbols=3) == (
        "warn",
        [
            "KGS/USD is stale, as of 2026-05-22, late since 2026-05-21T12:00:00Z",
            "KZT/USD is stale, as of 2026-05-22",
        ],
    )


@pytest.mark.parametrize(
    ("statuses", "symbols", "expected"),
    [
        ((), 5, "fail"),
        (("stale", "stale", "stale", "stale", "pegged"), 5, "fail"),
        (("stale", "unconfirmed"), 2, "fail"),
        (("stale", "live"), 2, "warn"),
        (("fallback", "fallback"), 2, "warn"),
        (("pegged",), 1, "pass"),
        (("pegged",), 5, "fail"),
    ],
)
def test_quotes_that_can_not_be_trusted_are_a_failure(
    statuses: tuple[str, ...], symbols: int, expected: str, quotes_of: Callable[..., list[Quote]]
) -> None:
    assert verdict(quotes_of(*statuses), symbols=symbols)[0] == expected


@pytest.mark.parametrize(
    ("outcome", "status", "message"),
    [
        (Outcome(source="nbkr"), "waiting", "not asked yet"),
        (
            Outcome(source="nbkr", next_poll_at=NOW + timedelta(seconds=3)),
            "waiting",
            "not asked yet, first poll in 3 s",
        ),
        (Outcome(source="nbkr", succeeded_at=NOW, next_poll_at=NOW), "ok", ""),
        (Outcome(source="nbkr", failures=1, error="answered 403"), "failing", "answered 403"),
        (
            Outcome(
                source="nbkr",
                succeeded_at=NOW,
                failures=1,
                error="timed out",
                next_poll_at=NOW + timedelta(seconds=40.2),
            ),
            "failing",
            "timed out, retry in 40 s",
        ),
        (
            Outcome(source="nbkr", failures=1, error="timed out", next_poll_at=NOW - timedelta(seconds=9)),
            "failing",
            "timed out, retry in 0 s",
        ),
    ],
)
def test_an_outcome_says_what_it_waits_for(outcome: Outcome, status: str, message: str) -> None:
    assert (outcome.status, outcome.message(NOW)) == (status, message)


def test_a_frozen_source_and_what_is_held_back_are_warnings(quotes_of: Callable[..., list[Quote]]) -> None:
    held = "KGS/USD of 2026-05-22 is held back: +11.75 % from one publication to the next"
    outcomes = [
        Outcome(source="nbkr", succeeded_at=NOW, held=(held,)),
        Outcome(source="nbk", succeeded_at=NOW, missed=2, as_of="2026-05-18"),
        Outcome(source="cbu", failures=1, error="cbu: not JSON", missed=1),
    ]

    assert verdict(quotes_of("live", "live", "live", "live", "pegged"), outcomes=outcomes) == (
        "warn",
        [
            f"nbkr: {held}",
            "nbk: 2 publications missed, the last one is of 2026-05-18",
            "cbu: not JSON",
            "cbu: 1 publication missed, the last one is of an unknown day",
        ],
    )


def test_a_source_that_answers_and_is_frozen_says_so() -> None:
    frozen = Outcome(source="nbk", succeeded_at=NOW, missed=1, as_of="2026-05-18", next_poll_at=NOW)

    assert (frozen.status, frozen.message(NOW)) == (
        "ok",
        "1 publication missed, the last one is of 2026-05-18",
    )


def test_an_outcome_of_a_later_version_is_read() -> None:
    written = Outcome(source="nbkr", checked_at=NOW, failures=2).model_dump_json()

    read = Outcome.model_validate_json(written.replace("{", '{"new": 1,', 1))

    assert (read.checked_at, read.failures) == (NOW, 2)


# Who polls, and whether it can write


def writing(silent: float | None = 0.5, **others: Any) -> Writing:
    """A poller that wrote so many seconds ago (None: nobody ever polled), with leases of 6 s."""
    polling = None if silent is None else Polling("one:1", since=NOW, wrote_at=NOW, silent_seconds=silent)
    known: dict[str, Any] = {"lease_seconds": 6, "trouble": None, "tried_seconds": None}
    return Writing(polling=polling, **known | others)


REFUSED = Trouble(NOW, refused=True, words="NOREPLICAS Not enough good replicas to write.")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (writing(), []),
        (writing(12), []),
        (writing(12.1), ["no process has written since 2026-05-21T12:00:00Z"]),
        # Ours stands by, or its machine: another one is silent.
        (writing(12.1, tried_seconds=0.3), ["no process has written since 2026-05-21T12:00:00Z"]),
        (writing(12.1, tried_seconds=13), ["no process has polled since 2026-05-21T12:00:00Z"]),
        # Ours was stopped, and another one has taken over.
        (writing(0.5, tried_seconds=13), []),
        (writing(None), ["no process has polled yet"]),
        (
            writing(0.5, trouble=REFUSED, tried_seconds=0.3),
            [
                "Redis has refused writes since 2026-05-21T12:00:00Z: "
                "NOREPLICAS Not enough good replicas to write."
            ],
        ),
        (
            writing(0.5, trouble=replace(REFUSED, refused=False, words="timed out")),
            ["Redis could not be written since 2026-05-21T12:00:00Z: timed out"],
        ),
    ],
)
def test_a_poller_that_can_not_write_is_no_secret(
    told: Writing, words: list[str], quotes_of: Callable[..., list[Quote]]
) -> None:
    quotes = quotes_of("live", "live", "live", "live", "pegged")

    assert verdict(quotes, writing=told) == ("warn" if words else "pass", words)


def test_what_is_on_hold_is_named_once(quotes_of: Callable[..., list[Quote]]) -> None:
    quotes = quotes_of("live", "live", "live", "live", "pegged")
    outcomes = [Outcome(source="nbkr", held=("KGS/USD is on hold; `ticker confirm KGS/USD` ends that",))]
    polling = Polling("one:1", since=NOW, wrote_at=NOW, silent_seconds=0, holds=("KGS/USD", "TMT/USD"))

    told = verdict(quotes, outcomes=outcomes, writing=replace(writing(), polling=polling))

    assert told == (
        "warn",
        [
            "nbkr: KGS/USD is on hold; `ticker confirm KGS/USD` ends that",
            "TMT/USD is on hold; `ticker confirm TMT/USD` ends that",
        ],
    )


def test_a_redis_that_is_away_is_told_once(quotes_of: Callable[..., list[Quote]]) -> None:
    quotes = quotes_of("live", "live", "live", "live", "pegged")

    assert verdict(quotes, writing=writing(60), redis_error="timed out") == ("warn", ["redis: timed out"])


def test_the_board_tells_all_processes_why_nothing_is_written() -> None:
    memory = memoryview(bytearray(board.SIZE))
    one, other = Board(memory), Board(memory)
    assert (other.trouble, other.silent_seconds) == (None, None)

    one.tries()
    assert other.trouble is None
    assert other.silent_seconds is not None

    one.fails("MISCONF " + "x" * 1000, refused=True, now=NOW)
    one.fails("NOREPLICAS Not enough good replicas to write.", refused=True, now=NOW + timedelta(seconds=5))
    assert other.trouble == REFUSED

    one.works()
    assert other.trouble is None
