"""The documents for machines, and the check that holds every answer and frame of the tests against them."""

from __future__ import annotations

import json
import re
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urljoin

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError
from openapi_spec_validator import validate
from stage import answer_holds_to_the_schema, frame_holds_to_the_schema

from ticker import __version__, assets, schemas, wire
from ticker.answers import FixingAnswer, HistoryAnswer, ProblemAnswer, encode
from ticker.edge import query
from ticker.line import NARROWEST, WIDEST, Form, Theme
from ticker.protocol import CloseCode
from ticker.rates.model import Pair
from ticker.wire import BadFrame
from ticker.wording import MOST_DIGITS

if TYPE_CHECKING:
    from tests.conftest import QuoteOf

SPECS = Path(__file__).parent.parent / "widget" / "node_modules" / "@asyncapi" / "specs" / "schemas"
JSON = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
TIME = "2026-05-21T10:02:11.250Z"
TAGGED = JSON | {"ETag": '"1-1"', "Vary": "Accept-Encoding"}


def refs(item: Any) -> list[str]:
    if isinstance(item, dict):
        own = [item["$ref"]] if isinstance(item.get("$ref"), str) else []
        return own + [ref for each in item.values() for ref in refs(each)]
    return [ref for each in item for ref in refs(each)] if isinstance(item, list) else []


def test_the_document_of_http_is_openapi() -> None:
    validate(schemas.openapi())


def test_the_document_of_the_stream_is_asyncapi() -> None:
    rules = json.loads((SPECS / "3.0.0-without-$id.json").read_text())

    Draft7Validator(rules).validate(schemas.asyncapi())


def test_the_documents_say_which_server_they_speak_of() -> None:
    [server] = schemas.openapi()["servers"]

    # Relative to the document, as the service may live below a prefix.
    assert urljoin("https://host/prefix/openapi.json", server["url"]) == "https://host/prefix/"
    assert schemas.openapi()["info"]["version"] == schemas.asyncapi()["info"]["version"] == __version__


def test_what_the_code_knows_of_a_parameter_is_in_the_document() -> None:
    parameters = schemas.openapi()["components"]["parameters"]

    assert parameters["digits"]["schema"] == {"type": "integer", "minimum": 0, "maximum": MOST_DIGITS}
    assert parameters["width"]["schema"] == {"type": "integer", "minimum": NARROWEST, "maximum": WIDEST}
    assert re.fullmatch(parameters["fingerprint"]["schema"]["pattern"], assets.fingerprint(b""))
    assert parameters["language"]["schema"]["enum"] == sorted(assets.languages())
    assert parameters["theme"]["schema"]["enum"] == [*get_args(Theme)]
    assert parameters["format"]["schema"]["enum"] == [*get_args(Form)]


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    for document in (schemas.openapi(), schemas.asyncapi()):
        found = set(refs(document))
        assert found
        for ref in found:
            assert reduce(getitem, ref.split("/")[1:], document)
        named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert named == {ref for ref in found if "/schemas/" in ref}


def test_every_schema_is_one_and_says_what_each_key_of_an_answer_means() -> None:
    for document in (schemas.openapi(), schemas.asyncapi()):
        for schema in document["components"]["schemas"].values():
            Draft202012Validator.check_schema(schema)
            assert schema["description"]
    history = schemas.openapi()["components"]["schemas"]["FixingAnswer"]["properties"]
    assert "dollars for one som" in history["price"]["description"]


def test_every_message_of_the_wire_is_in_the_document_of_the_stream() -> None:
    public = {
        name: model
        for name, model in vars(wire).items()
        if isinstance(model, type) and issubclass(model, wire._Message) and "type" in model.model_fields
    }
    document = schemas.asyncapi()
    messages = document["components"]["messages"]

    assert document["asyncapi"] == "3.0.0"
    assert {each["payload"]["$ref"].rpartition("/")[2] for each in messages.values()} == set(public)
    assert set(document["channels"]["stream"]["messages"]) == set(messages)
    for kind, message in messages.items():
        name = message["payload"]["$ref"].rpartition("/")[2]
        assert document["components"]["schemas"][name]["properties"]["type"]["const"] == kind
    told = {
        operation["action"]: {each["$ref"].rpartition("/")[2] for each in operation["messages"]}
        for operation in document["operations"].values()
    }
    assert told == {"send": {"snapshot", "update", "heartbeat", "error"}, "receive": {"subscribe"}}


def test_the_channel_says_what_the_address_may_ask_and_how_it_ends() -> None:
    channel = schemas.asyncapi()["channels"]["stream"]

    assert channel["address"] == "/v1/stream"
    assert set(channel["bindings"]["ws"]["query"]["properties"]) == {*query.KNOWN["/v1/stream"]}
    assert {each["code"] for each in channel["x-close-codes"]} == set(CloseCode)
    back = {each["code"] for each in channel["x-close-codes"] if each["reconnect"]}
    assert back == {1001, 1013, 4408}
    for code in CloseCode:
        assert f"- {code:d}: " in channel["description"]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "symbols": ["KGS"]},
        {"type": "subscribe", "symbols": ["KGS/USD", "tjs"]},
        {"type": "subscribe", "symbols": []},
        {"type": "subscribe", "symbols": ["K" * 21]},
        {"type": "subscribe", "symbols": ["KGS"] * 201},
        {"type": "subscribe", "symbols": "KGS"},
        {"type": "subscribe", "symbols": [1]},
        {"type": "subscribe"},
        {"type": "subscribe", "symbols": ["KGS"], "cursor": "1-1"},
        {"type": "snapshot", "symbols": ["KGS"]},
        ["subscribe"],
    ],
)
def test_the_server_takes_what_the_document_says_and_nothing_else(message: object) -> None:
    document = schemas.asyncapi()
    validator = Draft202012Validator({**document, "$ref": "#/components/schemas/SubscribeMessage"})

    try:
        wire.decode_subscribe(json.dumps(message))
    except BadFrame:
        assert not validator.is_valid(message)
    else:
        validator.validate(message)


