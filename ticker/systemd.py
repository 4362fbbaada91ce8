"""What systemd is told about the service: ready, reloading, stopping, and that it is alive (sd_notify)."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Self

log = logging.getLogger(__name__)

PINGS = 3
"""How many pings are sent within the time after which systemd restarts the service."""


class Systemd:
    """The service's line to systemd. Without systemd, nothing is sent."""

    def __init__(self, address: str = "", *, watchdog_seconds: float = 0) -> None:
        """
        `address` is a path, or `@` and the name of an abstract socket; empty: nobody listens.

        If `watchdog_seconds` pass without a ping, systemd restarts the service; 0: it does not.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_seconds = watchdog_seconds if address else 0
        self._serves = False
        self._failed = False

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Self:
        """
        The line that the environment describes.

        Its variables are removed: the workers and the embedded server must not speak for the service.
        """
        names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        address, microseconds, pid = (environment.pop(name, "") for name in names)
        is_ours = microseconds.isdecimal() and pid in ("", str(os.getpid()))
        return cls(address, watchdog_seconds=int(microseconds) / 1_000_000 if is_ours else 0)

    def ready(self, status: str) -> None:
        """The service answers; `systemctl status` shows the status."""
        self._serves = True
        self._tell("READY=1", f"STATUS={status}")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """What happens inside is a reload."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        yield
        # Not after a cancellation: the service is stopping then.
        self._tell("READY=1")

    def stopping(self, seconds: float) -> None:
        """The service ends, and may take so many seconds for that."""
        self._serves = False
        self._tell(
            "STOPPING=1", "STATUS=disconnecting the readers", f"EXTEND_TIMEOUT_USEC={seconds * 1e6:.0f}"
        )

    async def keep_alive(self, fault: Callable[[], str]) -> None:
        """
        Ping the watchdog from the event loop until cancelled, but not while the service has a fault.

        `fault` says in words what a restart would repair; empty: nothing. A service that starts or stops is
        not judged.
        """
        faulty = ""
        while self._watchdog_seconds:
            before, faulty = faulty, fault() if self._serves else ""
            if not faulty:
                self._tell("WATCHDOG=1")
            elif not before:
                log.error("systemd restarts this service if it stays so: %s", faulty)
                self._tell(f"STATUS={faulty}")
            await asyncio.sleep(self._watchdog_seconds / PINGS)

    def _tell(self, *assignments: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                # A full queue must not stop the event loop.
                sock.setblocking(False)
                sock.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            if not self._failed:
                log.warning("systemd can't be notified: %s: %s", error.strerror or error, self._address)
            self._failed = True
