"""
The PROXY header that a proxy puts before a connection, versions 1 (a line) and 2 (binary). Pure.

Rules: the PROXY protocol's own specification (haproxy.org, doc/proxy-protocol.txt, revision of 2020).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_LINE = 107
_PROXY, _INET, _INET6 = 1, 1, 2


class BadHeader(ValueError):
    """The bytes are not a PROXY header."""


def read(data: bytes) -> tuple[str, int] | None:
    """
    The client's address and the length of the header at the start of `data`; None if it is incomplete.

    The address is empty if the proxy speaks for itself (a health check) or does not know the client. Raises
    BadHeader.
    """
    if data[:12] == SIGNATURE[: len(data)]:
        return _read_binary(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _read_line(data)
    raise BadHeader("expected a PROXY header (server.proxy_protocol)")


def _read_line(data: bytes) -> tuple[str, int] | None:
    line, end, _ = data[:LONGEST_LINE].partition(b"\r\n")
    if not end:
        if len(data) >= LONGEST_LINE:
            raise BadHeader("the PROXY line is too long")
        return None
    words = line.decode("latin-1").split(" ")
    length = len(line) + 2
    if words[1] == "UNKNOWN":
        return "", length
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise BadHeader("the PROXY line is not one of version 1")
    try:
        address = ip_address(words[2])
    except ValueError as error:
        raise BadHeader(f"the PROXY line names no address: {error}") from None
    if isinstance(address, IPv4Address) != (words[1] == "TCP4"):
        raise BadHeader("the PROXY line names an address of another family")
    return str(address), length


def _read_binary(data: bytes) -> tuple[str, int] | None:
    if len(data) < 16:
        return None
    version, command, family = data[12] >> 4, data[12] & 15, data[13] >> 4
    length = 16 + int.from_bytes(data[14:16], "big")
    if version != 2 or command > _PROXY:
        raise BadHeader("the PROXY header is not one of version 2")
    if len(data) < length:
        return None
    body = data[16:length]
    if command != _PROXY:
        return "", length
    if family == _INET and len(body) >= 12:
        return str(IPv4Address(body[:4])), length
    if family == _INET6 and len(body) >= 36:
        return str(IPv6Address(body[:16])), length
    if family in (_INET, _INET6):
        raise BadHeader("the PROXY header is too short for its addresses")
    return "", length
