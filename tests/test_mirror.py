"""What a reader has not seen: the mirror."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticker.edge.mirror import NOT_YET, Mirror, Row
from ticker.rates.model import NOWHERE, Cursor, Pair

KGS, TMT = Pair("KGS", "USD"), Pair("TMT", "USD")
ONE, TWO, THREE = Cursor(1000, 1), Cursor(1000, 2), Cursor(1000, 3)
NOON = datetime(2026, 5, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=2)


def inverted(item: object) -> Any:
    """What a test reads as the reverse of an item."""
    return f"1/({item})"


def mirror() -> Mirror[str]:
    one: Mirror[str] = Mirror([KGS, TMT], inverted)
    one.apply(ONE, [(KGS, Row(ONE, "kgs 1")), (TMT, Row(ONE, "tmt 1"))], now=NOON)
    one.apply(TWO, [(KGS, Row(TWO, "kgs 2"))], now=NOON)
    return one


@pytest.mark.parametrize("cursor", [None, Cursor(999, 2), Cursor(1001, 1), Cursor(1000, 3)])
def test_a_foreign_or_future_cursor_is_answered_with_a_snapshot(cursor: Cursor | None) -> None:
    delta = mirror().since(cursor)

    assert (delta.kind, delta.cursor, delta.items) == ("snapshot", TWO, ("kgs 2", "tmt 1"))


def test_a_good_cursor_is_answered_with_what_is_new() -> None:
    assert (mirror().since(ONE).kind, mirror().since(ONE).items) == ("update", ("kgs 2",))


def test_a_cursor_with_nothing_new_is_answered_with_an_empty_update() -> None:
    assert (mirror().since(TWO).kind, mirror().since(TWO).items) == ("update", ())


def test_a_selection_sees_only_its_symbols() -> None:
    assert mirror().since(None, [TMT]).items == ("tmt 1",)


def test_a_lagging_reader_gets_only_the_newest_of_each_symbol() -> None:
    one = mirror()
    one.apply(THREE, [(KGS, Row(THREE, "kgs 3"))], now=NOON)

    assert one.since(ONE).items == ("kgs 3",)


def test_an_older_publication_is_no_news() -> None:
    one = mirror()

    for older in (ONE, Cursor(999, 7)):
        assert one.apply(older, [(KGS, Row(older, "kgs 1"))], now=NOON) == frozenset()
        assert (one.cursor, one.get(KGS), one.get(TMT)) == (TWO, "kgs 2", "tmt 1")


def test_a_new_epoch_voids_what_was_known() -> None:
    one, first = mirror(), Cursor(2000, 1)

    changed = one.apply(first, [(KGS, Row(first, "kgs new"))], now=NOON)

    assert (changed, one.since(TWO).kind, one.since(TWO).items) == ({KGS}, "snapshot", ("kgs new",))


def test_a_symbol_that_is_not_served_is_left_out() -> None:
    assert mirror().apply(THREE, [(Pair("EUR", "USD"), Row(THREE, "eur"))], now=NOON) == frozenset()


def test_an_empty_mirror_gives_an_empty_snapshot() -> None:
    assert Mirror[str]([KGS], inverted).since(None).cursor == NOWHERE


# What is awaited.


def half_full() -> Mirror[str]:
    one: Mirror[str] = Mirror([KGS, TMT], inverted)
    one.explain({KGS: "not asked", TMT: "timed out"})
    one.apply(ONE, [(KGS, Row(ONE, "kgs 1"))], now=NOON)
    return one


@pytest.mark.parametrize("cursor", [None, NOWHERE, ONE])
def test_a_reader_is_told_what_is_awaited_as_it_asked_for_it_and_why(cursor: Cursor | None) -> None:
    one = half_full()

    assert one.since(cursor).awaited == ((TMT, "timed out"),)
    assert one.since(cursor, [KGS]).awaited == ()
    assert one.since(cursor, [KGS.inverse, TMT.inverse]).awaited == ((TMT.inverse, "timed out"),)
    assert mirror().since(cursor).awaited == ()
    assert Mirror[str]([KGS], inverted).since(cursor).awaited == ((KGS, NOT_YET),)


def test_an_item_ends_the_wait_and_a_new_epoch_begins_it() -> None:
    one, later = half_full(), Cursor(2000, 1)

    one.apply(TWO, [(TMT, Row(TWO, "tmt 1"))], now=NOON)
    assert one.since(None).awaited == one.current([TMT]).awaited == ()
    one.apply(later, [(TMT, Row(later, "tmt 2"))], now=NOON)
    assert one.since(None).awaited == ((KGS, "not asked"),)


def test_what_is_awaited_follows_the_symbols_that_are_served() -> None:
    one, eur = half_full(), Pair("EUR", "USD")
    one.explain({KGS: "not asked", TMT: "timed out", eur: "on hold"})

    one.serve([KGS, eur], [], now=NOON)
    assert one.since(None).awaited == ((eur, "on hold"),)
    one.serve([KGS], [], now=NOON)
    assert one.since(None).awaited == ()


def test_only_a_new_reason_of_what_is_awaited_is_news() -> None:
    one = half_full()

    assert one.explain({KGS: "timed out", TMT: "timed out"}) == frozenset()
    before = one.version
    assert one.explain({KGS: "not asked", TMT: "answered 503"}) == {TMT}
    assert one.version != before
    assert (one.current([TMT]).items, one.current([TMT]).awaited) == ((), ((TMT, "answered 503"),))
    assert one.current([KGS, TMT]).items == ("kgs 1",)


@settings(deadline=None)
@given(
    publications=st.lists(st.sets(st.sampled_from([KGS, TMT]), min_size=1), max_size=20),
    reads=st.sets(st.integers(0, 20)),
)
def test_a_reader_that_comes_and_goes_ends_with_the_mirror_s_state_and_sees_no_step_back(
    publications: list[set[Pair]], reads: set[int]
) -> None:
    one: Mirror[tuple[Pair, int]] = Mirror([KGS, TMT], inverted)
    seen: dict[Pair, int] = {}
    cursor = None
    for number, symbols in enumerate(publications):
        at = Cursor(1000, number + 1)
        one.apply(at, [(symbol, Row(at, (symbol, number))) for symbol in symbols], now=NOON)
        if number in reads or number == len(publications) - 1:
            delta = one.since(cursor)
            cursor = delta.cursor
            for symbol, value in delta.items:
                assert value >= seen.get(symbol, -1)
                seen[symbol] = value

    assert seen == dict(one.since(None).items)


# The other way round.

USD_KGS = KGS.inverse


@pytest.mark.parametrize("cursor", [None, NOWHERE, ONE, TWO])
def test_a_reverse_symbol_is_read_like_the_symbol(cursor: Cursor | None) -> None:
    one = mirror()
    plain, reverse = one.since(cursor, [KGS]), one.since(cursor, [USD_KGS])

    assert (reverse.kind, reverse.cursor) == (plain.kind, plain.cursor)
    assert reverse.items == tuple(map(inverted, plain.items))
    assert one.since(None, [TMT, USD_KGS, KGS]).items == ("tmt 1", "1/(kgs 2)", "kgs 2")
    assert one.get(USD_KGS) == "1/(kgs 2)"


def test_an_item_is_inverted_once_until_it_changes() -> None:
    asked: list[str] = []
    one: Mirror[str] = Mirror([KGS, TMT], lambda item: asked.append(item) or f"1/{item}")  # type: ignore[func-returns-value]
    one.apply(ONE, [(KGS, due(ONE, "kgs"))], now=NOON)
    assert asked == []

    for _ in range(3):
        assert (one.get(USD_KGS), one.current([USD_KGS]).items) == ("1/kgs", ("1/kgs",))
    one.look(LATER)
    assert (one.get(USD_KGS), one.get(USD_KGS)) == ("1/kgs, late", "1/kgs, late")
    one.apply(TWO, [(KGS, Row(TWO, "newer"))], now=LATER)
    assert (one.get(USD_KGS), asked) == ("1/newer", ["kgs", "kgs, late", "newer"])
    assert one.since(None).items == ("newer",)


def test_a_reverse_symbol_that_is_configured_has_its_own_items() -> None:
    one: Mirror[str] = Mirror([KGS, USD_KGS], inverted)
    one.apply(ONE, [(KGS, Row(ONE, "kgs"))], now=NOON)
    assert (one.get(USD_KGS), one.since(None, [USD_KGS]).items) == (None, ())

    one.apply(TWO, [(USD_KGS, Row(TWO, "usd"))], now=NOON)
    assert (one.get(USD_KGS), one.get(KGS), one.since(ONE, [USD_KGS, KGS]).items) == ("usd", "kgs", ("usd",))


def test_a_reverse_symbol_is_late_when_the_symbol_is() -> None:
    one = with_a_due_one()
    assert not one.is_late(USD_KGS)
    assert one.look(LATER) == {KGS}

    assert (one.is_late(KGS), one.is_late(USD_KGS), one.is_late(TMT.inverse)) == (True, True, False)
    assert one.since(ONE, [USD_KGS, TMT.inverse]).items == ("1/(kgs, late)",)
    one.look(NOON)
    assert one.since(ONE, [USD_KGS]).items == ("1/(kgs)",)


# What is late.


def due(at: Cursor, name: str, moment: datetime = NOON + timedelta(hours=1)) -> Row[str]:
    return Row(at, name, moment, f"{name}, late")


def with_a_due_one() -> Mirror[str]:
    """TMT is published and never late; KGS is late from one o'clock on."""
    one: Mirror[str] = Mirror([KGS, TMT], inverted)
    one.apply(ONE, [(KGS, due(ONE, "kgs")), (TMT, Row(ONE, "tmt"))], now=NOON)
    return one


