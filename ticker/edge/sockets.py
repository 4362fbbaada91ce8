"""
Many sockets behind one descriptor of the event loop.

A transport of asyncio takes over a kilobyte, and a few calls for every write. A hundred thousand subscribers
that mostly listen need neither. Our own selector watches their sockets, and the event loop watches the
selector.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import socket
from collections.abc import Callable
from typing import Protocol

AT_ONCE = 32
"""
Sockets that are served before the event loop's other work gets a turn.

An update from Redis needs several turns. With 256, a storm of 10,000 reconnects delayed an update by 170 ms,
with 32 by 45 ms (2026-11, when a handshake took 0.2 ms; it takes less than 0.1 ms now).
"""


class Owner(Protocol):
    """Reads and writes a socket. Both calls may come without need, and must not block."""

    def readable(self) -> None:
        """There is something to read, or the connection has ended."""

    def writable(self) -> None:
        """The kernel takes bytes again."""

    def abandon(self) -> None:
        """End the connection after an internal error."""


class Selector(Protocol):
    """The events that the kernel watches for, by descriptor."""

    def fileno(self) -> int: ...
    def watch(self, descriptor: int) -> None: ...
    def change(self, descriptor: int, *, writing: bool) -> None: ...
    def forget(self, descriptor: int) -> None: ...
    def ready(self, most: int) -> list[tuple[int, bool, bool]]: ...
    def close(self) -> None: ...


class Epoll:
    """Linux: the kernel returns as many ready sockets as asked for, in turn."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fileno, self.forget, self.close = self._epoll.fileno, self._epoll.unregister, self._epoll.close

    def watch(self, descriptor: int) -> None:
        self._epoll.register(descriptor, select.EPOLLIN)

    def change(self, descriptor: int, *, writing: bool) -> None:
        self._epoll.modify(descriptor, select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN)

    def ready(self, most: int) -> list[tuple[int, bool, bool]]:
        out = select.EPOLLOUT
        return [(each, bool(mask & ~out), bool(mask & out)) for each, mask in self._epoll.poll(0, most)]


class Portable:
    """Any system whose selector has a descriptor, such as kqueue's."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._turn = 0
        self.close, self.forget = self._selector.close, self._selector.unregister

    def fileno(self) -> int:
        return self._selector.fileno()

    def watch(self, descriptor: int) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ)

    def change(self, descriptor: int, *, writing: bool) -> None:
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.modify(descriptor, both if writing else selectors.EVENT_READ)

    def ready(self, most: int) -> list[tuple[int, bool, bool]]:
        read, write = selectors.EVENT_READ, selectors.EVENT_WRITE
        found = self._selector.select(0)
        # The order never changes: the sockets behind the first ones must get their turn, too.
        start = self._turn % len(found) if found else 0
        found = found[start : start + most]
        self._turn = start + len(found)
        return [(key.fd, bool(mask & read), bool(mask & write)) for key, mask in found]


class Sockets:
    """Calls the owner of each socket; `open` in the event loop, `close` at the end."""

    def __init__(self, selector: Selector | None = None) -> None:
        self._selector = selector or (Epoll() if hasattr(select, "epoll") else Portable())
        self._owners: dict[int, Owner] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._selector.fileno(), self._wake)

    def close(self) -> None:
        """Forget all sockets. Their owners close them."""
        if self._loop:
            self._loop.remove_reader(self._selector.fileno())
        self._owners.clear()
        self._selector.close()

    def watch(self, sock: socket.socket, owner: Owner) -> None:
        """Call the owner whenever there is something to read."""
        descriptor = sock.fileno()
        self._selector.watch(descriptor)
        self._owners[descriptor] = owner

    def change(self, sock: socket.socket, *, writing: bool) -> None:
        """Set whether the owner is also called when the kernel takes bytes."""
        self._selector.change(sock.fileno(), writing=writing)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching the socket; to be called before it is closed."""
        if self._owners.pop(sock.fileno(), None):
            self._selector.forget(sock.fileno())

    def _wake(self) -> None:
        for descriptor, readable, writable in self._selector.ready(AT_ONCE):
            # An owner served before may have closed this socket, and another may have its number by now. Then
            # the new owner is called without need, which is harmless.
            if readable and (owner := self._owners.get(descriptor)):
                self._serve(owner, owner.readable)
            if writable and (owner := self._owners.get(descriptor)):
                self._serve(owner, owner.writable)

    def _serve(self, owner: Owner, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # one owner's error must not end the others' turn, or repeat for ever
            owner.abandon()
            if self._loop:
                message = f"port: an internal error ended a connection: {error}"
                self._loop.call_exception_handler({"message": message, "exception": error})
