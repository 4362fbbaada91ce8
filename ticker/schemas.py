"""
What the port answers, as documents for machines: OpenAPI for HTTP, AsyncAPI for the stream. Pure.

openapi.json and asyncapi.json are the documents but for what the code knows: the schemas of the models,
limits, close codes and the version. Prose of several lines is here, too, as JSON has no line breaks.
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
    HealthAnswer,
    HistoryAnswer,
    ProblemAnswer,
    QuotesAnswer,
    ReadyAnswer,
    SourcesAnswer,
    VerdictAnswer,
)
from ticker.assets import FINGERPRINT, languages
from ticker.line import NARROWEST, WIDEST
from ticker.wire import (
    CLOSES,
    COME_BACK,
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
"""The messages of the stream that the server sends, by their type."""
TAKEN: dict[str, type[BaseModel]] = {"subscribe": SubscribeMessage}
"""Those that it takes."""
_ANSWERS = (
    QuotesAnswer,
    HistoryAnswer,
    SourcesAnswer,
    AliveAnswer,
    ReadyAnswer,
    HealthAnswer,
    VerdictAnswer,
    ProblemAnswer,
)
_LIMITS: dict[str, Document] = {
    "digits": {"maximum": MOST_DIGITS},
    "width": {"minimum": NARROWEST, "maximum": WIDEST},
    "fingerprint": {"pattern": f"^{FINGERPRINT}$"},
    "language": {"enum": sorted(languages())},
}
"""What the code knows of the schemas of parameters."""
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
again. `awaited` names symbols without a quote; a new reason comes as an update without quotes.
An address with an unknown query parameter is refused: an `error` frame names it, then 4400.
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
        "contentType": "application/json",
        "payload": _ref("schemas", model.__name__),
    }


def _query() -> Document:
    """What the address of the stream may ask: the same as by HTTP."""
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
        {"code": int(code), "description": words, "come_back": code in COME_BACK}
        for code, words in CLOSES.items()
    ]
    document["components"] = {
        "messages": {kind: _message(kind, model) for kind, model in (SENT | TAKEN).items()},
        "schemas": _schemas(sent=SENT.values(), taken=TAKEN.values()),
    }
    return document