# The check itself.


def test_what_the_wire_encodes_holds(quote_of: QuoteOf) -> None:
    quotes = [wire.encode_quote(quote_of("KGS", "87.45")), wire.encode_quote(quote_of("TJS", "9.2"))]

    frame_holds_to_the_schema(json.loads(wire.encode_quotes("snapshot", "1-1", TIME, quotes)))
    frame_holds_to_the_schema(json.loads(wire.encode_quotes("update", "1-1", TIME, [])))
    for kind in ("snapshot", "update"):
        awaited = [(Pair("KGS", "USD"), "NBKR has not been asked yet")]
        frame_holds_to_the_schema(json.loads(wire.encode_quotes(kind, "1-1", TIME, [], awaited)))
    frame_holds_to_the_schema(json.loads(wire.encode_heartbeat("1-1", TIME)))
    frame_holds_to_the_schema(json.loads(wire.encode_error("bad_request", "no")))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("price", 0.0114),
        ("price", "-0.0114"),
        ("price", "1e-5"),
        ("price", None),
        ("change", 0),
        ("symbol", "KGS"),
        ("status", "lively"),
        ("nominal", 0),
        ("corrected", None),
        ("unheard_of", "x"),
        ("next", {"price": "1"}),
    ],
)
def test_a_quote_that_is_none_is_found_out(key: str, value: object, quote_of: QuoteOf) -> None:
    quote = json.loads(wire.encode_quote(quote_of("KGS", "87.45"))) | {key: value}

    with pytest.raises(ValidationError):
        frame_holds_to_the_schema({"type": "update", "cursor": "1-1", "time": TIME, "quotes": [quote]})


def test_a_key_that_is_left_out_is_found_out(quote_of: QuoteOf) -> None:
    whole = json.loads(wire.encode_quote(quote_of("KGS", "87.45")))

    for key in whole:
        quote = {name: value for name, value in whole.items() if name != key}
        with pytest.raises(ValidationError):
            frame_holds_to_the_schema({"type": "update", "cursor": "1-1", "time": TIME, "quotes": [quote]})


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "subscribe", "symbols": ["KGS"]},
        {"type": "hello"},
        {"type": "heartbeat"},
        {"type": "heartbeat", "cursor": "1-1"},
        {"type": "heartbeat", "cursor": 1, "time": TIME},
        {"type": "heartbeat", "cursor": "1-1", "time": TIME, "quotes": []},
        {"type": "snapshot", "cursor": "1-1", "quotes": []},
        {"type": "update", "cursor": "1-1", "time": "noon", "quotes": []},
        {"type": "error", "code": 4400, "message": "no"},
    ],
)
def test_a_frame_that_is_none_is_found_out(message: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        frame_holds_to_the_schema(message)


def test_answers_that_are_as_documented_hold() -> None:
    fixing = FixingAnswer(
        as_of="2026-05-22",
        price="0.0114",
        inverse="87.45",
        value="87.45",
        nominal=1,
        direction="USD/KGS",
        corrected=False,
        announced=False,
    )
    history = HistoryAnswer(symbol="KGS/USD", source="nbkr", fixings=[fixing])
    answer_holds_to_the_schema("/v1/history/KGS%2FUSD?from=2026-05-22", 200, TAGGED, encode(history).encode())
    answer_holds_to_the_schema("/v1/quotes?symbols=KGS", 200, TAGGED, b'{"cursor":"1-1","quotes":[]}')
    answer_holds_to_the_schema("/v1/quotes", 304, TAGGED, b"")
    answer_holds_to_the_schema("/healthz", 200, JSON, b"", method="HEAD")
    problem = encode(ProblemAnswer(title="Not Found", status=404, detail="GET /nowhere")).encode()
    answer_holds_to_the_schema("/nowhere", 404, {"Content-Type": "application/problem+json"}, problem)


@pytest.mark.parametrize(
    ("path", "status", "headers", "body"),
    [
        ("/healthz", 200, JSON, b'{"status": "fail"}'),
        ("/healthz", 200, JSON, b'{"status": "pass", "more": 1}'),
        ("/healthz", 200, JSON, b"{}"),
        ("/healthz", 200, JSON | {"Content-Type": "text/plain"}, b'{"status": "pass"}'),
        ("/healthz", 200, {"Content-Type": "application/json"}, b'{"status": "pass"}'),
        ("/healthz", 204, JSON, b""),
        ("/nowhere", 200, JSON, b'{"status": "pass"}'),
        ("/v1/quotes", 200, JSON, b'{"cursor":"1-1","quotes":[]}'),
        ("/v1/quotes", 200, TAGGED | {"Content-Encoding": "zstd"}, b'{"cursor":"1-1","quotes":[]}'),
        ("/v1/quotes", 304, TAGGED, b"{}"),
        ("/v1/quotes", 503, {"Content-Type": "application/problem+json"}, b"{}"),
        ("/nowhere", 404, {"Content-Type": "application/json"}, b"{}"),
        ("/nowhere", 404, {"Content-Type": "application/problem+json"}, b'{"status": 404}'),
        (
            "/nowhere",
            404,
            {"Content-Type": "application/problem+json"},
            b'{"type": "about:blank", "title": "x", "status": 400, "detail": ""}',
        ),
    ],
    ids=range(14),
)
def test_an_answer_that_is_not_as_documented_is_found_out(
    path: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        answer_holds_to_the_schema(path, status, headers, body)
