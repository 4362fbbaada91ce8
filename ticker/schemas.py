"""
The machine-readable descriptions: OpenAPI for HTTP, AsyncAPI for the stream. Pure.

The files openapi.json and asyncapi.json hold the fixed part. The code adds the schemas of the models, the
limits, the close codes and the version. Long prose is here because JSON has no line breaks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema

from ticker import __version__
from ticker.answers import (
    AliveAnswer,
    FrameEmbedAnswer,
    HealthAnswer,
    HistoryAnswer,
    PictureEmbedAnswer,
    ProblemAnswer,
    PublicHealthAnswer,
    QuotesAnswer,
    ReadyAnswer,
    SourcesAnswer,
)
from ticker.assets import FINGERPRINT, languages
from ticker.line import NARROWEST, WIDEST
from ticker.protocol import CLOSES, COME_BACK
from ticker.wire import (
    ErrorMessage,
    HeartbeatMessage,
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
"""The messages that the server sends, by their type."""
TAKEN: dict[str, type[BaseModel]] = {"subscribe": SubscribeMessage}
"""The messages that a client sends, by their type."""
_ANSWERS = (
    QuotesAnswer,
    HistoryAnswer,
    SourcesAnswer,
    FrameEmbedAnswer,
    PictureEmbedAnswer,
    AliveAnswer,
    ReadyAnswer,
    HealthAnswer,
    PublicHealthAnswer,
    ProblemAnswer,
)
_LIMITS: dict[str, Document] = {
    "digits": {"maximum": MOST_DIGITS},
    "width": {"minimum": NARROWEST, "maximum": WIDEST},
    "fingerprint": {"pattern": f"^{FINGERPRINT}$"},
    "language": {"enum": sorted(languages())},
}
"""The limits of parameters, which the code defines."""
_HTTP = """\
Numbers are decimal strings. Null means unknown. New keys may be added to any object.

A quote is `stale` from its `due_at` on. This is judged by the time in the `Date` header: a client that keeps
quotes should use that time, not its own clock.

HEAD is answered like GET, without the body. OPTIONS answers the CORS preflight of scripts of other sites.
Scripts of every site may read the answers, unless the operator limits this (`server.origins`).

Every error is a problem document (RFC 9457). Only a request that violates HTTP itself gets status 400 and a
line of text.

The routes for quotes, histories, sources and the stream refuse an unknown query parameter with 400 and name
it. The line without a script names it in a comment and on the console. Other routes ignore parameters."""
_STREAM = """\
A new subscriber gets a snapshot. If it sends a cursor that is still known, it gets an update instead. Then
it gets every publication once and in order. A subscriber that reads slowly gets the newest quote of each
symbol instead.

The server regularly sends a heartbeat with the cursor. To continue after a lost
connection, send the last cursor: you get the newest quote of each symbol that changed meanwhile.

A quote that becomes late is sent as an update with an unchanged cursor. It may be sent again at the next
connection. `awaited` names the symbols that have no quote yet. A new reason is sent as an update without
quotes.

`time` is the server's clock. A quote is `stale` from its `due_at` on. A client that keeps quotes should judge
this by `time`, not by its own clock.

An address with an unknown query parameter is refused: an `error` frame names the parameter, then the
connection ends with 4400. The same messages are sent as Server-Sent Events at `/v1/events`. New keys may be
added to any object.

The codes with which the server ends the connection:
"""


class _Schemas(GenerateJsonSchema):
    """Schemas of sent messages. They permit new keys, and every key without `exclude_if` is required."""

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


def _template(name: str) -> Document:
    document: Document = json.loads(files("ticker").joinpath(name).read_text(encoding="utf-8"))
    return document


def _ref(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}


# HTTP.


def openapi() -> Document:
    """The OpenAPI 3.1 document of every route."""
    document = _template("openapi.json")
    document["info"] |= {"version": __version__, "description": _HTTP}
    components = document["components"]
    for name, limits in _LIMITS.items():
        components["parameters"][name]["schema"] |= limits
    components["schemas"] = _schemas(sent=_ANSWERS)
    return document


# The stream.


def _closes() -> str:
    """The close codes as a Markdown list."""
    back, final = "Reconnect after a random delay.", "Do not reconnect."
    lines = [f"- {code:d}: {words} {back if code in COME_BACK else final}" for code, words in CLOSES.items()]
    return "\n".join(lines)


def _message(kind: str, model: type[BaseModel]) -> Document:
    summary = " ".join((model.__doc__ or "").split())
    return {
        "name": kind,
        "summary": summary,
        "contentType": "application/json",
        "payload": _ref("schemas", model.__name__),
    }


def _query() -> Document:
    """The query parameters of the stream, which are those of the HTTP route."""
    document = openapi()
    parameters = document["components"]["parameters"]
    asked = (each["$ref"].rpartition("/")[2] for each in document["paths"]["/v1/stream"]["get"]["parameters"])
    return {
        name: {"description": parameters[name]["description"], **parameters[name]["schema"]} for name in asked
    }


def asyncapi() -> Document:
    """The AsyncAPI 3.0 document of the stream."""
    document = _template("asyncapi.json")
    document["info"]["version"] = __version__
    channel = document["channels"]["stream"]
    channel["description"] = _STREAM + _closes()
    channel["messages"] = {kind: _ref("messages", kind) for kind in SENT | TAKEN}
    channel["bindings"]["ws"]["query"]["properties"] = _query()
    channel["x-close-codes"] = [
        {"code": int(code), "description": words, "reconnect": code in COME_BACK}
        for code, words in CLOSES.items()
    ]
    document["components"] = {
        "messages": {kind: _message(kind, model) for kind, model in (SENT | TAKEN).items()},
        "schemas": _schemas(sent=SENT.values(), taken=TAKEN.values()),
    }
    return document
