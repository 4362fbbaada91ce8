"""The listening sockets: their addresses, and how several processes share them."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from itertools import chain

from ticker.config import ServerSettings

SPREADS = sys.platform == "linux"
"""Whether the kernel spreads connections over sockets that share a port."""
BACKLOG = 4096
"""Connections that the kernel queues while we are busy; the system may allow fewer (net.core.somaxconn)."""
Address = tuple[str | int | bytes, ...]
Place = tuple[socket.AddressFamily, Address]


class PortBusy(Exception):
    """The port is not available. Says which, why and what to do."""


def listeners(server: ServerSettings, count: int = 1) -> list[tuple[socket.socket, ...]]:
    """
    As many sets of listening sockets on the port as asked for, each with one socket per address of the host.

    On Linux several sets share the port (SO_REUSEPORT), and the kernel spreads the connections over them.
    Elsewhere one set would get all of them, so there is one set, from which all processes accept. A port of 0
    is chosen once for all. Raises PortBusy.
    """
    with ExitStack() as opened:

        def bound(family: socket.AddressFamily, address: Address, *, shared: bool = False) -> socket.socket:
            return opened.enter_context(_bound(family, address, shared=shared))

        try:
            addresses = _addresses(server.host, server.port)
            # A process that already shares the port would take some of our connections, so the port must be
            # free first.
            sets = [tuple(bound(family, address) for family, address in addresses)]
            if count > 1 and SPREADS:
                port = sets[0][0].getsockname()[1]
                opened.close()
                sets = [
                    tuple(
                        bound(family, (address[0], port, *address[2:]), shared=True)
                        for family, address in addresses
                    )
                    for _ in range(count)
                ]
            else:
                sets *= count
            for each in chain.from_iterable(sets):
                each.listen(BACKLOG)
        except OSError as error:
            raise PortBusy(_busy(server.host, server.port, error)) from None
        opened.pop_all()
    return sets


def rebound(places: Iterable[Place]) -> tuple[socket.socket, ...]:
    """
    A set on the addresses of an earlier one, beside others that share them. Raises OSError.

    It gets no connection before a process listens on it.
    """
    return tuple(_bound(family, address, shared=True) for family, address in places)


def _addresses(host: str, port: int) -> list[Place]:
    with suppress(ValueError):
        # A numeric address needs no name server, which may not answer.
        family = socket.AF_INET if ip_address(host).version == 4 else socket.AF_INET6
        return [(family, (host, port))]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    distinct: dict[Place, None] = {(family, address): None for family, _, _, _, address in found}
    # A free port is chosen once, and only one family can choose it.
    return list(distinct) if port else list(distinct)[:1]


def _bound(family: socket.AddressFamily, address: Address, *, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Taken over by every accepted connection.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setblocking(False)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def address_of(host: str, listening: tuple[socket.socket, ...]) -> str:
    """`http://HOST:PORT/` as a person can open it. A wildcard address is shown as loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{listening[0].getsockname()[1]}/"


def _busy(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{host}:{port} is in use by another process: choose another port (--port, server.port)"
    if error.errno == errno.EACCES:
        return f"{host}:{port} needs privileges that this user lacks: choose a port above 1023"
    return f"can't listen on {host}:{port}: {error.strerror or error}"
