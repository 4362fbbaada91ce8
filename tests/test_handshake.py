"""
The quick reader of upgrades against `websockets`: whatever it reads, that one reads the same way.

`HEADS=100000 tests/run tests/test_handshake.py` compares so many heads (half a minute); the ordinary
run compares fewer.
"""

from __future__ import annotations

import os
import random
import re
import string
from collections import Counter
from collections.abc import Callable

import pytest

from ticker.edge.handshake import MOST_BYTES, MOST_FIELDS, Handshake, by_websockets, ordinary

HEADS = int(os.environ.get("HEADS", "20000"))
SEED = 17
NOW = 1_790_000_000
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = ("Host: h:80", "Upgrade: websocket", "Connection: Upgrade", KEY, "Sec-WebSocket-Version: 13")
CHROMIUM = (
    "Host: rates.example",
    "Connection: Upgrade",
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0",
    "Upgrade: websocket",
    "Origin: https://news.example",
    "Sec-WebSocket-Version: 13",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: ru,en-US;q=0.9,en;q=0.8",
    "Cookie: _ga=GA1.1.11; session=a%20b=",
    "Sec-WebSocket-Key: 3/8TZ0y2sqYSZQ2cGjYk6Q==",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
)
FIREFOX = (
    "Host: rates.example",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: */*",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Sec-WebSocket-Version: 13",
    "Origin: null",
    "Sec-WebSocket-Extensions: permessage-deflate",
    "Sec-WebSocket-Key: LzKZ1PJHlBxHQ8mWc3i1sQ==",
    "DNT: 1",
    "Connection: keep-alive, Upgrade",
    "Sec-Fetch-Dest: websocket",
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "Upgrade: websocket",
)
NODE = (
    "Sec-WebSocket-Version: 13",
    KEY,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Host: rates.example",
)
HAPROXY = (
    "host: rates.example",
    "upgrade: websocket",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version: 13",
    "x-forwarded-for: 192.0.2.1, 2001:db8::1",
    "connection: Upgrade",
)
NGINX = (
    "Upgrade: websocket",
    "Connection: upgrade",
    "Host: rates.example",
    "X-Real-IP: 192.0.2.7",
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Proto: https",
    KEY,
    "Sec-WebSocket-Version: 13",
)
CLIENTS = (UPGRADE, CHROMIUM, FIREFOX, NODE, HAPROXY, NGINX)
TARGETS = (
    "/v1/stream",
    "/v1/stream?symbols=KGS,TJS&cursor=1790000000000-1",
    "/v1/stream?symbols=KGS%2FUSD#x?y",
)
STRAY = (
    "Content-Length: 0",
    "Content-Length: 1",
    "Transfer-Encoding: chunked",
    "Sec-WebSocket-Protocol: ticker",
    "Sec-WebSocket-Protocol: a b",
    "Sec-WebSocket-Protocol:",
    "Sec-WebSocket-Extensions: ;;",
    "Expect: 100-continue",
    "Empty:",
    "X_Y-9: 1",
    "9: 1",
    "a!b: 1",
    "no colon",
    ": no name",
    "Space : before the colon",
    " Folded: line",
    "Origin: https://other.example",
    "X-Forwarded-For: 203.0.113.9",
    "Host: other.example",
    "Host:",
    "Upgrade: h2c",
    "Upgrade: WebSocket",
    "Connection: close",
    "Connection: Upgrade",
)
VALUES = (
    *("", " ", "websocket", "WebSocket", "websocket, h2c", "websocket,", ",websocket", "websocket/13"),
    *(
        "Upgrade",
        "UPGRADE",
        "close, upgrade",
        "keep-alive , Upgrade",
        "keep-alive, Upgrade,",
        "upgrade upgrade",
    ),
    *(
        "13",
        "13, 8",
        "013",
        "8",
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ",
    ),
    *(
        "dGhlIHNhbXBsZSBub25jZQ==x",
        "dGhlIHNhbX BsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZ-==",
        "ZGhlIHNhbXBsZSBub25j",
    ),
)
BYTES = b'\0\t\n\r "%,-/0:;=?AZ_az~\x7f\x80\xa0\xff'
Head = list[bytes]
"""The request's first line, and its fields."""


def written(lines: Head) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


def made(chance: random.Random) -> Head:
    """An ordinary head of one of the clients, with a key, a case and an order of its own."""
    fields = list(chance.choice(CLIENTS))
    key = "".join(chance.choices(string.ascii_letters + string.digits + "+/", k=21)) + chance.choice("AQgw")
    fields = [re.sub("(?i)(?<=-key: ).*", f"{key}==", each) for each in fields]
    if chance.random() < 0.3:
        chance.shuffle(fields)
    if chance.random() < 0.2:
        change = chance.choice([str.lower, str.upper, str.title])
        fields = [
            change(name) + colon + value for name, colon, value in (each.partition(":") for each in fields)
        ]
    return [each.encode() for each in (f"GET {chance.choice(TARGETS)} HTTP/1.1", *fields)]


# What may befall a head, each in place.


def a_stray_field(chance: random.Random, lines: Head) -> None:
    lines.insert(chance.randrange(1, len(lines) + 1), chance.choice(STRAY).encode())


def a_field_twice(chance: random.Random, lines: Head) -> None:
    name, colon, value = chance.choice(lines[1:]).partition(b":")
    lines.append(
        chance.choice([name, name.upper(), name.lower()]) + colon + chance.choice([value, b" other"])
    )


def a_field_less(chance: random.Random, lines: Head) -> None:
    del lines[chance.randrange(1, len(lines))]


def another_value(chance: random.Random, lines: Head) -> None:
    number = chance.randrange(1, len(lines))
    lines[number] = lines[number].partition(b":")[0] + b": " + chance.choice(VALUES).encode()


def another_space(chance: random.Random, lines: Head) -> None:
    number = chance.randrange(1, len(lines))
    name, _, value = lines[number].partition(b":")
    before, after = (chance.choice([b"", b" ", b"  ", b"\t", b" \t", b"\x0b"]) for _ in range(2))
    lines[number] = name + b":" + before + value.strip() + after


def another_start(chance: random.Random, lines: Head) -> None:
    old, new = chance.choice(
        [
            *(
                (b"GET", b"get"),
                (b"GET", b"POST"),
                (b"GET ", b"GET  "),
                (b"GET ", b"GET\t"),
                (b"GET ", b" GET "),
            ),
            *((b"1.1", b"1.0"), (b"1.1", b"2.0"), (b"1.1", b"1.1 "), (b" HTTP/1.1", b""), (b"HTTP", b"http")),
            *(
                (b"stream", b"str\xc3\xa9am"),
                (b"stream", b"stream?a=%00&\x01"),
                (b"stream", b"stream?a=\x7f"),
                (b"stream", b"?a=%00&b=%0D#~"),
            ),
        ]
    )
    lines[0] = lines[0].replace(old, new)


def another_byte(chance: random.Random, lines: Head) -> None:
    number = chance.randrange(len(lines))
    line, at = lines[number], chance.randrange(len(lines[number]) + 1)
    lines[number] = line[:at] + bytes([chance.choice(BYTES)]) + line[at + chance.randrange(2) :]


def much(chance: random.Random, lines: Head) -> None:
    if chance.random() < 0.5:
        lines.append(b"Cookie2: " + b"x" * chance.randrange(7_500, 8_500))
    else:
        lines += [b"X-%d: 1" % number for number in range(chance.randrange(40, 140))]


CHANGES: tuple[Callable[[random.Random, Head], None], ...] = (
    *(a_stray_field, a_field_twice, a_field_less, another_value, another_space, another_start, another_byte),
    much,
)


def undated(found: Handshake | None) -> Handshake | None:
    """Without the moment of the answer, which `websockets` reads from the clock."""
    return found and found._replace(
        answer=re.sub(rb"\r\nDate: [^\r]+ GMT\r\n", b"\r\n", found.answer, count=1)
    )


def same(head: bytes) -> bool:
    """Whether a head is ordinary; then it must be to `websockets` what it is to us."""
    found = ordinary(head, NOW)
    if found is not None:
        assert undated(found) == undated(by_websockets(head)), head
    return found is not None


def test_what_usual_clients_send_is_ordinary() -> None:
    chance = random.Random(SEED)
    for _ in range(HEADS // 20):
        head = written(made(chance))

        assert same(head), head


def test_whatever_befalls_a_head_it_is_what_websockets_takes_it_for_or_not_ordinary() -> None:
    chance = random.Random(SEED)
    read: Counter[str] = Counter()
    refused = 0
    for _ in range(HEADS):
        lines = made(chance)
        changes = chance.choices(CHANGES, k=chance.choice([1, 1, 1, 2, 3]))
        for change in changes:
            change(chance, lines)
        head = written(lines)
        if chance.random() < 0.02:
            head = chance.choice(
                [head[:-2], head + b"\r\n", head.replace(b"\r\n", b"\n", 1), head[:-1] + b"\r"]
            )
        if same(head):
            read.update(each.__name__ for each in changes)
        elif chance.random() < 0.1:
            refused += by_websockets(head) is None

    # Both verdicts were tried, after every kind of change.
    assert all(read[change.__name__] for change in CHANGES), read
    assert HEADS / 10 < sum(read.values()) < HEADS / 2
    assert refused > HEADS / 100


def test_the_answer_is_that_of_websockets_to_the_last_byte() -> None:
    found = ordinary(
        written([b"GET /v1/stream?symbols=KGS HTTP/1.1", *(each.encode() for each in HAPROXY)]), NOW
    )

    assert found == Handshake(
        answer=b"HTTP/1.1 101 Switching Protocols\r\nDate: Mon, 21 Sep 2026 14:13:20 GMT\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        query="symbols=KGS",
        origin=None,
        forwarded="192.0.2.1, 2001:db8::1",
    )
    assert found.answer.count(b"\r\n") == 6


@pytest.mark.parametrize("line", ["Origin: a", "X-Forwarded-For: 192.0.2.1", "Cookie: a", "X: 1"])
def test_a_field_that_comes_twice_is_for_websockets_to_judge(line: str) -> None:
    lines = [each.encode() for each in ("GET /v1/stream HTTP/1.1", *UPGRADE)]

    assert same(written([*lines, line.encode()]))
    assert not same(written([*lines, line.encode(), line.upper().encode()]))


def test_a_key_with_a_stray_bit_is_for_websockets_to_judge() -> None:
    lines = [each.encode() for each in ("GET /v1/stream HTTP/1.1", *UPGRADE)]

    assert same(written(lines))
    assert not same(written([each.replace(b"jZQ==", b"jZR==") for each in lines]))


def test_a_head_at_the_limits_is_ordinary_and_beyond_them_is_not() -> None:
    lines = [each.encode() for each in ("GET /v1/stream HTTP/1.1", *UPGRADE)]
    spare = MOST_BYTES - len(written([*lines, b"X: "]))
    fields = [b"X-%d: 1" % number for number in range(MOST_FIELDS - len(UPGRADE))]

    assert same(written([*lines, b"X: " + b"x" * spare]))
    assert not same(written([*lines, b"X: " + b"x" * (spare + 1)]))
    assert same(written([*lines, *fields]))
    assert not same(written([*lines, *fields, b"X: 1"]))
