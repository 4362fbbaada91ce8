"""What one client says, without a socket: bytes in, events out."""

from __future__ import annotations

import random

import pytest
from test_edge import masked
from websockets.frames import Frame, Opcode

from ticker.edge.conversation import Broken, Conversation, Departed, Event, Message, Reply, whole_frames

GOODBYE = (1000).to_bytes(2, "big")


def begun() -> Conversation:
    return Conversation(1000, 9)


def said(talk: Conversation, *pieces: bytes) -> list[Event]:
    """Everything that came of these bytes, each piece in a read of its own."""
    found: list[Event] = []
    for piece in pieces:
        talk.receive(piece)
        found += talk.events()
    return found


def written(opcode: Opcode, data: bytes) -> Reply:
    return Reply(Frame(opcode, data).serialize(mask=False))


@pytest.mark.parametrize("length", [0, 1, 125, 126, 300, 65_536])
def test_frames_are_counted_whole_wherever_they_are_cut(length: int) -> None:
    frames = masked(b"x" * length) + masked(b"")
    first = len(masked(b"x" * length))

    for cut in {*range(20), *range(first - 9, first + 7)} & set(range(len(frames) + 1)):
        whole = len(frames) if cut == len(frames) else first if cut >= first else 0
        assert whole_frames(frames[:cut], 70_000, 9)[0] == whole


def test_a_conversation_means_the_same_in_whatever_pieces_it_comes() -> None:
    chance = random.Random(3)
    sent = masked(b"one") + masked(b"t", fin=False) + masked(b"?", Opcode.PING) + masked(b"wo", Opcode.CONT)
    sent += masked(b"", Opcode.PONG) + masked(b"\0", Opcode.BINARY) + masked(GOODBYE, Opcode.CLOSE)
    expected = [
        Message(b"one", is_text=True, is_whole=True),
        Message(b"t", is_text=True, is_whole=False),
        written(Opcode.PONG, b"?"),
        Message(b"two", is_text=True, is_whole=True),
        Message(b"\0", is_text=False, is_whole=True),
        written(Opcode.CLOSE, GOODBYE),
        Departed(),
    ]

    for _ in range(100):
        cuts = sorted(chance.choices(range(len(sent) + 1), k=chance.randrange(9)))
        pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
        assert said(begun(), *pieces) == expected


def test_a_fragment_of_a_binary_message_is_told_at_once() -> None:
    found = said(begun(), masked(b"\1", Opcode.BINARY, fin=False) + masked(b"\2", Opcode.CONT))

    assert found == [
        Message(b"\1", is_text=False, is_whole=False),
        Message(b"\1\2", is_text=False, is_whole=True),
    ]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x83\x80....", 1002),
        (b"\x01\x02hi", 1002),
        (masked(b"x" * 1001), 1009),
        (masked(b"", Opcode.CONT), 1002),
        (masked(b"\xff\xfe", Opcode.CLOSE), 1002),
    ],
    ids=["opcode", "unmasked", "too-big", "no-beginning", "close-code"],
)
def test_who_breaks_the_protocol_is_told_why_and_not_heard_any_more(sent: bytes, code: int) -> None:
    talk = begun()
    *replies, end = said(talk, masked(b"before") + sent)

    assert replies[0] == Message(b"before", is_text=True, is_whole=True)
    assert isinstance(replies[-1], Reply)
    assert replies[-1].data[2:4] == code.to_bytes(2, "big")
    assert end == Broken()
    assert talk.deaf
    assert not talk.is_over


def test_only_what_is_half_said_is_remembered() -> None:
    talk = begun()
    for sent, is_over in (
        (masked(b"whole"), True),
        (masked(b"?", Opcode.PING), True),
        (masked(b"h", fin=False), False),
        (masked(b"i", Opcode.CONT), True),
        (masked(b"cut")[:4], False),
        (masked(b"cut")[4:], True),
    ):
        said(talk, sent)
        assert talk.is_over is is_over, sent
    talk.bad_frames += 1
    assert not talk.is_over


def test_a_flood_is_counted_before_any_of_it_is_read() -> None:
    talk = begun()

    assert talk.receive(masked(b"")[:3]) == 0
    assert talk.receive(masked(b"")[3:] + masked(b"")) == 2
    assert talk.receive(masked(b"") * 50) == 10
    talk.deafen()
    assert list(talk.events()) == []
