"""Many sockets behind one descriptor, by each of the selectors that a system may have."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from stage import until

from ticker.edge.sockets import AT_ONCE, Epoll, Portable, Selector, Sockets

TOO_MUCH = b"x" * 10_000_000


class Listener:
    """Keeps what came; may do something else instead."""

    def __init__(self, sockets: Sockets, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = b""
        self.writes = 0
        self.is_abandoned = False
        self.instead: Callable[[], None] | None = None
        self._sockets = sockets

    def readable(self) -> None:
        if self.instead:
            self.instead()
        self.heard += self.sock.recv(10)

    def writable(self) -> None:
        self.writes += 1
        self._sockets.change(self.sock, writing=False)

    def abandon(self) -> None:
        self.is_abandoned = True
        self._sockets.forget(self.sock)


class Street:
    """Pairs of sockets: ours, which are watched, and those of the other side."""

    def __init__(self, sockets: Sockets) -> None:
        self.sockets = sockets
        self.all: list[socket.socket] = []

    def pair(self) -> tuple[Listener, socket.socket]:
        ours, theirs = socket.socketpair()
        for each in (ours, theirs):
            each.setblocking(False)
        self.all += [ours, theirs]
        listener = Listener(self.sockets, ours)
        self.sockets.watch(ours, listener)
        return listener, theirs


@pytest.fixture(params=[Epoll, Portable])
async def street(request: pytest.FixtureRequest) -> AsyncIterator[Street]:
    selector: Selector = request.param()
    sockets = Sockets(selector)
    sockets.open()
    street = Street(sockets)
    yield street
    sockets.close()
    for each in street.all:
        each.close()


async def test_the_owner_is_told_what_comes_until_it_is_forgotten(street: Street) -> None:
    (one, their_one), (_, their_other) = street.pair(), street.pair()
    their_one.send(b"a")
    await until(lambda: one.heard == b"a")

    street.sockets.forget(one.sock)
    street.sockets.forget(one.sock)
    their_one.send(b"b")
    their_other.send(b"c")
    await asyncio.sleep(0.05)
    assert one.heard == b"a"


async def test_the_owner_is_told_once_when_the_kernel_takes_bytes_again(street: Street) -> None:
    listener, theirs = street.pair()
    assert listener.sock.send(TOO_MUCH) < len(TOO_MUCH)
    street.sockets.change(listener.sock, writing=True)
    await asyncio.sleep(0.05)
    assert not listener.writes

    with suppress(BlockingIOError):
        while theirs.recv(1_000_000):
            pass
    await until(lambda: listener.writes)
    await asyncio.sleep(0.05)
    assert listener.writes == 1


async def test_the_other_side_s_end_is_something_to_read(street: Street) -> None:
    listener, theirs = street.pair()
    ended: list[bytes] = []
    listener.instead = lambda: ended.append(listener.sock.recv(10)) or street.sockets.forget(listener.sock)
    theirs.close()

    await until(lambda: ended == [b""])


async def test_a_crowd_lets_the_loop_do_other_work_in_between_and_nobody_waits_for_ever(
    street: Street,
) -> None:
    crowd = [street.pair() for _ in range(2 * AT_ONCE)]
    for _, theirs in crowd:
        theirs.send(b"a")

    turns = [0]
    while not all(listener.heard for listener, _ in crowd):
        await asyncio.sleep(0)
        turns.append(sum(bool(listener.heard) for listener, _ in crowd))
        assert len(turns) < 100
    assert max(after - before for before, after in pairwise(turns)) == AT_ONCE


async def test_everybody_gets_a_turn_though_those_before_never_rest(street: Street) -> None:
    crowd = [street.pair() for _ in range(3 * AT_ONCE + 5)]
    for _, theirs in crowd:
        # Of all that lies there, ten bytes are read in a turn.
        theirs.send(b"x" * 1000)
    turns = 0
    while not all(listener.heard for listener, _ in crowd):
        await asyncio.sleep(0)
        turns += 1
        assert turns < 20
    assert max(len(listener.heard) for listener, _ in crowd) < 200


async def test_who_closed_another_s_socket_in_its_turn_harms_nobody(street: Street) -> None:
    (one, their_one), (two, their_two) = street.pair(), street.pair()

    def close(other: Listener) -> None:
        street.sockets.forget(other.sock)
        other.sock.close()

    one.instead, two.instead = (lambda: close(two)), (lambda: close(one))
    their_one.send(b"a")
    their_two.send(b"b")
    await until(lambda: one.heard or two.heard)
    await asyncio.sleep(0.02)
    assert sorted([one.heard, two.heard]) in ([b"", b"a"], [b"", b"b"])


async def test_a_fault_ends_one_connection_and_is_told(street: Street) -> None:
    (faulty, their_faulty), (other, their_other) = street.pair(), street.pair()
    told: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fail() -> None:
        raise ZeroDivisionError("never mind")

    faulty.instead = fail
    their_faulty.send(b"a")
    their_other.send(b"b")
    await until(lambda: other.heard == b"b")
    assert faulty.is_abandoned
    assert [context["message"] for context in told] == [
        "port: an internal error ended a connection: never mind"
    ]
