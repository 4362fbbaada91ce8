"""What the port answers, as documents for machines: OpenAPI for HTTP, AsyncAPI for the stream. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema

from ticker import __version__
from ticker.answers import (
    AliveAnswer,
    HealthAnswer,
    HistoryAnswer,
    ProblemAnswer,
    QuotesAnswer,
    ReadyAnswer,
    SourcesAnswer,
    VerdictAnswer,
)
from ticker.assets import FINGERPRINT
from ticker.line import NARROWEST, WIDEST
from ticker.wire import (
    CloseCode,
    ErrorMessage,
    HeartbeatMessage,
    QuoteMessage,
    SnapshotMessage,
    SubscribeMessage,
    UpdateMessage,
)
from ticker.wording import MOST_DIGITS

Document = dict[str, Any]

SENT: dict[str, type[BaseModel]] = {
    "snapshot": SnapshotMessage,
    "update": UpdateMessage,
    "heartbeat": HeartbeatMessage,
    "error": ErrorMessage,
}
"""The messages of the stream that the server sends, by their type."""
TAKEN: dict[str, type[BaseModel]] = {"subscribe": SubscribeMessage}
"""Those that it takes."""
CLOSES = {
    CloseCode.GOING_AWAY: "The server goes away.",
    CloseCode.INVALID_DATA: "Text that is not UTF-8.",
    CloseCode.POLICY: "Against the rules of this server.",
    CloseCode.TOO_BIG: "A message that is too long.",
    CloseCode.TRY_AGAIN_LATER: "The client read too slowly, or said too much at a time.",
    CloseCode.BAD_REQUEST: "The address, a binary frame or three frames in a row were not of this protocol.",
    CloseCode.SILENT: "The client answered no ping.",
}
COME_BACK = (CloseCode.GOING_AWAY, CloseCode.TRY_AGAIN_LATER, CloseCode.SILENT)

_JSON = "application/json"
_TEXT = {"type": "string"}
_LICENSE = {"name": "MIT", "identifier": "MIT"}
_HTTP = """\
Numbers travel as decimal strings, and what is unknown is null. New keys may be added to any object.
A quote is `stale` from its `due_at` on. `Date` is the time by which that is so: a client that keeps quotes
should go by it, and not by its own clock.
HEAD is answered like GET, without the body; OPTIONS, where scripts of other sites ask, with the leave to do
so. Every error is a problem (RFC 9457), but for what is no HTTP
or not as its standards want it: that is refused with 400 and a line of text.
Quotes, histories, sources and the stream refuse an unknown query parameter with 400, and name it.
The line without a script names it in a comment and on the console. Other routes ignore parameters.
Scripts of any site may read the answers, unless the operator has named those that may (`server.origins`)."""
_STREAM = """\
A subscriber gets a snapshot, or an update if its cursor still holds, and then every publication once and
in order; one that reads slowly gets the newest quote of each symbol instead. A heartbeat with the cursor
breaks every longer silence. The last cursor, given at the next connection, brings exactly what was missed.
A quote that becomes late comes as an update with the cursor as it was; at the next connection it may come
again. An address with an unknown query parameter is refused: an `error` frame names it, then 4400.
`time` is the server's clock: a client that keeps quotes should treat them as `stale` from their
`due_at` on by it, and not by its own.
The same messages come as Server-Sent Events at `/v1/events`. New keys may be added to any object.

How the server ends it:
"""


class _Schemas(GenerateJsonSchema):
    """Schemas of what is sent: clients must bear new keys, and only a key that says so may be left out."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization":
            return "serialization_exclude_if" not in field
        return super().field_is_required(field, total)

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().model_schema(schema)
        if self.mode == "serialization":
            found.pop("additionalProperties", None)
        return found


def _schemas(*, sent: Iterable[type[BaseModel]], taken: Iterable[type[BaseModel]] = ()) -> Document:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(each, "serialization") for each in sent]
    models += [(each, "validation") for each in taken]
    template = "#/components/schemas/{model}"
    _, found = models_json_schema(models, ref_template=template, schema_generator=_Schemas)
    schemas: Document = found["$defs"]
    return schemas


