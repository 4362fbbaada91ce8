"""
The one port for HTTP and WebSocket: accepts a connection, waits for one whole request head, and hands it on.

An upgrade on `/v1/stream`, which most readers send, becomes a subscriber at once (see `handshake`).
Everything else goes to aiohttp, whose parser gets the bytes read so far. Both ways lead to `Port.subscribe`,
so that there is one entrance.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import re
import resource
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from ticker import wire
from ticker.config import LimitSettings, ServerSettings
from ticker.edge import handshake, proxy
from ticker.edge import query as queries
from ticker.edge.admission import Refused, retry_after
from ticker.edge.framing import EVENT_STREAM, WEBSOCKET, Framing, come_back, event_head
from ticker.edge.handover import First
from ticker.edge.listening import BACKLOG
from ticker.edge.stream import Broadcast, State, Subscriber
from ticker.metrics import Count
from ticker.rates.model import Cursor, Selection
from ticker.wire import BadFrame

log = logging.getLogger(__name__)

ACCEPTS_AT_ONCE = 32
"""Connections that are accepted before the event loop's other work gets a turn."""
SPARE_FILES = 64
"""Open files that are reserved for Redis, files and the banks."""
LEAST_FILES = 2 * SPARE_FILES
"""With fewer open files, the service does not start."""
NO_FILES_SECONDS = 0.5
WISHES, LONGEST_KEPT = 1024, 256
"""The number of queries whose meaning is cached, and the longest such query in characters."""
STREAM, EVENTS_TARGET = b"GET /v1/stream", b"GET /v1/events"
HEAD_END = b"\r\n\r\n"
_OTHER_VERSION = re.compile(rb" HTTP/(?!1\.[01]$)[0-9]\.[0-9]$")
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TooFewFiles(Exception):
    """The process may not open as many files as it needs. Says how many, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request for the stream: the query, the headers that matter (empty if absent) and the sender."""

    query: str
    peer: str
    origin: str | None = None
    forwarded: str = ""
    last_event_id: str = ""
    is_event_source: bool = False
    """Whether the client would give up for ever after an error."""


class Wish(NamedTuple):
    """The meaning of a query."""

    selection: Selection
    cursor: Cursor | None = None
    """The cursor after which the client gets what is new; None: it gets a snapshot."""
    place: Cursor | None = None
    """The cursor that the client has seen with any selection."""
    fault: str = ""
    """Why the query is refused, in words for the client."""


class _Opening:
    """A connection whose request head is incomplete."""

    __slots__ = ("_port", "client", "data", "proxied", "refusal", "sock")

    def __init__(self, port: Port, sock: socket.socket, client: str, *, proxied: bool, refusal: str) -> None:
        self._port = port
        self.sock = sock
        self.client = client
        self.data = b""
        self.proxied = proxied
        """Whether a PROXY header must come first."""
        self.refusal = refusal
        """The reason why it will be refused as soon as its request has arrived."""

    def readable(self) -> None:
        try:
            data = self.sock.recv(self._port.limits.head_bytes)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.data += data
            self._port.heard(self)
        else:
            self._port.drop(self)

    def writable(self) -> None:
        """Nothing is written before the request has arrived."""

    def abandon(self) -> None:
        self._port.drop(self)


