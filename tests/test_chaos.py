"""Storms and breakdowns, and proof that their judges see every kind of fault."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tools.chaos.campaign import Phase, campaign
from tools.chaos.estate import Estate, estate
from tools.chaos.faults import ABankFails, short_deck
from tools.chaos.health import ANY, PASS, SILENT, Look, Says, contradictions, window_faults
from tools.chaos.judge import Connection, Message, Truth, faults
from tools.chaos.reader import Reader
from tools.chaos.rounds import play, storms
from tools.chaos.street import Said, day_in_force
from tools.chaos.upkeep import Use, Uses, kept_faults
from tools.chaos.world import world

from ticker import wire
from ticker.demo import formats
from ticker.demo.habits import HABITS, Bank
from ticker.rates.model import Cursor, Pair

Told = list[tuple[float, Message]]
"""What one connection was told, and when."""

pytestmark = pytest.mark.redis
ROUNDS = 20
READERS = 100
KGS, KZT = Pair("KGS", "USD"), Pair("KZT", "USD")
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


class BrokenInSecret(ABankFails):
    """A bank that fails, and the judge is told that all is well."""

    def says(self, estate: Estate) -> dict[str, Says]:
        return dict.fromkeys(estate.units, PASS)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_whatever_breaks_health_says_so_no_figure_is_wrong_and_all_is_well_again(
    short_path: Path,
) -> None:
    """Usual is a minute."""
    seed = int(os.environ.get("TICKER_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"TICKER_CHAOS_SEED={seed}")
    uses, phases, deck = Uses(), list[Phase](), list(short_deck())
    async with estate(short_path) as place:
        breakdowns = [*deck, BrokenInSecret("cbu", "500")]
        async for phase in campaign(place, breakdowns, random.Random(seed), readers=20, uses=uses):
            print(phase)
            phases.append(phase)
        await place.master_says("HSET", "{ticker}:latest", "KGS/USD", await a_lie(place))
        await place.master_says("ZREMRANGEBYRANK", "{ticker}:history:KZT/USD", "0", "0")
        place.street.said.bodies["nbt"].clear()
        lies = await kept_faults_of(place)

    *told, secret = phases
    wrong = [f"{phase.fault}: {each}" for phase in told for each in phase.faults]
    assert wrong == [], f"TICKER_CHAOS_SEED={seed}"
    assert len(told) == len(deck)
    assert [words for use in uses for words in use.faults()] == []
    # That the crowd was told something, and that the judge looks at what really runs.
    assert min(phase.report.frames for phase in told) > 0
    assert max(phase.report.resumed for phase in told) > 0
    assert all("where pass was due" in each for each in secret.faults)
    assert secret.faults
    kinds = ("KGS/USD is ", "the ledger has ", "nbt never sent ")
    assert {kind for kind in kinds for words in lies if words.startswith(kind)} == {*kinds}


async def a_lie(place: Estate) -> str:
    """What Redis has as the latest quote of the som, with another price."""
    text: str = await place.master_says("HGET", "{ticker}:latest", "KGS/USD")
    return text.replace('"price":"0.0', '"price":"0.1')


async def kept_faults_of(place: Estate) -> list[str]:
    async with place.store() as store:
        return await kept_faults(store, place.settings, place.street.said, now=place.now())


# The judge of /health.

QUOTES = {"KGS/USD": "live", "TMT/USD": "pegged"}
LATE = {"KGS/USD": "stale", "TMT/USD": "pegged"}


def look(status: str, *notes: str, code: int = 200, at: float = 5.0, quotes: Any = QUOTES) -> Look:
    body = {"status": status, "notes": list(notes), "quotes": quotes}
    return Look(at, at + 0.1, code, body if code else {})


DEAD = look("", code=0)


@pytest.mark.parametrize(
    ("told", "says", "words"),
    [
        (look("pass"), PASS, ""),
        (look("warn", "nbk: timed out"), PASS, "where pass was due"),
        (DEAD, PASS, "silent"),
        (look("pass"), Says("warn", "nbk: "), "where warn was due"),
        (look("warn", "nbk: answered 500", "cbr: timed out"), Says("warn", "cbr: timed out"), ""),
        (look("warn", "the word cbr: timed out"), Says("warn", "cbr: timed out"), "no note says"),
        (look("fail", "KGS/USD is stale", code=503), Says("warn", "KGS/USD"), "where warn was due"),
        (look("pass"), SILENT, "where silent was due"),
        (DEAD, SILENT, ""),
        (DEAD, ANY, ""),
        (look("warn", "nbk: timed out"), ANY, ""),
    ],
)
def test_the_judge_of_health_knows_what_was_broken(told: Look, says: Says, words: str) -> None:
    found = " ".join(window_faults([told], says, start=0, end=10))

    assert (words in found) if words else not found


def test_an_answer_counts_if_it_was_asked_for_and_given_while_something_was_broken() -> None:
    looks = [look("warn", "late", at=at) for at in (0.9, 9.95)]

    assert window_faults([*looks, look("pass")], PASS, start=1, end=10) == []
    assert len(window_faults(looks, PASS, start=0.9, end=10.1)) == 2


@pytest.mark.parametrize(("says", "count"), [(PASS, 1), (Says("fail"), 1), (SILENT, 0), (ANY, 0)])
def test_no_answer_at_all_is_a_fault_where_one_was_due(says: Says, count: int) -> None:
    assert len(window_faults([], says, start=0, end=10)) == count
    assert window_faults([], says, start=0, end=1) == []


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (look("pass"), ""),
        (look("fail", "stale", code=503, quotes=LATE), ""),
        (look("fail", "stale", quotes=LATE), "200 with fail"),
        (look("warn", "cbr: timed out", code=503), "503 with warn"),
        (look("warn"), "warn with the notes []"),
        (look("pass", "cbr: timed out"), "pass with the notes"),
        (look("warn", "stale", quotes=LATE), "warn with the quotes"),
        (look("fail", "stale", code=503), "fail with the quotes"),
        (DEAD, ""),
    ],
)
def test_some_answers_are_wrong_whatever_is_broken(told: Look, words: str) -> None:
    found = " ".join(contradictions(told))

    assert (words in found) if words else not found


# The judge of what is told and kept.


def said(now: datetime) -> Said:
    """What NBKR had said by a Tuesday, of that day and the Monday before."""
    found = Said((KGS,))
    for day in (now - timedelta(days=1), now):
        found.note("nbkr", nbkr_table(day), ())
    return found


def nbkr_table(day: datetime) -> bytes:
    return formats.nbkr(Bank(HABITS["nbkr"], lambda: day).table(day.date()))


NOW = datetime(2026, 9, 15, 7, tzinfo=UTC)


def figure(found: Said, day: str) -> str:
    [price] = found.prices["nbkr", "KGS/USD", day]
    return str(price)


def nbkr_quote(**others: Any) -> dict[str, Any]:
    found = said(NOW)
    usual = {"price": figure(found, "2026-09-15"), "previous": figure(found, "2026-09-14")}
    facts = {"symbol": "KGS/USD", "source": "nbkr", "as_of": "2026-09-15", "status": "live", "next": None}
    return facts | usual | others


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({}, ""),
        ({"price": "0.01"}, "of 2026-09-15: 0.01"),
        ({"as_of": "2026-09-16"}, "of 2026-09-16"),
        ({"source": "cbr"}, "cbr never said"),
        ({"previous": "0.01"}, "before 2026-09-15: 0.01"),
        ({"previous": figure(said(NOW), "2026-09-15")}, "before 2026-09-15: "),
        ({"next": {"as_of": "2026-09-16", "price": "0.01"}}, "of 2026-09-16: 0.01"),
        ({"status": "pegged", "price": "1"}, ""),
    ],
)
def test_a_figure_that_its_source_never_said_is_seen(others: dict[str, Any], words: str) -> None:
    found = " ".join(said(NOW).faults(nbkr_quote(**others)))

    assert (words in found) if words else not found


def test_damaged_bytes_say_nothing() -> None:
    found = Said((KGS,))
    found.note("nbkr", b"\x00<rates>", ())

    assert not found.prices
    assert not found.is_new("nbkr", b"\x00<rates>")


def test_a_cross_may_come_in_two_answers_of_an_archive() -> None:
    first, last = (date(2026, 9, day) for day in (8, 15))
    found = Said((KZT,))
    for ident in ("R01335", "R01235"):  # the tenge and the dollar, in roubles
        tables = Bank(HABITS["cbr"], lambda: NOW).tables(first, last)
        found.note("cbr", formats.cbr_history(tables, ident, first, last), (ident,))

    assert found.prices["cbr", "KZT/USD", "2026-09-11"]


def test_a_table_is_new_if_nothing_was_said_of_its_day() -> None:
    assert not said(NOW).is_new("nbkr", nbkr_table(NOW))
    assert said(NOW).is_new("nbkr", nbkr_table(NOW + timedelta(days=1)))


@pytest.mark.parametrize(
    ("key", "day", "hour", "found"),
    [
        ("nbkr", 15, 7, "2026-09-15"),  # noon in Bishkek; tomorrow's is not out
        ("nbkr", 15, 15, "2026-09-15"),  # tomorrow's is out, and does not hold yet
        ("nbkr", 15, 18, "2026-09-16"),  # midnight in Bishkek
        ("nbkr", 13, 7, "2026-09-12"),  # a Sunday, whose table repeats Saturday's
        ("nbt", 15, 19, "2026-09-15"),  # midnight in Dushanbe, where the table comes in the morning
    ],
)
def test_the_day_that_holds_is_that_of_the_bank_s_midnight(key: str, day: int, hour: int, found: str) -> None:
    assert day_in_force(key, NOW.replace(day=day, hour=hour)).isoformat() == found


def test_what_grows_is_seen() -> None:
    assert list(Use("one", memory=[80, 99, 84], files=[25, 60, 30]).faults()) == []
    assert len(list(Use("one", memory=[80, 120], files=[25, 60]).faults())) == 2


# The judge of readers.

BOTH = (KGS, KZT)
EPOCH, LATER = 1_790_000_000_000, 1_790_000_500_000


def quote(symbol: Pair, number: int) -> dict[str, Any]:
    return {"symbol": str(symbol), "inverse": f"87.{number:04}"}


def truth() -> Truth:
    """KGS and KZT in turn, numbers 1 to 9; then all is lost and said again, and KGS once more."""
    found = Truth()
    found.add((f"{EPOCH}-{number}", json.dumps([word(number)])) for number in range(1, 10))
    found.add([(f"{LATER}-1", json.dumps([word(9), word(8)])), (f"{LATER}-2", json.dumps([quote(KGS, 10)]))])
    return found


def word(number: int) -> dict[str, Any]:
    return quote(BOTH[(number + 1) % 2], number)


def message(kind: str, cursor: Cursor, *quotes: dict[str, Any], symbols: str = "") -> Message:
    selection = wire.select(symbols.split(), BOTH)
    frame = {"type": kind, "cursor": wire.stamp(cursor, selection)}
    return frame if kind == "heartbeat" else frame | {"quotes": list(quotes)}


def update(number: int, **others: str) -> Message:
    return message("update", Cursor(EPOCH, number), word(number), **others)


def good_log() -> list[Connection]:
    """A reader of both comes, loses its connection, resumes, and lives through the loss of Redis."""
    first = [message("snapshot", Cursor(EPOCH, 2), word(2), word(1)), update(3), update(4)]
    second = [
        message("update", Cursor(EPOCH, 6), word(5), word(6)),
        update(7),
        message("heartbeat", Cursor(EPOCH, 7)),
        update(8),
        update(9),
        message("snapshot", Cursor(LATER, 1), word(9), word(8)),
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
    told[3:5] = [(0.0, message("update", Cursor(EPOCH, 9), word(9), word(8)))]


def renamed(frame: Message, kind: str) -> None:
    frame["type"] = kind


def moved(frame: Message, epoch: int, sequence: int) -> None:
    frame["cursor"] = f"{epoch}-{sequence}"


def stale(frame: Message) -> None:
    frame["quotes"] = [word(3)]


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
        message("snapshot", Cursor(EPOCH, 2), word(2), word(1)),
        update(3),
        message("snapshot", Cursor(EPOCH, 4), word(4), symbols="KZT"),
        update(6, symbols="KZT"),
    ]
    assert faults([_connection("", told, (str(KZT),))], truth(), BOTH) == []

    del told[2]
    assert "a snapshot was due" in " ".join(faults([_connection("", told, (str(KZT),))], truth(), BOTH))


def test_who_comes_anew_may_be_told_what_is_older() -> None:
    older = [_connection("", [message("snapshot", Cursor(EPOCH, 2), word(2), word(1))])]

    assert faults(good_log() + older, truth(), BOTH) == []


@pytest.mark.parametrize("misled", [False, True])
def test_a_reader_shows_the_board_or_the_same_as_stale_if_it_was_misled(misled: bool) -> None:
    reader = Reader((1,), (str(KGS), str(KZT)), random.Random(1), way="stream", stalls=False)
    board = {str(each): quote(each, 1) | {"status": "live"} for each in BOTH}
    reader.selection, reader.state = (), dict(board)
    assert reader.shows(board, misled=misled)

    reader.state[str(KGS)] = board[str(KGS)] | {"status": "stale"}
    assert reader.shows(board, misled=misled) == misled
    for wrong in ({"status": "fallback"}, {"status": "stale", "inverse": "1"}):
        reader.state[str(KGS)] = board[str(KGS)] | wrong
        assert not reader.shows(board, misled=misled)
    del reader.state[str(KGS)]
    assert not reader.shows(board, misled=misled)


def test_a_real_quote_may_be_told_once_more_when_it_becomes_late_and_when_it_no_longer_is() -> None:
    def real(number: int, status: str) -> dict[str, Any]:
        return word(number) | {"status": status}

    found = Truth()
    found.add((f"{EPOCH}-{number}", json.dumps([real(number, "live")])) for number in (1, 2))
    position = Cursor(EPOCH, 2)
    first = message("snapshot", position, real(2, "live"), real(1, "live"))
    late, again = (message("update", position, real(1, status)) for status in ("stale", "live"))
    log = [_connection("", [first, late, again])]
    away = [(-1.0, 1.0)]
    assert faults(log, found, BOTH, away, rises=False) == []
    assert faults(log, found, BOTH, away)

    lie = message("update", position, real(1, "stale") | {"inverse": "1"})
    other = message("update", position, real(1, "fallback"))
    for wrong in (lie, other):
        assert faults([_connection("", [first, wrong])], found, BOTH, away, rises=False)