def _ref(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}


# HTTP.

_PARAMETERS: dict[str, Document] = {
    "symbols": {
        "name": "symbols",
        "in": "query",
        "description": (
            "The symbols, with commas between them. `kgs`, `KGS/USD`, `KGS-USD` and `KGSUSD` are the same;"
            " `USD/KGS` is its reverse, and both may be named. Left out: all that are configured."
        ),
        "schema": {"type": "string", "examples": ["KGS,TJS/USD,USD/KGS"]},
    },
    "cursor": {
        "name": "cursor",
        "in": "query",
        "description": (
            "The last cursor that the client has seen, to get only what it missed since."
            " Only a stream goes on from it; other routes accept it and do not use it."
        ),
        "schema": _TEXT,
    },
    "lastEventId": {
        "name": "lastEventId",
        "in": "query",
        "description": "The same, as stand-ins for EventSource send it; goes before `cursor`.",
        "schema": _TEXT,
    },
    "_": {
        "name": "_",
        "in": "query",
        "description": "Anything, to get around a cache. It is not used.",
        "schema": _TEXT,
    },
    "symbol": {
        "name": "symbol",
        "in": "path",
        "required": True,
        "description": "`KGS`, `KGS/USD`, `KGS-USD`, `KGSUSD` or the reverse; a slash may be escaped or not.",
        "schema": {"type": "string", "pattern": "^[A-Za-z]{3}([/-]?[A-Za-z]{3})?$", "examples": ["KGS"]},
    },
    "from": {
        "name": "from",
        "in": "query",
        "description": "The first day of validity.",
        "schema": {"type": "string", "format": "date"},
    },
    "to": {
        "name": "to",
        "in": "query",
        "description": "The last day of validity, not before the first.",
        "schema": {"type": "string", "format": "date"},
    },
    "locale": {
        "name": "locale",
        "in": "query",
        "description": "A language tag. What has no words here is English; it may still go from the right.",
        "schema": {"type": "string", "default": "en", "examples": ["ky"]},
    },
    "theme": {
        "name": "theme",
        "in": "query",
        "description": "The colours; `auto` follows the reader's device.",
        "schema": {"enum": ["auto", "light", "dark"], "default": "auto"},
    },
    "digits": {
        "name": "digits",
        "in": "query",
        "description": "So many decimals. Left out: 2 to 4, and of less than 1 at least four digits.",
        "schema": {"type": "integer", "minimum": 0, "maximum": MOST_DIGITS},
    },
    "invert": {
        "name": "invert",
        "in": "query",
        "description": "`1`: the other way round, `USD/KGS`.",
        "schema": {"type": "string", "examples": ["1"]},
    },
    "format": {
        "name": "format",
        "in": "query",
        "description": "`KGS/USD = 0.01144`, `KGS 0.01144`, or the names of both currencies.",
        "schema": {"enum": ["line", "compact", "names"], "default": "line"},
    },
    "width": {
        "name": "width",
        "in": "query",
        "description": "Pixels; what does not fit in beside it stands in further rows. Left out: one row.",
        "schema": {"type": "integer", "minimum": NARROWEST, "maximum": WIDEST},
    },
    "fingerprint": {
        "name": "fingerprint",
        "in": "path",
        "required": True,
        "description": "The first 16 digits of the SHA-256 of the script's bytes.",
        "schema": {"type": "string", "pattern": f"^{FINGERPRINT}$"},
    },
    "source": {
        "name": "source",
        "in": "query",
        "description": "The key of a source, enabled or not. Left out: the source of the symbol's quote.",
        "schema": {"type": "string", "examples": ["nbkr"]},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what the client has.",
        "schema": _TEXT,
    },
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The last cursor, as an EventSource sends it by itself; goes before `cursor`.",
        "schema": _TEXT,
    },
}

