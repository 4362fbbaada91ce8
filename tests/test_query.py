"""What an address may ask: known parameters, and the one that was meant."""

from __future__ import annotations

import pytest

from ticker import schemas
from ticker.edge import query
from ticker.wire import BadFrame


@pytest.mark.parametrize("route", query.KNOWN)
def test_a_route_knows_what_is_documented_and_nothing_else(route: str) -> None:
    document = schemas.openapi()
    named = [each["$ref"].rpartition("/")[2] for each in document["paths"][route]["get"]["parameters"]]
    parameters = [document["components"]["parameters"][name] for name in named]

    assert set(query.KNOWN[route]) == {each["name"] for each in parameters if each["in"] == "query"}
    assert {"cursor", "lastEventId", "_"} <= set(query.KNOWN[route])


@pytest.mark.parametrize(
    ("route", "name", "meant"),
    [
        ("/v1/quotes", "symbol", "symbols"),
        ("/v1/quotes", "SYMBOLS", "symbols"),
        ("/v1/history/{symbol}", "form", "from"),
        ("/v1/history/{symbol}", "src", "source"),
        ("/v1/stream", "last_event_id", "lastEventId"),
        ("/v1/events", "cursors", "cursor"),
        ("/v1/line.svg", "language", ""),
        ("/v1/line.html", "local", "locale"),
    ],
)
def test_an_unknown_parameter_is_named_with_the_nearest_known_one(route: str, name: str, meant: str) -> None:
    with pytest.raises(BadFrame) as refusal:
        query.read(f"{name}=KGS", route)

    said = str(refusal.value)
    assert said.startswith(f"unknown parameter '{name}'" + (f", did you mean '{meant}'?" if meant else ";"))
    assert said.endswith(f"; the parameters are {', '.join(query.KNOWN[route])}")


@pytest.mark.parametrize("text", ["limit", "limit=", "limit=1&cursor=1-1", "=1", "%6Cimit=1", "x%00y=1"])
def test_a_parameter_is_unknown_whatever_its_value(text: str) -> None:
    with pytest.raises(BadFrame, match="unknown parameter"):
        query.read(text, "/v1/quotes")


def test_known_parameters_are_read() -> None:
    assert query.read("", "/v1/sources") == {}
    assert query.read("cursor=1-2&lastEventId=1-3&_=1790000000000", "/v1/sources") == {
        "cursor": "1-2",
        "lastEventId": "1-3",
        "_": "1790000000000",
    }
    assert query.read("symbols=KGS,TJS%2FUSD&_", "/v1/quotes") == {"symbols": "KGS,TJS/USD", "_": ""}


def test_what_a_client_makes_up_is_repeated_only_in_part() -> None:
    with pytest.raises(BadFrame) as refusal:
        query.read("&".join(f"{'x' * 5000}{number}=" for number in range(100)), "/v1/quotes")

    assert len(str(refusal.value)) < 500