def test_an_item_is_late_from_its_moment_on() -> None:
    one = with_a_due_one()
    moment = one.next_due
    assert moment == NOON + timedelta(hours=1)

    assert one.look(moment - timedelta.resolution) == frozenset()
    assert (one.get(KGS), one.since(None).items) == ("kgs", ("kgs", "tmt"))
    assert one.look(moment) == {KGS}
    assert (one.get(KGS), one.since(None).items) == ("kgs, late", ("kgs, late", "tmt"))
    assert (one.look(LATER), one.next_due) == (frozenset(), None)


def test_whoever_comes_back_is_told_again_what_is_late_with_the_same_cursor() -> None:
    one = with_a_due_one()
    one.look(LATER)

    delta = one.since(ONE)

    assert (delta.kind, delta.cursor, delta.items) == ("update", ONE, ("kgs, late",))
    assert one.since(ONE, [TMT]).items == ()


def test_a_clock_that_is_set_back_gives_back_what_was_published() -> None:
    one = with_a_due_one()
    one.look(LATER)

    assert one.look(NOON) == {KGS}
    assert (one.get(KGS), one.next_due) == ("kgs", NOON + timedelta(hours=1))
    # Whoever was told that it is late must be told that it is not.
    assert one.since(ONE).items == ("kgs",)


