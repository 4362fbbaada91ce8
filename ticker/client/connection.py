"""The connection of a client: frames as they come, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from time import monotonic
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from ticker import __version__
from ticker.client.known import Frame, read_frame
from ticker.protocol import CLOSES, COME_BACK
from ticker.rates.model import Pair

log = logging.getLogger(__name__)

SHORTEST_DELAY, LONGEST_DELAY = 0.5, 20.0
"""Seconds before a new attempt to connect."""
CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 60.0
"""Seconds without a frame after which a connection is lost. The server sends one at least every 25 s."""
_CLOSE_SECONDS = 1.0
_MOST_BYTES = 1 << 24
"""The longest frame: some twenty thousand quotes."""
_FINAL = set(CLOSES) - set(COME_BACK)
_TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
"""Of the HTTP statuses from 400 to 499, those that the next attempt may not get."""
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Refused(Exception):
    """The service refuses this client. The text has its reason, and another attempt would be refused, too."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        """The close code of the stream, or the HTTP status of the answer to the first attempt."""


class Frames:
    """
    The frames of a service as they come, over as many connections as it takes.

    Each connection resumes from the `cursor` of the last frame.
    """

    def __init__(self, url: str, symbols: Iterable[str | Pair] = (), *, cursor: str = "") -> None:
        """As `subscribe`."""
        self._url = service_url(url)
        # A single pair is a tuple of two codes, and would be two symbols.
        self._symbols = str(symbols) if isinstance(symbols, str | Pair) else ",".join(map(str, symbols))
        self.cursor = cursor
        self.is_live = False
        self.trouble = ""
        self._socket: ClientConnection | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._was_live = False
        self._fault = ""
        """What the server's last error frame said."""

    @property
    def seconds_to_retry(self) -> float:
        return max(0.0, self._retry_at - monotonic())

    async def next(self) -> Frame | None:
        """Wait for the next frame; None if the connection was lost or not made. Raises Refused."""
        try:
            socket = self._socket or await self._open()
            async with asyncio.timeout(SILENCE_SECONDS):
                text = await socket.recv()
            frame = read_frame(text)
        except TimeoutError as error:
            await self._lose(str(error) or f"the server sent nothing for {SILENCE_SECONDS:g} s")
        except (OSError, WebSocketException, ValueError) as error:
            if refusal := self._refusal(error):
                await self.aclose()
                raise refusal from None
            await self._lose(_words(error))
        else:
            self._hear(frame)
            return frame
        return None

    async def aclose(self) -> None:
        """Disconnect; `next` connects again."""
        socket, self._socket, self.is_live = self._socket, None, False
        if socket:
            await socket.close()

    async def _open(self) -> ClientConnection:
        await asyncio.sleep(self.seconds_to_retry)
        self._fault = ""
        self._socket = await connect(
            self._address(),
            open_timeout=CONNECT_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            # The server's heartbeats tell that it lives.
            ping_interval=None,
            max_size=_MOST_BYTES,
            user_agent_header=f"currency-ticker/{__version__}",
            proxy=None if is_this_machine(self._url) else True,
        )
        return self._socket

    def _address(self) -> str:
        asked = {"symbols": self._symbols, "cursor": self.cursor}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{self._url.replace('http', 'ws', 1)}/v1/stream" + (f"?{query}" if query else "")

    def _hear(self, frame: Frame) -> None:
        """Any frame but an error says that all is well."""
        if frame.type == "error":
            self._fault = str(frame.members.get("message", ""))
            return
        if self._was_live and not self.is_live:
            log.info("connected to %s again", _without_password(self._url))
        self.cursor = frame.cursor or self.cursor
        self.is_live = self._was_live = True
        self.trouble, self._failures, self._retry_at = "", 0, 0.0

    async def _lose(self, trouble: str) -> None:
        self.trouble = trouble
        if not self._failures:
            log.warning("no connection to %s: %s; trying again", _without_password(self._url), trouble)
        self._retry_at = monotonic() + delay(self._failures)
        self._failures += 1
        await self.aclose()

    def _refusal(self, error: Exception) -> Refused | None:
        """What ends the subscription: a final close code, or an address that has never been right."""
        match error:
            case ConnectionClosed(rcvd=close) if close and close.code in _FINAL:
                return Refused(close.code, self._fault or close.reason or _words(error))
            case InvalidStatus(response=response) if not self._was_live:
                if 400 <= response.status_code < 500 and response.status_code not in _TRY_AGAIN:
                    words = f"{_without_password(self._url)} answered {response.status_code}"
                    return Refused(response.status_code, f"{words}: is this the address of the service?")
            # As from http to https. Later, it may be a proxy that shows its own page during an outage.
            case InvalidURI(uri=uri, __context__=InvalidStatus(response=response)) if not self._was_live:
                words = f"{_without_password(self._url)} redirects to {uri.partition('/v1/stream')[0]}"
                return Refused(response.status_code, f"{words}: use that address")
        return None


