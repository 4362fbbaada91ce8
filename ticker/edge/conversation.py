"""
One client's side of the conversation: bytes in, events out. Sans-I/O: no socket, clock or subscriber.

`websockets` parses. It gets only whole frames, so that its parser can be dropped between two frames: a
hundred thousand clients mostly listen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

_ANSWERED = frozenset({Opcode.PING, Opcode.CLOSE})
"""The events that the parser answers with a frame of its own."""


class Reply(NamedTuple):
    """Bytes to be written unchanged: a pong or a close frame."""

    data: bytes


class Message(NamedTuple):
    """A message, or the part of it that has arrived."""

    data: bytes
    is_text: bool
    is_whole: bool


class Departed(NamedTuple):
    """Both sides have sent a close frame."""


class Broken(NamedTuple):
    """The client broke the protocol. An earlier reply said so; nothing more is read from it."""


Event = Reply | Message | Departed | Broken


class Conversation:
    """
    One client's side: `receive` takes bytes, then `events` gives what they mean.

    It may be dropped when it `is_over`. The next one starts in the same state.
    """

    __slots__ = (
        "_is_text",
        "_most_bytes",
        "_most_frames",
        "_parser",
        "_parts",
        "_pending",
        "_ready",
        "bad_frames",
        "deaf",
    )

    def __init__(self, most_bytes: int, most_frames: int) -> None:
        """`most` is the largest message in bytes; frames are counted up to `most_frames` + 1."""
        self._most_bytes = most_bytes
        self._most_frames = most_frames
        self._pending = b""
        """The bytes that arrived; after the events were read, the start of an incomplete frame."""
        self._ready = 0
        """The number of those bytes that are whole frames."""
        self._parser: ServerProtocol | None = None
        """Kept only half way through a message."""
        self._parts: bytes | None = None
        """The message so far; None between two messages."""
        self._is_text = True
        self.bad_frames = 0
        """
        The number of messages in a row that are not of this protocol. The reader of the messages counts.
        """
        self.deaf = False
        """Nothing more is read from this client."""

    @property
    def is_over(self) -> bool:
        """Whether it can be dropped without losing anything."""
        return not (self._pending or self._parser or self.bad_frames or self.deaf)

    def receive(self, data: bytes) -> int:
        """Take bytes, in any pieces; return how many whole frames can be read."""
        self._pending += data
        self._ready, frames = whole_frames(self._pending, self._most_bytes, self._most_frames)
        return frames

    def deafen(self) -> None:
        """Read nothing more."""
        self.deaf, self._pending, self._ready = True, b"", 0

    def events(self) -> Iterator[Event]:
        """Read the whole frames that have come. To be read to its end."""
        if not self._ready:
            return
        parser = self._parser or ServerProtocol(state=OPEN, max_size=self._most_bytes)
        parser.receive_data(self._pending[: self._ready])
        self._pending, self._ready = self._pending[self._ready :], 0
        yield from self._heard(parser)
        self._parser = parser if self._parts is not None else None
        if parser.close_expected():
            yield self._end(parser)

    def _heard(self, parser: ServerProtocol) -> Iterator[Event]:
        replies = iter(parser.data_to_send())
        for frame in cast(list[Frame], parser.events_received()):
            if frame.opcode in _ANSWERED:
                yield Reply(next(replies))
            elif frame.opcode is not Opcode.PONG:
                yield self._message(frame)
        for reply in replies:
            # An empty one marks the end of writing, which the subscriber decides.
            if reply:
                yield Reply(reply)

    def _message(self, frame: Frame) -> Message:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        data = (self._parts or b"") + bytes(frame.data)
        self._parts = None if frame.fin else data
        return Message(data, self._is_text, frame.fin)

    def _end(self, parser: ServerProtocol) -> Event:
        if parser.parser_exc is None:
            return Departed()
        self.deafen()
        return Broken()


def whole_frames(data: bytes, most: int, count: int) -> tuple[int, int]:
    """
    The number of bytes at the start of `data` that are a client's whole frames, and the number of frames.

    So a parser never waits in the middle of a frame, and can be dropped between two. A frame that claims more
    than `most` bytes counts as whole, because the parser refuses it by its head. Counting ends one frame
    after `count`.
    """
    at = frames = 0
    while len(data) - at >= 2 and frames <= count:
        length, head = data[at + 1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(data) - at < 2 + size:
                break
            length, head = int.from_bytes(data[at + 2 : at + 2 + size], "big"), 2 + size
        if length > most or not data[at + 1] & 0x80:
            return len(data), frames + 1
        if len(data) - at < head + 4 + length:
            break
        at += head + 4 + length
        frames += 1
    return at, frames