_HEADERS: dict[str, Document] = {
    "ETag": {
        "description": "Changes with the body; weak if packed. Of quotes: the cursor, and what is late."
    },
    "Cache-Control": {"description": "How long the answer may be used again."},
    "Vary": {"description": "The request's headers that had a say in the answer."},
    "Retry-After": {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}},
    "Content-Encoding": {
        "description": "How the body is packed, as Accept-Encoding asks for.",
        "schema": {"enum": ["br", "gzip"]},
        "required": False,
    },
    "Content-Security-Policy": {"description": "What the document may load and do, as its bytes need it."},
    **{
        name: {"description": f"Leave for scripts of other sites (CORS): {words}."}
        for name, words in (
            ("Access-Control-Allow-Methods", "how they may ask"),
            ("Access-Control-Allow-Headers", "with which headers"),
            ("Access-Control-Max-Age", "for how many seconds they need not ask again"),
        )
    },
    "Upgrade": {"description": "The protocol in which it goes on."},
}

_PROBLEMS = {
    400: ("The address is not as it should be.", ()),
    403: ("Scripts of this site may not read here.", ()),
    404: ("It is not served here.", ()),
    406: ("The client refuses br, gzip and the plain text.", ("Vary",)),
    426: ("A WebSocket of version 13 is needed.", ("Upgrade",)),
    503: ("Not now.", ("Retry-After",)),
}

_LEAVE = tuple(name for name in _HEADERS if name.startswith("Access-Control-"))
_EVERYWHERE = ("cursor", "lastEventId", "_")
_LOOKS = ("locale", "theme", "digits", "invert", "format")
_VALIDATORS = ("ETag", "Cache-Control", "Vary")


def _answer(
    description: str, content: dict[str, Document] | None = None, headers: Iterable[str] = ()
) -> Document:
    answer: Document = {"description": description}
    if named := {name: _ref("headers", name) for name in headers}:
        answer["headers"] = named
    if content:
        answer["content"] = {kind: {"schema": schema} for kind, schema in content.items()}
    return answer


def _model(*models: type[BaseModel], kind: str = _JSON) -> dict[str, Document]:
    """The content of an answer that is one of these."""
    refs = [_ref("schemas", model.__name__) for model in models]
    return {kind: refs[0] if len(refs) == 1 else {"anyOf": refs}}


def _get(
    name: str,
    summary: str,
    answers: dict[int, Document],
    *,
    parameters: Iterable[str] = (),
    problems: Iterable[int] = (),
    shared: bool = False,
) -> Document:
    """
    The operations of a route; `problems` are the status codes that it has beside those of every route.

    `shared`: scripts of other sites ask it, with headers for which a browser asks our leave.
    """
    get: Document = {"operationId": name, "summary": summary}
    if named := [_ref("parameters", each) for each in parameters]:
        get["parameters"] = named
    responses = {str(status): answer for status, answer in answers.items()}
    responses |= {str(status): _ref("responses", str(status)) for status in problems}
    get["responses"] = responses | {"default": _ref("responses", "problem")}
    return {"get": get, "options": _preflight(name, parameters)} if shared else {"get": get}


def _preflight(name: str, parameters: Iterable[str]) -> Document:
    return {
        "operationId": f"{name}_leave",
        "summary": "How scripts of other sites may ask.",
        "parameters": [_ref("parameters", each) for each in parameters if _PARAMETERS[each]["in"] == "path"],
        "responses": {"204": _ref("responses", "leave"), "default": _ref("responses", "problem")},
    }


def _packed(
    name: str,
    summary: str,
    content: dict[str, Document],
    *,
    parameters: Iterable[str] = (),
    problems: Iterable[int] = (),
    headers: Iterable[str] = (),
    answers: dict[int, Document] | None = None,
    shared: bool = True,
) -> Document:
    """The operations of a route whose answers have an ETag and are packed as the client likes it."""
    return _get(
        name,
        summary,
        {
            200: _answer("The whole.", content, (*_VALIDATORS, *headers, "Content-Encoding")),
            304: _answer("The client has it already.", headers=(*_VALIDATORS, *headers)),
            **(answers or {}),
        },
        parameters=(*parameters, "If-None-Match"),
        problems=(*problems, 406),
        shared=shared,
    )


