"""
Reads `redis.url`: the server, the user, with TLS or without. Pure.

No error repeats the address, because a mistyped one may have a password anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote

Kind = Literal["server", "socket", "sentinel", "cluster"]
Host = tuple[str, int]

_KINDS: Mapping[str, tuple[Kind, bool]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("socket", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_FORMS = {
    "server": "redis://[USER:PASSWORD@]HOST:PORT[/DB]",
    "socket": "unix:///PATH[?db=DB]",
    "sentinel": "redis+sentinel://[USER:PASSWORD@]HOST:PORT[,HOST:PORT]/SERVICE[/DB]",
    "cluster": "redis+cluster://[USER:PASSWORD@]HOST:PORT[,HOST:PORT]",
}
_PORTS = {"sentinel": 26379}
_TLS = {
    "ssl_ca_certs": "a file",
    "ssl_certfile": "a file",
    "ssl_keyfile": "a file",
    "ssl_check_hostname": "true or false",
    "ssl_cert_reqs": "required or none",
}
"""The options of TLS, and the permitted values of each."""
FILES = frozenset(name for name, what in _TLS.items() if what == "a file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a Redis is, and how to log in."""

    kind: Kind
    is_tls: bool = False
    hosts: tuple[Host, ...] = ()
    """The server; or the sentinels, or the nodes of a cluster, of which any may be away."""
    path: str = ""
    """The path of the socket."""
    service: str = ""
    """The sentinels' name for the server."""
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Mapping[str, str | bool] = field(default_factory=dict)
    """The options of TLS by their names in redis-py."""


def read(url: str) -> Address:
    """Parse an address. Raises ValueError in words, which never have a part of a password."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme not in _KINDS:
        raise ValueError(
            "it must begin with one of redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, "
            "redis+cluster://, rediss+cluster://"
        )
    kind, is_tls = _KINDS[scheme]
    place, _, query = rest.partition("?")
    authority, slash, path = place.partition("/")
    user, _, hosts = authority.rpartition("@")
    if "@" in path + query or "#" in rest:
        raise ValueError("in a password, write / as %2F, ? as %3F, # as %23 and @ as %40")
    username, _, password = user.partition(":")
    options = dict(_options(query, kind, is_tls=is_tls))
    service, database = _path(kind, path, options.pop("db", None))
    return Address(
        kind=kind,
        is_tls=is_tls,
        hosts=() if kind == "socket" else tuple(_hosts(kind, hosts)),
        path=_socket(hosts, slash + path) if kind == "socket" else "",
        service=service,
        database=database,
        username=unquote(username),
        password=unquote(password),
        tls={name: _tls(name, value) for name, value in options.items()},
    )


def _hosts(kind: Kind, text: str) -> Iterator[Host]:
    several = text.split(",")
    if kind == "server" and len(several) > 1:
        raise ValueError("several hosts are for redis+sentinel:// or redis+cluster://")
    for each in several:
        # [::1]:6379, or a name, or an IPv4 address.
        found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]*))(?::([0-9]{1,5}))?", each)
        name = found and (found[1] or found[2] or ("localhost" if kind == "server" else ""))
        port = int(found[3] or _PORTS.get(kind, 6379)) if found else 0
        if not found or not name or not 0 < port < 65536:
            raise ValueError(
                f"its host or port can't be read: write {_FORMS[kind]}. In a password, write / as %2F"
            )
        yield name, port


def _socket(host: str, path: str) -> str:
    if host or len(path) < 2:
        raise ValueError(f"the path of the socket is missing: write {_FORMS['socket']}")
    return unquote(path)


def _path(kind: Kind, path: str, database: str | None) -> tuple[str, int]:
    """The service of the sentinels and the database."""
    if kind == "socket":
        return "", _number(database or "0")
    service, _, number = path.partition("/") if kind == "sentinel" else ("", "", path.rstrip("/"))
    if kind == "sentinel" and not service:
        raise ValueError(f"the name of the service is missing: write {_FORMS[kind]}")
    if database is not None and number:
        raise ValueError("it has two databases, in its path and as ?db=")
    found = _number(number or database or "0")
    if kind == "cluster" and found:
        raise ValueError("a Cluster has no databases: remove it")
    return unquote(service), found


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("its database is not a number")
    return int(text)


def _options(query: str, kind: Kind, *, is_tls: bool) -> Iterator[tuple[str, str]]:
    """The options after `?`. Unknown ones would become arguments of the client, or be ignored."""
    seen = set()
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in seen:
            raise ValueError(f"?{name}= appears twice")
        if name in _TLS and not is_tls:
            raise ValueError(f"?{name}= is for TLS: write rediss instead of redis")
        if name in ("ssl", "tls"):
            raise ValueError(f"?{name}= is not an option: for TLS, write rediss:// instead of redis://")
        if name in ("username", "password"):
            raise ValueError(f"?{name}= is not an option: write {_FORMS[kind]}")
        if name != "db" and name not in _TLS:
            known = ", ".join(f"?{each}=" for each in ("db", *_TLS))
            raise ValueError(f"it has an unknown option; the options are {known}")
        seen.add(name)
        yield name, value


def _tls(name: str, value: str) -> str | bool:
    wanted = _TLS[name]
    if (wanted != "a file" and value.lower() not in wanted.split(" or ")) or not value:
        raise ValueError(f"?{name}= must be {wanted}")
    if name == "ssl_check_hostname":
        return value.lower() == "true"
    return value if wanted == "a file" else value.lower()
