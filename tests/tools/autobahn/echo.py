"""The project's own WebSocket connection as an echo server."""

from __future__ import annotations

import argparse
import asyncio
import signal

from websockets.frames import Frame, Opcode

from ticker.config import LimitSettings, ServerSettings
from ticker.edge import port, utc_now
from ticker.edge.conversation import Conversation, Message
from ticker.edge.listening import listeners
from ticker.edge.port import Port
from ticker.edge.stream import NOTHING, Broadcast, Subscriber
from ticker.metrics import Tally
from ticker.protocol import CloseCode
from ticker.rates.model import Cursor, Pair

LARGEST = 1 << 24
"""Bytes of the largest message that the suite sends."""


class Echo(Subscriber):
    """A subscriber that is sent what it says, and nothing else."""

    __slots__ = ()

    def catch_up(self, cursor: Cursor | None, *, preface: bytes = NOTHING) -> None:
        """Only the answer to the handshake: nothing is published here."""
        if preface:
            self.write(preface)

    def message(self, talk: Conversation, message: Message) -> None:
        if not message.is_whole:
            return
        if message.is_text:
            try:
                message.data.decode()
            except UnicodeDecodeError:
                self.close(CloseCode.INVALID_DATA, "text that is not UTF-8")
                return
        opcode = Opcode.TEXT if message.is_text else Opcode.BINARY
        self.write(Frame(opcode, message.data).serialize(mask=False))

    def answer(self, data: bytes) -> None:
        """Unlike the stream's, an echo's answers are queued while the kernel takes no more."""
        self.write(data)


async def serve(number: int) -> None:
    """Echo on this port until the process is told to end."""
    server = ServerSettings(port=number, heartbeat_seconds=300, silent_seconds=3600, slow_seconds=3600)
    limits = LimitSettings(message_bytes=LARGEST, messages_per_second=1 << 40)
    broadcast = Broadcast((Pair("KGS", "USD"),), server, limits, Tally.alone(), clock=utc_now)
    door = Port(broadcast, server, limits)
    broadcast.open()
    broadcast.loaded = True
    door.open(listeners(server)[0], asyncio.Protocol, lambda: 0)
    async with asyncio.TaskGroup() as group:
        work = [group.create_task(broadcast.beat()), group.create_task(door.beat())]
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, lambda: [task.cancel() for task in work])
    door.close()
    await broadcast.close(0, 0.5)
    broadcast.sockets.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    # Whoever comes in through the project's port becomes an echo.
    port.Subscriber = Echo  # type: ignore[attr-defined]
    asyncio.run(serve(parser.parse_args().port))
