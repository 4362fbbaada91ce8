"""Checks of several keys together, and of keys that depend on what the sources publish."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from ipaddress import ip_address

from ticker.config.faults import Fault
from ticker.config.keys import Path
from ticker.config.settings import Policy, RedisSettings, ServerSettings, Settings, quoted
from ticker.rates.model import Pair
from ticker.sources import SOURCES
from ticker.store import address


def contradictions(settings: Settings, *, here: bool) -> Iterator[Fault]:
    """
    The faults of the settings as a whole.

    `here`: whether they are to serve on this machine, which must then have their host.
    """
    yield from _times(settings.server)
    yield from _addresses(settings.server)
    yield from _redis(settings.redis)
    yield from _policies(settings)
    yield from _currencies(settings)
    if here:
        yield from _host(settings.server)


def _times(server: ServerSettings) -> Iterator[Fault]:
    if server.silent_seconds <= server.heartbeat_seconds:
        yield Fault(
            ("server", "silent_seconds"),
            f"{server.silent_seconds} is not more than server.heartbeat_seconds = {server.heartbeat_seconds}",
            "Otherwise clients that answer every ping are disconnected. Write three times that value.",
            beside=(("server", "heartbeat_seconds"),),
        )


def _addresses(server: ServerSettings) -> Iterator[Fault]:
    host, _, port = server.admin.rpartition(":")
    same = {host.strip("[]"), server.host} & {"0.0.0.0", "::"} or host.strip("[]") == server.host  # noqa: S104
    if server.admin and same and int(port) == server.port != 0:
        yield Fault(
            ("server", "admin"),
            f"{server.admin} is also the address of server.host and server.port",
            f'Write another port, like "127.0.0.1:{9100 if server.port != 9100 else 9101}".',
            beside=(("server", "host"), ("server", "port")),
        )


def _redis(redis: RedisSettings) -> Iterator[Fault]:
    for name, url in ("url", redis.url), ("read_url", redis.read_url):
        try:
            if url not in ("", "embedded"):
                address.read(url)
        except ValueError as error:  # this text never has a part of a password
            yield Fault(("redis", name), f"this address can't be used: {error}", "")


def _policies(settings: Settings) -> Iterator[Fault]:
    if not isinstance(settings.policy, dict):
        yield from _policy(settings.policy, ("policy",))
        return
    symbols = [str(symbol) for symbol in settings.symbols]
    for symbol, policy in settings.policy.items():
        if symbol not in symbols:
            yield Fault(
                ("policy",),
                f"{symbol} is not one of the symbols",
                "Add it to `symbols`, or remove it.",
                beside=(("symbols",),),
            )
        yield from _policy(policy, ("policy",))


def _policy(policy: Policy, path: Path) -> Iterator[Fault]:
    for source in policy if isinstance(policy, tuple) else ():
        if source not in SOURCES:
            near = get_close_matches(source, SOURCES, n=1)
            meant = f"Did you mean {quoted(near[0])}? " if near else ""
            yield Fault(
                path, f"unknown source {quoted(source)}", f"{meant}The sources are {', '.join(SOURCES)}."
            )


# The lists of all sources together name every currency in use, also those of sources without a list.
_LISTED: frozenset[str] = frozenset[str]().union(*(source.currencies for source in SOURCES.values()))


def _currencies(settings: Settings) -> Iterator[Fault]:
    for place, symbol in enumerate(settings.symbols):
        for code in dict.fromkeys(symbol):
            if code not in _LISTED:
                yield Fault(("symbols", place), f"no source lists {code}", _meant(symbol, code))
    guard = settings.guard
    tables: dict[Path, Iterable[str]] = {
        ("guard", "tolerances"): guard.tolerances,
        ("guard", "bands"): guard.bands,
        ("pegs",): settings.pegs,
    }
    for path in [(*above, code) for above, codes in tables.items() for code in codes]:
        if path[-1] not in _LISTED:
            yield Fault(path, f"no source lists {path[-1]}", _near_code(str(path[-1])))


def _meant(symbol: Pair, code: str) -> str:
    near = _near(code)
    meant = str(symbol).replace(code, near)
    return f'Did you mean "{meant}"?' if near else "Name a currency that is in use (ISO 4217)."


def _near_code(code: str) -> str:
    near = _near(code)
    return f"Did you mean {near}?" if near else "Name a currency that is in use (ISO 4217)."


def _near(code: str) -> str:
    """The listed code that was meant: one with the same letters, or the most similar; ours come first."""
    ours = [source.authority_for for source in SOURCES.values() if source.authority_for]
    candidates = [*ours, *sorted(_LISTED.difference(ours))]
    same = [each for each in candidates if sorted(each) == sorted(code)]
    return next(iter([*same, *get_close_matches(code, candidates, n=1)]), "")


def _host(server: ServerSettings) -> Iterator[Fault]:
    try:
        family = socket.AF_INET if ip_address(server.host).version == 4 else socket.AF_INET6
    except ValueError:
        return  # a name is resolved when the port opens, because its server may be slow
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((server.host, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                yield Fault(
                    ("server", "host"),
                    f"{quoted(server.host)} is not an address of this machine",
                    'Write "127.0.0.1" for this machine only, or "0.0.0.0" for all its addresses.',
                )
