"""Admission: the limits in all, per address and per second; and the address of a client behind a proxy."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ticker.config import LimitSettings, ServerSettings
from ticker.metrics import Count, Tally

SOONEST_SECONDS, LATEST_SECONDS = 2, 10
"""Seconds after which refused clients should retry. Drawn at random, so that they do not return at once."""


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """A client is refused. The words are for the client; `retry_seconds` is 0 if the refusal is final."""

    status: int
    detail: str
    retry_seconds: int = 0


class Admission:
    """
    Counts the subscribers.

    An address stands for one client or household: a whole IPv4 address, or a /64 of IPv6.
    """

    def __init__(self, server: ServerSettings, limits: LimitSettings, tally: Tally) -> None:
        self._server = server
        self.limits = limits
        self._tally = tally
        self._inside: dict[str, int] = {}
        self._size = 0
        self._saved = float(limits.handshakes_at_once)
        self._saved_at = 0.0
        self.is_trusted = lru_cache(maxsize=4096)(self._is_trusted)

    def handshake(self, now: float) -> bool:
        """Whether one more connection may be opened at `now` (seconds, a steady clock): a token bucket."""
        earned = (now - self._saved_at) * self.limits.handshakes_per_second
        self._saved = min(self._saved + earned, self.limits.handshakes_at_once)
        self._saved_at = now
        if self._saved < 1:
            self._tally.add(Count.REFUSED_RATE)
            return False
        self._saved -= 1
        return True

    def client(self, peer: str, forwarded: str) -> str:
        """
        The address for which a connection counts; empty if a proxy does not name its client.

        Each proxy appends its peer to X-Forwarded-For (`forwarded`). The last entry that is not a trusted
        proxy is the last one that can be believed; everything before it was written by that client.
        """
        if not self.is_trusted(peer):
            return _household(peer)
        if not forwarded:
            return ""
        for each in reversed(forwarded.split(",")):
            address = _without_port(each.strip())
            if not _is_address(address):
                return ""
            if not self.is_trusted(address):
                return _household(address)
        return ""

    def check_origin(self, origin: str | None) -> None:
        """
        Raise Refused for a script of a site that is not allowed.

        A request without an Origin is not from a script.
        """
        if self._server.origins and origin is not None and origin not in self._server.origins:
            self._tally.add(Count.REFUSED_ORIGIN)
            raise Refused(403, f"{origin:.100} is not allowed to read here (server.origins)")

    def enter(self, address: str) -> None:
        """Count one more subscriber. Raises Refused."""
        if self._size >= self.limits.subscribers:
            self._tally.add(Count.REFUSED_FULL)
            raise Refused(503, "the limit of subscribers is reached", retry_after())
        if address and self._inside.get(address, 0) >= self.limits.subscribers_per_address:
            self._tally.add(Count.REFUSED_ADDRESS)
            raise Refused(503, "the limit of subscribers from your address is reached", retry_after())
        self._size += 1
        if address:
            self._inside[address] = self._inside.get(address, 0) + 1

    def leave(self, address: str) -> None:
        """Count one subscriber less."""
        self._size -= 1
        if not address:
            return
        self._inside[address] -= 1
        if not self._inside[address]:
            del self._inside[address]

    def _is_trusted(self, peer: str) -> bool:
        if not _is_address(peer):
            return False
        address = _parsed(peer)
        return any(address in network for network in self._server.trusted_proxies)


def retry_after() -> int:
    """Seconds after which a refused client may retry."""
    return random.randint(SOONEST_SECONDS, LATEST_SECONDS)  # noqa: S311 - spreads load, guards nothing


def _parsed(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_address(text: str) -> bool:
    try:
        _parsed(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def _household(text: str) -> str:
    if not _is_address(text):
        return ""
    address = _parsed(text)
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address) >> 64 << 64, 64)))


def _without_port(text: str) -> str:
    """Some proxies write the port as well: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