def delay(failures: int) -> float:
    """Random seconds before the next attempt after so many earlier failures in a row."""
    longest = min(LONGEST_DELAY, SHORTEST_DELAY * 2 ** min(failures + 1, 10))
    return random.uniform(SHORTEST_DELAY, longest)  # noqa: S311 - it only spreads the clients


def service_url(url: str) -> str:
    """An address of a service as `http://HOST/PREFIX`, without a slash at the end. Raises ValueError."""
    try:
        parts = urlsplit(url)
        fault = next(_faults(parts), "")
    except ValueError:
        fault = "its host can't be read"
    if fault:
        shown = re.sub("^([a-z]+://)?.*@", r"\1", url, flags=re.DOTALL | re.IGNORECASE)
        raise ValueError(f"{shown!r} is not the address of a service: {fault}. Write one like https://HOST/.")
    user, at, host = parts.netloc.rpartition("@")
    # websockets demands a password with a user, which may be empty.
    colon = ":" if at and ":" not in user else ""
    return f"{_SCHEMES[parts.scheme]}://{user}{colon}{at}{host}{parts.path.rstrip('/')}"


def _faults(parts: SplitResult) -> Iterator[str]:
    """Why no attempt to connect to an address could succeed."""
    if parts.scheme not in _SCHEMES:
        yield "it does not begin with https:// or http://"
    if not parts.hostname:
        yield "it has no host"
    if parts.query or parts.fragment:
        yield "it has a query or a fragment"
    if re.search(r"[\s\x00-\x1f\x7f]", f"{parts.netloc.rpartition('@')[2]}{parts.path}"):
        yield "it has a space, which is written %20 in a path, or a control character"
    if not _has_port(parts):
        yield "its port is not a number from 1 to 65535"
    if not _is_name(parts.hostname or ""):
        yield "its host, or a part of it, is too long or empty"
    if not _is_utf8(parts.netloc):
        yield "its user or password is not UTF-8 after a %"


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _is_name(host: str) -> bool:
    """Whether DNS can have such a name: at most 63 bytes between two dots, at most 253 in all."""
    try:
        return len(host.encode("idna")) <= 253
    except UnicodeError:
        return False


def _is_utf8(quoted: str) -> bool:
    try:
        unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def is_this_machine(url: str) -> bool:
    """Whether an address is one of this machine, which no proxy reaches."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _without_password(url: str) -> str:
    return url.replace(f"{urlsplit(url).netloc.rpartition('@')[0]}@", "") if "@" in url else url


def _words(error: Exception) -> str:
    """Why a connection was lost or not made."""
    if isinstance(error, ConnectionClosed):
        close = error.rcvd
        return (
            f"the server closed it: {close.code} {close.reason}".rstrip() if close else "the connection broke"
        )
    if isinstance(error, InvalidURI):
        return f"the server redirects to {error.uri.partition('/v1/stream')[0]}"
    return str(error) or type(error).__name__