def test_a_newer_publication_ends_the_lateness_and_one_that_is_late_already_begins_with_it() -> None:
    one = with_a_due_one()
    one.look(LATER)

    one.apply(TWO, [(KGS, due(TWO, "newer", LATER + timedelta(days=1)))], now=LATER)
    assert (one.late, one.since(ONE).items, one.since(TWO).items) == (frozenset(), ("newer",), ())
    one.apply(THREE, [(KGS, due(THREE, "old"))], now=LATER)
    assert (one.late, one.since(TWO).items, one.look(LATER)) == ({KGS}, ("old, late",), frozenset())
    # Another server, whose clock is behind, may have told it as it was published.
    assert one.since(THREE).items == ("old, late",)


def test_a_new_epoch_forgets_what_was_late() -> None:
    one, first = with_a_due_one(), Cursor(2000, 1)
    one.look(LATER)

    one.apply(first, [(TMT, Row(first, "tmt new"))], now=LATER)

    assert (one.late, one.since(first).items, one.next_due) == (frozenset(), (), None)


def test_the_version_changes_with_what_is_late_and_is_the_same_for_every_server() -> None:
    one, other = with_a_due_one(), with_a_due_one()
    before = one.version
    one.look(LATER)
    other.look(LATER)

    assert one.version == other.version != before
    one.look(NOON)
    assert one.version == before