def _plain(
    name: str, summary: str, *models: type[BaseModel], kind: str = _JSON, failing: str = "", **others: Any
) -> Document:
    """The operation of a route that is answered anew each time; `failing` is what its 503 means, if any."""
    answers = {200: _answer("The whole.", _model(*models, kind=kind), ("Cache-Control",))}
    if failing:
        answers[503] = _answer(failing, _model(*models, kind=kind), ("Cache-Control",))
    return _get(name, summary, answers, **others)


def _line(name: str, kind: str, *parameters: str) -> Document:
    """The operation of the line without a script."""
    content, headers = {kind: _TEXT}, ("Content-Security-Policy",)
    waiting = _answer(
        "The same, without any quote: none was read yet.", content, (*headers, "Cache-Control", "Retry-After")
    )
    return _packed(
        name,
        "The newest quotes for readers without scripts.",
        content,
        parameters=("symbols", *_LOOKS, *parameters, *_EVERYWHERE),
        problems=(400,),
        headers=headers,
        answers={503: waiting},
    )


def _paths() -> Document:
    script, source_map = {"text/javascript": _TEXT}, {_JSON: {"type": "object"}}
    stream = {101: _answer("The stream; `/asyncapi.json` says how it goes on.", headers=("Upgrade",))}
    events = {
        200: _answer(
            "The messages of `/asyncapi.json`, each as the data of one event whose id is its cursor.",
            {"text/event-stream": _TEXT},
            ("Cache-Control",),
        )
    }
    metrics = {200: _answer("The text format of Prometheus.", {"text/plain": _TEXT})}
    return {
        "/v1/quotes": _packed(
            "quotes",
            "The newest quotes.",
            _model(QuotesAnswer),
            parameters=("symbols", *_EVERYWHERE),
            problems=(400, 503),
        ),
        "/v1/quotes/{symbol}": _packed(
            "quote",
            "The newest quote of one symbol.",
            _model(QuoteMessage),
            parameters=("symbol", *_EVERYWHERE),
            problems=(400, 404, 503),
        ),
        "/v1/history/{symbol}": _packed(
            "history",
            "What one source said of a symbol, by day.",
            _model(HistoryAnswer),
            parameters=("symbol", "from", "to", "source", *_EVERYWHERE),
            problems=(400, 404, 503),
        ),
        "/v1/sources": _plain(
            "sources",
            "Every source, its terms, and how it does.",
            SourcesAnswer,
            parameters=_EVERYWHERE,
            problems=(400,),
            shared=True,
        ),
        "/v1/line.html": _line("line", "text/html"),
        "/v1/line.svg": _line("picture", "image/svg+xml", "width"),
        "/v1/stream": _get(
            "stream",
            "Every change at once, over a WebSocket.",
            stream,
            parameters=("symbols", *_EVERYWHERE),
            problems=(400, 403, 426, 503),
        ),
        "/v1/events": _get(
            "events",
            "Every change at once, as Server-Sent Events.",
            events,
            parameters=("symbols", *_EVERYWHERE, "Last-Event-ID"),
            problems=(400, 403, 503),
            shared=True,
        ),
        "/healthz": _plain("alive", "Whether the process runs.", AliveAnswer),
        "/readyz": _plain("ready", "Whether it can serve.", ReadyAnswer, failing="It can't serve now."),
        "/health": _plain(
            "health",
            "What to trust, in detail.",
            HealthAnswer,
            VerdictAnswer,
            kind="application/health+json",
            failing="The quotes can't be trusted.",
        ),
        "/metrics": _get("metrics", "What is counted.", metrics),
        "/": _packed(
            "page",
            "The page with the quotes and how to embed them.",
            {"text/html": _TEXT},
            headers=("Content-Security-Policy",),
            shared=False,
        ),
        "/ticker.js": _packed("widget", "The widget of this version.", script),
        "/ticker.{fingerprint}.js": _packed(
            "widget_of",
            "The widget of exactly these bytes, which a client may keep for ever.",
            script,
            parameters=("fingerprint",),
            problems=(404, 503),
        ),
        "/ticker.js.map": _packed("widget_map", "Its source map.", source_map),
        "/page.js": _packed("page_script", "The page's script.", script),
        "/page.js.map": _packed("page_script_map", "Its source map.", source_map),
        "/openapi.json": _packed("openapi", "This document.", {_JSON: {"type": "object"}}, shared=False),
        "/asyncapi.json": _packed(
            "asyncapi", "What the stream says.", {_JSON: {"type": "object"}}, shared=False
        ),
    }


