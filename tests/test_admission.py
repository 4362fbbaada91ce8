"""Who may come in, and who a client behind a proxy is: rules and parsers without a socket."""

from __future__ import annotations

import random
import struct
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ticker.config import LimitSettings, ServerSettings
from ticker.edge import proxy
from ticker.edge.admission import Admission, Refused
from ticker.metrics import Count, Tally

PROXY = ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"), ip_network("127.0.0.0/8")


def admission(*, origins: tuple[str, ...] = (), **limits: int) -> Admission:
    server = ServerSettings(trusted_proxies=PROXY, origins=origins)
    return Admission(server, LimitSettings(**limits), Tally.alone())


# Who a client is.


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.7", "192.0.2.1"),
        ("10.1.2.3", "203.0.113.7", "203.0.113.7"),
        ("::ffff:10.1.2.3", "203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:ffff::1", "203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "198.51.100.1,203.0.113.7, 10.9.9.9 ,127.0.0.1", "203.0.113.7"),
        ("10.1.2.3", "nonsense, 203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "203.0.113.7:4711", "203.0.113.7"),
        ("10.1.2.3", "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        ("10.1.2.3", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "", "fe80::/64"),
        ("::1", "", "::/64"),
        ("10.1.2.3", "", ""),
        ("10.1.2.3", "10.4.5.6, 127.0.0.1", ""),
        ("10.1.2.3", "203.0.113.7, unknown", ""),
        ("10.1.2.3", "203.0.113.7, _hidden", ""),
        ("10.1.2.3", "203.0.113.7,", ""),
        ("10.1.2.3", "203.0.113.7.9", ""),
        ("", "203.0.113.7", ""),
        ("/run/edge.sock", "203.0.113.7", ""),
    ],
)
def test_a_client_is_the_last_address_that_no_trusted_proxy_has(
    peer: str, forwarded: str, address: str
) -> None:
    assert admission().client(peer, forwarded) == address


@given(said=some.text(max_size=60), client=some.ip_addresses(v=4), hops=some.integers(0, 3))
def test_what_a_client_says_of_itself_changes_nothing(said: str, client: IPv4Address, hops: int) -> None:
    gate = admission()
    if gate.is_trusted(str(client)):
        return
    forwarded = ", ".join([said, str(client), *(f"10.0.0.{hop}" for hop in range(hops))])

    assert gate.client("10.1.2.3", forwarded) == str(client)
    assert gate.client(str(client), said) == str(client)


@given(some.ip_addresses(v=6), some.integers(0, 2**64 - 1))
def test_a_household_has_one_network(address: IPv6Address, other: int) -> None:
    if address.ipv4_mapped:
        return
    neighbour = IPv6Address(int(address) >> 64 << 64 | other)
    gate = Admission(ServerSettings(trusted_proxies=()), LimitSettings(), Tally.alone())

    assert gate.client(str(address), "") == gate.client(str(neighbour), "")
    assert address in ip_network(gate.client(str(address), ""))


@given(peer=some.text(max_size=40), forwarded=some.text(max_size=200))
def test_nothing_that_a_client_is_called_is_a_fault(peer: str, forwarded: str) -> None:
    admission().client(peer, forwarded)
    admission().client("10.1.2.3", forwarded)


# How many.


def test_the_places_are_counted_in_all_and_for_each_address() -> None:
    gate = admission(subscribers=4, subscribers_per_address=2)
    for address in ("one", "one", "two", ""):
        gate.enter(address)

    for address in ("one", "three", ""):
        with pytest.raises(Refused) as refused:
            gate.enter(address)
        assert (refused.value.status, 2 <= refused.value.retry_seconds <= 10) == (503, True)
    gate.leave("")
    with pytest.raises(Refused, match="your address"):
        gate.enter("one")
    gate.enter("two")
    gate.leave("one")
    gate.enter("one")


def test_a_proxy_that_does_not_say_for_whom_it_asks_is_nobody_s_address() -> None:
    gate = admission(subscribers=50, subscribers_per_address=1)
    for _ in range(50):
        gate.enter("")

    with pytest.raises(Refused, match="the limit of subscribers is reached"):
        gate.enter("")


@given(some.randoms(use_true_random=False))
def test_no_place_is_lost_or_won_by_coming_and_going(chance: random.Random) -> None:
    gate, inside = admission(subscribers=9, subscribers_per_address=3), list[str]()
    for _ in range(60):
        address = chance.choice(["", "one", "two", "three", "four"])
        if inside and chance.random() < 0.4:
            gate.leave(inside.pop(chance.randrange(len(inside))))
            continue
        fits = len(inside) < 9 and (not address or inside.count(address) < 3)
        try:
            gate.enter(address)
        except Refused:
            assert not fits
        else:
            assert fits
            inside.append(address)
    for address in inside:
        gate.leave(address)

    assert (gate._size, gate._inside) == (0, {})


@given(
    pauses=some.lists(some.floats(0, 3) | some.just(0.0), max_size=120),
    rate=some.integers(1, 20),
    at_once=some.integers(1, 30),
)
def test_no_more_handshakes_than_were_saved_up(pauses: list[float], rate: int, at_once: int) -> None:
    gate = admission(handshakes_per_second=rate, handshakes_at_once=at_once)
    now, came = 1000.0, list[float]()
    for pause in pauses:
        now += pause
        if gate.handshake(now):
            came.append(now)

    for first in range(len(came)):
        for last in range(first, len(came)):
            assert last - first + 1 <= at_once + (came[last] - came[first]) * rate + 1e-6


@given(rate=some.integers(1, 50), at_once=some.integers(1, 50))
def test_handshakes_are_saved_up_again(rate: int, at_once: int) -> None:
    gate = admission(handshakes_per_second=rate, handshakes_at_once=at_once)

    for round_at in (5000.0, 5000.0 + at_once / rate + 0.001, 9000.0):
        assert [gate.handshake(round_at) for _ in range(at_once + 1)] == [True] * at_once + [False]
    assert not gate.handshake(9000.0 + 0.5 / rate)
    assert gate.handshake(9000.0 + 1.001 / rate)
    assert gate._tally.total(Count.REFUSED_RATE) == 4


def test_a_script_of_another_site_may_not_read_where_there_is_a_list() -> None:
    gate = admission(origins=("https://news.example", "http://localhost:3000"))

    for origin in (None, "https://news.example", "http://localhost:3000"):
        gate.check_origin(origin)
        admission().check_origin("https://anybody.example")
    for origin in ("", "null", "https://news.example.org", "http://news.example", "https://news.example:444"):
        with pytest.raises(Refused) as refused:
            gate.check_origin(origin)
        assert (refused.value.status, refused.value.retry_seconds) == (403, 0)


# The PROXY header.


def line(*words: object) -> bytes:
    return (" ".join(map(str, ("PROXY", *words))) + "\r\n").encode()


def binary(command: int, family: int, body: bytes, *, version: int = 2) -> bytes:
    return (
        proxy.SIGNATURE
        + bytes([version << 4 | command, family << 4 | 1])
        + struct.pack("!H", len(body))
        + body
    )


ports = some.integers(0, 65535)


@some.composite
def headers(draw: some.DrawFn) -> tuple[bytes, str]:
    """A PROXY header of either version, and the client that it names."""
    kind = draw(some.sampled_from(["line", "binary", "unknown", "local", "socket", "unspecified"]))
    addresses = draw(some.sampled_from([some.ip_addresses(v=4), some.ip_addresses(v=6)]))
    client, server = draw(addresses), draw(addresses)
    version = client.version
    one, two = draw(ports), draw(ports)
    extra = draw(some.binary(max_size=40))
    packed = client.packed + server.packed + struct.pack("!HH", one, two) + extra
    if kind == "line":
        return line(f"TCP{version}", client, server, one, two), str(client)
    if kind == "binary":
        return binary(1, 1 if version == 4 else 2, packed), str(client)
    return {
        "unknown": line("UNKNOWN", *draw(some.sampled_from([(), (client, server, one, two)]))),
        "local": binary(0, draw(some.integers(0, 15)), extra),
        "socket": binary(1, 3, b"/run/one".ljust(108, b"\0") + b"/run/two".ljust(108, b"\0")),
        "unspecified": binary(1, 0, extra),
    }[kind], ""


@given(headers(), some.binary(max_size=40))
def test_a_proxy_header_names_the_client_and_ends_where_it_ends(
    header: tuple[bytes, str], rest: bytes
) -> None:
    data, client = header

    assert proxy.read(data + rest) == (client, len(data))


@given(headers(), some.data())
def test_a_proxy_header_may_come_in_pieces(header: tuple[bytes, str], cut: some.DataObject) -> None:
    data, _ = header

    assert proxy.read(data[: cut.draw(some.integers(0, len(data) - 1))]) is None


@given(headers(), some.data())
def test_a_damaged_proxy_header_is_read_or_refused(
    header: tuple[bytes, str], damage: some.DataObject
) -> None:
    data = bytearray(header[0])
    for _ in range(damage.draw(some.integers(1, 3))):
        data[damage.draw(some.integers(0, len(data) - 1))] = damage.draw(some.integers(0, 255))
    try:
        found = proxy.read(bytes(data))
    except proxy.BadHeader:
        return

    assert found is None or found[1] <= len(data)


@given(some.binary(max_size=300) | some.binary(max_size=200).map(lambda rest: b"PROXY " + rest))
def test_whatever_comes_instead_of_a_proxy_header_is_no_fault(data: bytes) -> None:
    try:
        found = proxy.read(data)
    except proxy.BadHeader:
        return

    assert found is None or found[1] <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"PROXY\r\n",
        line("TCP4", "192.0.2.1"),
        line("TCP4", "192.0.2.1", "192.0.2.2", 1, 2, 3),
        line("TCP4", "2001:db8::1", "2001:db8::2", 1, 2),
        line("TCP6", "192.0.2.1", "192.0.2.2", 1, 2),
        line("TCP4", "192.0.2.256", "192.0.2.2", 1, 2),
        line("TCP4", "", "192.0.2.2", 1, 2),
        line("TCP5", "192.0.2.1", "192.0.2.2", 1, 2),
        line("UDP4", "192.0.2.1", "192.0.2.2", 1, 2),
        line(""),
        b"PROXY UNKNOWN " + b"x" * 93,
        proxy.SIGNATURE[:11] + b"x",
        binary(1, 1, b"x" * 12, version=1),
        binary(1, 1, b"x" * 12, version=3),
        binary(2, 1, b"x" * 12),
        binary(1, 1, b"x" * 11),
        binary(1, 2, b"x" * 35),
    ],
    ids=range(19),
)
def test_what_is_no_proxy_header_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(proxy.BadHeader, match="PROXY"):
        proxy.read(data)


def test_the_longest_line_fits() -> None:
    longest = line(
        "TCP6", *["ffff:f...f:ffff".replace("f...f", "ffff:ffff:ffff:ffff:ffff:ffff")] * 2, 65535, 65535
    )
    assert len(longest) == 104

    assert proxy.read(longest) == ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 104)
    assert proxy.read(b"PROXY UNKNOWN ".ljust(105, b"x") + b"\r\n") == ("", 107)
