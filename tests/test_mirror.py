"""What a reader has not seen: the mirror."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticker.edge.mirror import Mirror
from ticker.rates.model import NOWHERE, Cursor, Pair

KGS, TMT = Pair("KGS", "USD"), Pair("TMT", "USD")
ONE, TWO, THREE = Cursor(1000, 1), Cursor(1000, 2), Cursor(1000, 3)


def mirror() -> Mirror[str]:
    one: Mirror[str] = Mirror([KGS, TMT])
    one.apply(ONE, [(KGS, ONE, "kgs 1"), (TMT, ONE, "tmt 1")])
    one.apply(TWO, [(KGS, TWO, "kgs 2")])
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
    one.apply(THREE, [(KGS, THREE, "kgs 3")])

    assert one.since(ONE).items == ("kgs 3",)


def test_an_older_publication_is_no_news() -> None:
    one = mirror()

    for older in (ONE, Cursor(999, 7)):
        assert one.apply(older, [(KGS, older, "kgs 1")]) == frozenset()
        assert (one.cursor, one.get(KGS), one.get(TMT)) == (TWO, "kgs 2", "tmt 1")


def test_a_new_epoch_voids_what_was_known() -> None:
    one, first = mirror(), Cursor(2000, 1)

    changed = one.apply(first, [(KGS, first, "kgs new")])

    assert (changed, one.since(TWO).kind, one.since(TWO).items) == ({KGS}, "snapshot", ("kgs new",))


def test_a_symbol_that_is_not_served_is_left_out() -> None:
    assert mirror().apply(THREE, [(Pair("EUR", "USD"), THREE, "eur")]) == frozenset()


def test_an_empty_mirror_gives_an_empty_snapshot() -> None:
    assert Mirror[str]([KGS]).since(None).cursor == NOWHERE


@settings(deadline=None)
@given(
    publications=st.lists(st.sets(st.sampled_from([KGS, TMT]), min_size=1), max_size=20),
    reads=st.sets(st.integers(0, 20)),
)
def test_a_reader_that_comes_and_goes_ends_with_the_mirror_s_state_and_sees_no_step_back(
    publications: list[set[Pair]], reads: set[int]
) -> None:
    one: Mirror[tuple[Pair, int]] = Mirror([KGS, TMT])
    seen: dict[Pair, int] = {}
    cursor = None
    for number, symbols in enumerate(publications):
        at = Cursor(1000, number + 1)
        one.apply(at, [(symbol, at, (symbol, number)) for symbol in symbols])
        if number in reads or number == len(publications) - 1:
            delta = one.since(cursor)
            cursor = delta.cursor
            for symbol, value in delta.items:
                assert value >= seen.get(symbol, -1)
                seen[symbol] = value

    assert seen == dict(one.since(None).items)