def openapi() -> Document:
    """The OpenAPI 3.1 document of every route."""
    problem = _model(ProblemAnswer, kind="application/problem+json")
    responses = {
        str(status): _answer(words, problem, headers) for status, (words, headers) in _PROBLEMS.items()
    }
    models = (
        QuotesAnswer,
        HistoryAnswer,
        SourcesAnswer,
        AliveAnswer,
        ReadyAnswer,
        HealthAnswer,
        VerdictAnswer,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Currency rate ticker",
            "version": __version__,
            "description": _HTTP,
            "license": _LICENSE,
        },
        "paths": _paths(),
        "components": {
            "schemas": _schemas(sent=(*models, ProblemAnswer)),
            "parameters": _PARAMETERS,
            "headers": {
                name: {"required": True, "schema": _TEXT} | header for name, header in _HEADERS.items()
            },
            "responses": responses
            | {
                "problem": _answer("An error.", problem),
                "leave": _answer("They may, if their site may read here.", headers=_LEAVE),
            },
        },
    }


# The stream.


def _closes() -> str:
    """The close codes as a list for a person."""
    lines = [
        f"- {code:d}: {words} {'Come back after a random delay.' if code in COME_BACK else 'For good.'}"
        for code, words in CLOSES.items()
    ]
    return "\n".join([*lines, "- 1002: A frame that RFC 6455 does not allow. For good."])


def _message(kind: str, model: type[BaseModel]) -> Document:
    summary = " ".join((model.__doc__ or "").split())
    return {
        "name": kind,
        "summary": summary,
        "contentType": _JSON,
        "payload": _ref("schemas", model.__name__),
    }


def _of_stream(*kinds: str) -> list[Document]:
    return [{"$ref": f"#/channels/stream/messages/{kind}"} for kind in kinds]


def _channel() -> Document:
    query = {
        name: {"description": each["description"], **each["schema"]}
        for name in ("symbols", *_EVERYWHERE)
        for each in (_PARAMETERS[name],)
    }
    return {
        "address": "/v1/stream",
        "title": "Stream protocol 1",
        "description": _STREAM + _closes(),
        "messages": {kind: _ref("messages", kind) for kind in SENT | TAKEN},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {"type": "object", "properties": query},
                "bindingVersion": "0.1.0",
            }
        },
        "x-close-codes": [
            {"code": int(code), "description": words, "come_back": code in COME_BACK}
            for code, words in CLOSES.items()
        ],
    }


def _operations() -> Document:
    channel = {"$ref": "#/channels/stream"}
    return {
        "publish": {
            "action": "send",
            "channel": channel,
            "summary": "Quotes as they change, and a sign of life while they do not.",
            "messages": _of_stream(*SENT),
        },
        "select": {
            "action": "receive",
            "channel": channel,
            "summary": "A client chooses other symbols.",
            "messages": _of_stream(*TAKEN),
            "reply": {"channel": channel, "messages": _of_stream("snapshot", "error")},
        },
    }


def asyncapi() -> Document:
    """The AsyncAPI 3.0 document of the stream."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Currency rate ticker: the stream",
            "version": __version__,
            "license": {"name": "MIT"},
        },
        "defaultContentType": _JSON,
        "servers": {
            "this": {
                "host": "{host}",
                "protocol": "wss",
                "description": "The server that gave you this document; `ws` where it speaks no TLS.",
                "variables": {"host": {"description": "Its name and port.", "default": "localhost:8080"}},
            }
        },
        "channels": {"stream": _channel()},
        "operations": _operations(),
        "components": {
            "messages": {kind: _message(kind, model) for kind, model in (SENT | TAKEN).items()},
            "schemas": _schemas(sent=SENT.values(), taken=TAKEN.values()),
        },
    }