class Port:
    """
    The listening side: from a connection to a request, and from a request to a subscriber.

    It is long because every way into the service is here, with its limits.
    """

    def __init__(self, broadcast: Broadcast, server: ServerSettings, limits: LimitSettings) -> None:
        self.limits = limits
        self._broadcast = broadcast
        self._server = server
        self._everything = wire.select((), broadcast.symbols)
        self._listening: tuple[socket.socket, ...] = ()
        self._handler: Callable[[], asyncio.Protocol] = asyncio.Protocol
        self._served: Callable[[], int] = lambda: 0
        self._openings: dict[_Opening, float] = {}
        self._opened = asyncio.Event()
        """Set when a connection arrives."""
        self._handing: set[asyncio.Task[None]] = set()
        self._clients: dict[int, str] = {}
        """By descriptor, the client of a connection of aiohttp's, as its PROXY header named it."""
        self._kept_wish = lru_cache(maxsize=WISHES)(self._read_wish)
        self._most_files = _most_files()
        self._is_full = False

    def open(
        self,
        listening: tuple[socket.socket, ...],
        handler: Callable[[], asyncio.Protocol],
        served: Callable[[], int],
    ) -> None:
        """Start to accept. `handler` makes the protocol for plain HTTP, `served` counts its connections."""
        self._listening, self._handler, self._served = listening, handler, served
        for each in listening:
            each.listen(BACKLOG)
            asyncio.get_running_loop().add_reader(each.fileno(), self._accept, each)

    def serve(self, limits: LimitSettings) -> None:
        """Switch to other limits, and to the symbols that the broadcast serves now."""
        self.limits = limits
        self._everything = wire.select((), self._broadcast.symbols)
        self._kept_wish.cache_clear()

    def close(self) -> None:
        """Stop accepting. A connection without a request is closed."""
        for each in self._listening:
            asyncio.get_running_loop().remove_reader(each.fileno())
            each.close()
        self._listening = ()
        for opening in tuple(self._openings):
            self.drop(opening)

    async def beat(self) -> None:
        """Count connections, and close those that send no request in time; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(0.5, self.limits.head_seconds / 4))
            open_ones = len(self._openings) + self._broadcast.size + self._served()
            self._broadcast.tally.set(Count.CONNECTIONS, open_ones)
            if not open_ones:
                self._opened.clear()
                await self._opened.wait()
                continue
            late = loop.time() - self.limits.head_seconds
            for opening, since in tuple(self._openings.items()):
                if since > late:
                    break
                self._broadcast.tally.add(Count.BAD_HEADS)
                if opening.data:
                    seconds = self.limits.head_seconds
                    self._answer(opening, 408, f"the request did not arrive within {seconds:g} s")
                else:
                    self.drop(opening)

    # From a connection to a request.

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, peer = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(listener, error)
                    return
                continue  # the client has already gone
            sock.setblocking(False)
            self._broadcast.tally.add(Count.ACCEPTED)
            self._open(sock, str(peer[0]), loop.time())

    def _open(self, sock: socket.socket, peer: str, now: float) -> None:
        self._clients.pop(sock.fileno(), None)
        proxied = self._server.proxy_protocol and self._broadcast.admission.is_trusted(peer)
        refusal = ""
        if not self._broadcast.admission.handshake(now):
            refusal = "too many new connections per second"
        elif sock.fileno() >= self._most_files:
            self._broadcast.tally.add(Count.REFUSED_FULL)
            self._say_full()
            # Refused at once, without its request: waiting would hold one of the last files.
            self._send_and_close(sock, _problem(503, "the limit of connections is reached", retry_after()))
            return
        elif self._is_full and sock.fileno() < self._most_files - SPARE_FILES:
            self._is_full = False
            log.info("port: new connections are accepted again")
        opening = _Opening(self, sock, peer, proxied=proxied, refusal=refusal)
        if len(self._openings) >= self.limits.handshakes_in_flight:
            # The connection that has waited longest is refused. Otherwise a few silent ones would block all
            # others.
            self._broadcast.tally.add(Count.REFUSED_RATE)
            self._answer(
                next(iter(self._openings)),
                503,
                "too many connections have not sent their request yet",
                retry_after(),
            )
        self._openings[opening] = now
        self._opened.set()
        # The request has nearly always arrived already, which saves a call to the kernel.
        opening.readable()
        if opening in self._openings:
            self._broadcast.sockets.watch(sock, opening)

    def _rest(self, listener: socket.socket, error: OSError) -> None:
        """No file can be opened: leave new connections to the kernel for a moment."""
        self._say_full(error)
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener.fileno())

        def again() -> None:
            if listener in self._listening:
                loop.add_reader(listener.fileno(), self._accept, listener)

        loop.call_later(NO_FILES_SECONDS, again)

    def _say_full(self, error: OSError | None = None) -> None:
        if not self._is_full:
            self._is_full = True
            log.error(
                "port: new connections are refused: %s; "
                "raise the limit of open files (ulimit -n) or server.workers",
                error.strerror if error else f"{self._most_files} files are open",
            )

    def heard(self, opening: _Opening) -> None:
        """Read more of a request."""
        if opening.proxied and not self._unwrapped(opening):
            return
        data = opening.data
        if not data:
            return
        end = data.find(HEAD_END) + len(HEAD_END)
        if end >= len(HEAD_END) and end <= self.limits.head_bytes:
            self._asked(opening, end)
        elif len(data) >= self.limits.head_bytes:
            self._broadcast.tally.add(Count.BAD_HEADS)
            status = 431 if b"\r\n" in data else 414
            self._answer(opening, status, f"the request head has more than {self.limits.head_bytes} bytes")
        elif not (65 <= data[0] <= 90 or data[0] in b"\r\n"):
            # No method starts like this, but TLS does: aiohttp answers at once.
            self._hand_over(opening)

    def _unwrapped(self, opening: _Opening) -> bool:
        """Remove the PROXY header, and return whether it was complete."""
        try:
            found = proxy.read(opening.data)
        except proxy.BadHeader as error:
            self._broadcast.tally.add(Count.BAD_HEADS)
            self._answer(opening, 400, str(error))
            return False
        if found is None:
            return False
        client, length = found
        opening.client = client or opening.client
        opening.data = opening.data[length:]
        opening.proxied = False
        return True

    def _asked(self, opening: _Opening, end: int) -> None:
        if opening.refusal:
            self._refuse(opening, end)
        elif _OTHER_VERSION.search(opening.data[:end].lstrip(b"\r\n").partition(b"\r\n")[0]):
            self._answer(opening, 505, "only HTTP/1.1 and HTTP/1.0 are supported")
        elif opening.data.startswith((STREAM + b"?", STREAM + b" ")):
            self._shake_hands(opening, end)
        else:
            self._hand_over(opening)

    def _refuse(self, opening: _Opening, end: int) -> None:
        """Refuse it with a delay, in a form that it understands."""
        head, seconds = opening.data[:end], retry_after()
        if head.startswith(EVENTS_TARGET) and EVENT_STREAM.encode() in head.lower():
            self._send_and_close(self._taken(opening), event_head("*") + come_back(opening.refusal, seconds))
        else:
            self._answer(opening, 503, opening.refusal, seconds)

    def _shake_hands(self, opening: _Opening, end: int) -> None:
        """Handle an upgrade. A malformed one goes to aiohttp, which says what is wrong."""
        head = opening.data[:end]
        found = handshake.ordinary(head, int(time.time())) or handshake.by_websockets(head)
        if found is None:
            self._hand_over(opening)
            return
        visit = Visit(query=found.query, peer=opening.client, origin=found.origin, forwarded=found.forwarded)
        sock = self._taken(opening)
        try:
            self.subscribe(sock, found.answer, visit, tail=opening.data[end:])
        except Refused as refused:
            self._send_and_close(sock, _problem(refused.status, refused.detail, refused.retry_seconds))

    def _hand_over(self, opening: _Opening) -> None:
        """Hand the connection to aiohttp."""
        sock = self._taken(opening)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # aiohttp has no timeout for an answer or event stream that is not read: the kernel gets one.
            silent_ms = self._server.silent_seconds * 1000
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent_ms)
        self._clients[sock.fileno()] = opening.client
        task = asyncio.get_running_loop().create_task(self._handed(sock, opening.data))
        self._handing.add(task)
        task.add_done_callback(self._handing.discard)

    async def _handed(self, sock: socket.socket, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: First(self._handler(), data), sock
            )
        except OSError as error:
            log.debug("port: a connection ended before it was served: %s", error)
            sock.close()

    def _taken(self, opening: _Opening) -> socket.socket:
        """The socket, which is no longer read here."""
        del self._openings[opening]
        self._broadcast.sockets.forget(opening.sock)
        return opening.sock

    def drop(self, opening: _Opening) -> None:
        """Close a connection without an answer."""
        if opening in self._openings:
            self._taken(opening)
        opening.sock.close()

    def _answer(self, opening: _Opening, status: int, detail: str, retry_seconds: int = 0) -> None:
        self._send_and_close(self._taken(opening), _problem(status, detail, retry_seconds))

    def _send_and_close(self, sock: socket.socket, answer: bytes) -> None:
        """Write a few hundred bytes, which an empty socket always takes."""
        try:
            sock.send(answer)
            sock.shutdown(socket.SHUT_WR)
            # If bytes were unread at the close, the kernel would send a reset, and the client would lose the
            # answer.
            sock.recv(self.limits.head_bytes)
        except OSError:
            pass
        finally:
            sock.close()

    # From a request to a subscriber.

    def peer(self, descriptor: int, name: object) -> str:
        """The client of a connection of aiohttp's, by its descriptor and peer name."""
        return self._clients.get(descriptor) or (str(name[0]) if isinstance(name, tuple) else "")

    def check(self, visit: Visit) -> None:
        """Raise Refused if nobody can subscribe yet, or if scripts of this site may not."""
        if self._broadcast.closing or not self._broadcast.loaded:
            raise Refused(503, "the stream is not ready yet", retry_after())
        self._broadcast.admission.check_origin(visit.origin)

    def subscribe(
        self,
        sock: socket.socket,
        preface: bytes,
        visit: Visit,
        *,
        framing: Framing = WEBSOCKET,
        tail: bytes = b"",
    ) -> None:
        """
        Make a socket a subscriber. Writes `preface` and what is new in one write. Raises Refused.

        `tail` is what the client sent after its request.
        """
        self.check(visit)
        admission = self._broadcast.admission
        address = admission.client(visit.peer, visit.forwarded)
        admission.enter(address)
        wish = self._wish(visit.query, visit.last_event_id)
        subscriber = Subscriber(self._broadcast, sock, wish.selection, framing, address=address)
        if wish.fault:
            subscriber.refuse(preface, wish.fault)
        else:
            subscriber.start(preface, wish.cursor, wish.place)
        if tail and subscriber.state is not State.GONE:
            subscriber.received(tail)

    def _wish(self, query: str, last_event_id: str) -> Wish:
        if len(query) + len(last_event_id) > LONGEST_KEPT:
            return self._read_wish(query, last_event_id)
        return self._kept_wish(query, last_event_id)

    def _read_wish(self, query: str, last_event_id: str) -> Wish:
        try:
            asked = queries.read(query, "/v1/stream")
            selection = self.selection(asked.get("symbols", ""))
        except BadFrame as error:
            return Wish(self._everything, fault=str(error))
        text = last_event_id or asked.get("lastEventId") or asked.get("cursor", "")
        return Wish(selection, wire.read_cursor(text, selection), wire.read_place(text))

    def adopt(
        self, sock: socket.socket, preface: bytes, visit: Visit, *, framing: Framing, tail: bytes
    ) -> None:
        """Subscribe a socket that was aiohttp's, and that aiohttp can no longer answer."""
        try:
            self.subscribe(sock, preface, visit, framing=framing, tail=tail)
        except Refused as refused:
            if visit.is_event_source and refused.retry_seconds:
                answer = preface + come_back(refused.detail, refused.retry_seconds)
            else:
                answer = _problem(refused.status, refused.detail, refused.retry_seconds)
            self._send_and_close(sock, answer)

    def selection(self, text: str) -> Selection:
        """The symbols of a query: `KGS,TJS/USD`; empty: all. Raises BadFrame."""
        texts = [each for each in text.replace(" ", ",").split(",") if each]
        return wire.select(texts, self._broadcast.symbols, most=self.limits.symbols)


def _problem(status: int, detail: str, retry_seconds: int = 0) -> bytes:
    """A whole answer as problem+json, which ends the connection."""
    title = HTTPStatus(status).phrase
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
    retry = f"Retry-After: {retry_seconds}\r\n" if retry_seconds else ""
    return (
        f"HTTP/1.1 {status} {title}\r\nDate: {formatdate(usegmt=True)}\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n"
        f"Access-Control-Allow-Origin: *\r\n{retry}Connection: close\r\n\r\n{body}"
    ).encode()


def refuse_too_few_files() -> None:
    """Raise TooFewFiles if this process may not open enough files to serve anybody."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < LEAST_FILES:
        raise TooFewFiles(
            f"this process may open {hard} files and needs {LEAST_FILES}: raise the limit "
            "(ulimit -n, LimitNOFILE)"
        )


def _most_files() -> int:
    """Raise the limit of open files as far as the system allows, and return the first descriptor above it."""
    soft, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = max(soft, 1 << 20) if limit == resource.RLIM_INFINITY else limit
    # macOS reports no limit, but has one.
    for most in (hard, hard // 4, hard // 16, hard // 64):
        if most > soft:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard if most == hard else limit))
                soft = most
                break
    return soft - SPARE_FILES
