"""Twenty rounds of a storm, and proof that the judge of them sees every kind of fault."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from tools.chaos.judge import Connection, Message, Truth, faults
from tools.chaos.rounds import play, storms
from tools.chaos.world import world

from ticker import wire
from ticker.rates.model import Cursor, Pair

Told = list[tuple[float, Message]]
"""What one connection was told, and when."""

pytestmark = pytest.mark.redis
ROUNDS = 20
READERS = 100
SECONDS = 1.0


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_in_a_storm_nobody_misses_a_change_or_sees_one_twice_or_an_older_one() -> None:
    seed = int(os.environ.get("TICKER_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"TICKER_CHAOS_SEED={seed}")
    dice = random.Random(seed)
    async with world(random.Random(seed), workers=2) as place:
        told = [
            (storm, await play(place, dice, storm, readers=READERS))
            for storm in storms(dice, ROUNDS, SECONDS)
        ]

    wrong = [
        f"{number}: {storm}: {fault}"
        for number, (storm, report) in enumerate(told)
        for fault in report.faults
    ]
    assert wrong == [], f"TICKER_CHAOS_SEED={seed}"
    # That there was a storm at all.
    assert min(report.frames for _, report in told) > READERS
    assert min(report.resumed for _, report in told) > 0
    assert place.truth.epochs > 3
    assert len(place.events) == 6
    assert place.conflated > 0


# The judge.

KGS, KZT = Pair("KGS", "USD"), Pair("KZT", "USD")
BOTH = (KGS, KZT)
EPOCH, LATER = 1_790_000_000_000, 1_790_000_500_000


def quote(symbol: Pair, number: int) -> dict[str, Any]:
    return {"symbol": str(symbol), "inverse": f"87.{number:04}"}


def truth() -> Truth:
    """KGS and KZT in turn, numbers 1 to 9; then all is lost and said again, and KGS once more."""
    found = Truth()
    found.add((f"{EPOCH}-{number}", json.dumps([said(number)])) for number in range(1, 10))
    found.add([(f"{LATER}-1", json.dumps([said(9), said(8)])), (f"{LATER}-2", json.dumps([quote(KGS, 10)]))])
    return found


def said(number: int) -> dict[str, Any]:
    return quote(BOTH[(number + 1) % 2], number)


def message(kind: str, cursor: Cursor, *quotes: dict[str, Any], symbols: str = "") -> Message:
    selection = wire.select(symbols.split(), BOTH)
    frame = {"type": kind, "cursor": wire.stamp(cursor, selection)}
    return frame if kind == "heartbeat" else frame | {"quotes": list(quotes)}


def update(number: int, **others: str) -> Message:
    return message("update", Cursor(EPOCH, number), said(number), **others)


def good_log() -> list[Connection]:
    """A reader of both comes, loses its connection, resumes, and lives through the loss of Redis."""
    first = [message("snapshot", Cursor(EPOCH, 2), said(2), said(1)), update(3), update(4)]
    second = [
        message("update", Cursor(EPOCH, 6), said(5), said(6)),
        update(7),
        message("heartbeat", Cursor(EPOCH, 7)),
        update(8),
        update(9),
        message("snapshot", Cursor(LATER, 1), said(9), said(8)),
        message("update", Cursor(LATER, 2), quote(KGS, 10)),
    ]
    return [_connection("", first), _connection(f"{EPOCH}-4", second)]


def _connection(cursor: str, told: list[Message], *asked: tuple[str, ...]) -> Connection:
    return Connection((), cursor, asked=list(asked), told=[(0.0, each) for each in told])


def test_a_reader_that_was_told_everything_is_content() -> None:
    assert faults(good_log(), truth(), BOTH) == []


def spoil(name: str, change: Callable[[Told, Told], object]) -> Any:
    return pytest.param(change, name.split(": ")[1], id=name.split(": ")[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        spoil("a dropped frame: a gap: KZT/USD is missing", lambda one, two: two.pop(3)),
        spoil("a dropped frame, then a heartbeat: a gap: KGS/USD never came", lambda one, two: two.pop(1)),
        spoil("a repeated frame: a repeat of KZT/USD", lambda one, two: one.append(one[-1])),
        spoil("an old frame: a step back of KGS/USD", lambda one, two: two.insert(5, two[1])),
        spoil("frames in the wrong order: a step back, ", lambda one, two: two.insert(3, two.pop(4))),
        spoil("a lost hand-over: publications since", lambda one, two: one.pop(1)),
        spoil("a lost resumption: an update, where a snapshot was due", lambda one, two: one.pop(0)),
        spoil("a snapshot without a symbol: a gap: KZT/USD is missing", lambda one, two: short(one)),
        spoil("a resumption without a symbol: a gap: KZT/USD is missing", lambda one, two: short(two)),
        spoil("a new epoch as an update: a snapshot was due", lambda one, two: two.pop(5)),
        spoil("two frames as one: 2 publications since", lambda one, two: merge(two)),
        spoil("an older snapshot: a step back, ", lambda one, two: two.insert(0, one[0])),
        spoil("a needless snapshot: where an update since", lambda one, two: renamed(two[3][1], "snapshot")),
        spoil("a cursor of nothing: a cursor of no publication", lambda one, two: moved(two[6][1], LATER, 3)),
        spoil("a heartbeat ahead: a gap: KZT/USD never came", lambda one, two: moved(two[2][1], EPOCH, 8)),
        spoil("an old figure: is 87.0003, and 87.0007 was due", lambda one, two: stale(two[1][1])),
        spoil("an empty frame: an empty update", lambda one, two: two.insert(2, nothing())),
        spoil("another selection: not of the reader's selection", lambda one, two: foreign(one)),
        spoil("an error: an error: no", lambda one, two: one.append((0.0, error()))),
    ],
)
def test_the_judge_sees(change: Callable[[Told, Told], object], words: str) -> None:
    log = good_log()
    change(log[0].told, log[1].told)

    assert words in " | ".join(faults(log, truth(), BOTH))


def short(told: Told) -> None:
    told[0][1]["quotes"].pop(0 if told[0][1]["quotes"][0]["symbol"] == str(KZT) else 1)


def merge(told: Told) -> None:
    told[3:5] = [(0.0, message("update", Cursor(EPOCH, 9), said(9), said(8)))]


def renamed(frame: Message, kind: str) -> None:
    frame["type"] = kind


def moved(frame: Message, epoch: int, sequence: int) -> None:
    frame["cursor"] = f"{epoch}-{sequence}"


def stale(frame: Message) -> None:
    frame["quotes"] = [said(3)]


def nothing() -> tuple[float, Message]:
    return 0.0, message("update", Cursor(EPOCH, 7))


def foreign(told: Told) -> None:
    told.append((0.0, update(6, symbols="KZT")))


def error() -> Message:
    return {"type": "error", "code": "bad_request", "message": "no"}


def test_what_came_as_one_is_a_fault_only_to_a_reader_that_was_caught_up() -> None:
    log = good_log()
    merge(log[1].told)

    assert faults(log, truth(), BOTH, [(-1.0, 1.0)]) == []
    log[1].is_slow = True
    assert faults(log, truth(), BOTH) == []


def test_a_changed_selection_begins_with_a_snapshot() -> None:
    told = [
        message("snapshot", Cursor(EPOCH, 2), said(2), said(1)),
        update(3),
        message("snapshot", Cursor(EPOCH, 4), said(4), symbols="KZT"),
        update(6, symbols="KZT"),
    ]
    assert faults([_connection("", told, (str(KZT),))], truth(), BOTH) == []

    del told[2]
    assert "a snapshot was due" in " ".join(faults([_connection("", told, (str(KZT),))], truth(), BOTH))


def test_who_comes_anew_may_be_told_what_is_older() -> None:
    older = [_connection("", [message("snapshot", Cursor(EPOCH, 2), said(2), said(1))])]

    assert faults(good_log() + older, truth(), BOTH) == []
