"""What tests share: a site on loopback, waiting for a fact, Redis, the log, the published schemas."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache, reduce
from operator import getitem
from typing import Any
from urllib.parse import unquote

import brotli
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator

from ticker import schemas
from ticker.poll.feed import Feed
from ticker.poll.schedule import Schedule
from ticker.rates.model import Pair, Quote
from ticker.rates.source import Outcome
from ticker.store import Store

KGS = Pair("KGS", "USD")
PATIENCE = 45.0
"""Seconds for which a test waits. Usual are some ms; what takes longer, a test says."""
LONG = 60.0
"""Seconds that the service is given for a wait that is not to happen: a test loses its patience before."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Scheduled:
    """The schedule that a poller made last, and its feeds."""

    def __init__(self) -> None:
        self.schedule: Schedule | None = None
        self.feeds: list[Feed] = []

    def plans(self) -> dict[str, datetime]:
        """Every planned poll, such as `nbkr:retry`, and when it comes."""
        if self.schedule is None:
            return {}
        found = ((feed, self.schedule.plans(feed)) for feed in self.feeds)
        return {f"{feed.source.key}:{why}": at for feed, plans in found for why, at in plans.items()}

    def poll_now(self, key: str = "nbkr", why: str = "interval") -> None:
        """Have a source polled at once, as if the time of this plan had come."""
        feed = next(feed for feed in self.feeds if feed.source.key == key)
        assert self.schedule
        self.schedule.poll_in(feed, 0, why=why)


@asynccontextmanager
async def site(handler: Handler) -> AsyncIterator[str]:
    """The address of a site on loopback whose every path is answered by `handler`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def answer(body: bytes, status: int = 200, **headers: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)

    return handle


async def until(fact: Callable[[], Awaitable[object] | object], seconds: float = 60) -> None:
    """Wait until it is so; whoever asks in vain fails with a TimeoutError that shows the line."""
    async with asyncio.timeout(seconds):
        while True:
            so = fact()
            if isinstance(so, Awaitable):
                so = await so
            if so:
                return
            await asyncio.sleep(0.01)


async def quote(store: Store, symbol: Pair = KGS) -> Quote | None:
    return next((each for _, each in (await store.snapshot()).rows if each.symbol == symbol), None)


async def outcome(store: Store, key: str = "nbkr") -> Outcome:
    return (await store.outcomes([key]))[key]


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


# What the service says, held against what it says of itself.


def frame_holds_to_the_schema(message: Mapping[str, Any]) -> None:
    """Fail unless a frame of the server is one of those in /asyncapi.json, key for key."""
    kind = message.get("type")
    assert kind in schemas.SENT, f"{kind!r} is no frame of the server"
    name = schemas.SENT[kind].__name__
    _validator(schemas.asyncapi, f'{{"$ref": "#/components/schemas/{name}"}}').validate(message)


def answer_holds_to_the_schema(
    path: str, status: int, headers: Mapping[str, str], body: bytes, *, method: str = "GET"
) -> None:
    """Fail unless an answer is as /openapi.json says: status, headers, kind of content, body key for key."""
    document, where = _document(schemas.openapi), f"{method} {path} {status}"
    response = _documented(document, method, path, status)
    for name, header in response.get("headers", {}).items():
        said = _resolved(document, header)
        assert name in headers or not said["required"], f"{where}: no {name}"
        if name in headers and (allowed := said["schema"].get("enum")):
            assert headers[name] in allowed, f"{where}: {name}: {headers[name]}"
    if method == "HEAD" or "content" not in response:
        assert body == b"", f"{where}: it has a body"
        return
    kind = headers["Content-Type"].partition(";")[0]
    assert kind in response["content"], f"{where}: {kind}"
    plain = _UNPACK[headers.get("Content-Encoding", "identity")](body)
    if "json" in kind:
        schema = json.dumps(response["content"][kind]["schema"])
        _validator(schemas.openapi, schema).validate(json.loads(plain))
    if kind == "application/problem+json":
        assert json.loads(plain)["status"] == status


_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    "identity": bytes,
}


def _documented(document: Any, method: str, path: str, status: int) -> Any:
    """The answer that the document has for a request."""
    address = unquote(path.partition("?")[0])
    patterns = {re.sub(r"\\{\w+\\}", ".+", re.escape(template)): template for template in document["paths"]}
    fitting = [template for pattern, template in patterns.items() if re.fullmatch(pattern, address)]
    responses = {"default": {"$ref": "#/components/responses/problem"}}
    if fitting and method in ("GET", "HEAD"):
        responses = document["paths"][fitting[0]]["get"]["responses"]
    assert str(status) in responses or status >= 400, f"{method} {path}: {status} is not in the document"
    return _resolved(document, responses.get(str(status), responses["default"]))


def _resolved(document: Any, item: Any) -> Any:
    """The item itself, or what it refers to."""
    if "$ref" not in item:
        return item
    return reduce(getitem, item["$ref"].split("/")[1:], document)


@cache
def _document(build: Callable[[], Any]) -> Any:
    """A document whose objects have no other keys: clients must bear new ones, but ours come with a word."""
    document = build()
    for each in document["components"]["schemas"].values():
        if "properties" in each:
            each.setdefault("additionalProperties", False)
    return document


@cache
def _validator(build: Callable[[], Any], schema: str) -> Draft202012Validator:
    whole = {**_document(build), **json.loads(schema)}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
