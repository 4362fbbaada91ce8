"""What the scripts know of the stream and of quotes, held against the documents and the models."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from ticker import assets, line, schemas
from ticker.protocol import CloseCode
from ticker.wording import Direction

SOURCES = Path(__file__).parent.parent / "widget" / "src"


@cache
def exported(module: str, *names: str) -> Any:
    """What a script exports, by name."""
    script = f"import * as all from {json.dumps((SOURCES / module).as_uri())};"
    script += f"console.log(JSON.stringify({json.dumps(names)}.map((name) => all[name])))"
    command = ["node", "--input-type=module", "--no-warnings", "-e", script]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(answer.stdout)


def typed(name: str) -> dict[str, str]:
    """The properties of a type of the stream's, with their types as they are written."""
    [text] = re.findall(
        rf"@typedef {{object}} {name}\b(.*?)\*/", (SOURCES / "stream.js").read_text(), re.DOTALL
    )
    return {name: kind for kind, name in re.findall(r"@property {(.+)} \[?(\w+)", text)}


def statuses() -> set[str]:
    return set(schemas.asyncapi()["components"]["schemas"]["QuoteMessage"]["properties"]["status"]["enum"])


def test_the_widget_takes_those_closes_as_final_that_the_document_does() -> None:
    closes = schemas.asyncapi()["channels"]["stream"]["x-close-codes"]
    [refusals] = exported("stream.js", "REFUSALS")

    # 1008 is what proxies say. A browser sends no broken frame.
    final = {each["code"] for each in closes if not each["reconnect"]} - {CloseCode.PROTOCOL_ERROR}
    assert set(refusals) == final | {1008}


def test_the_widget_chooses_for_itself_after_the_code_of_a_bad_address() -> None:
    assert exported("ways.js", "BAD_REQUEST") == [CloseCode.BAD_REQUEST]


def test_the_widget_knows_every_status_and_no_other() -> None:
    assert set(re.findall(r'"(\w+)"', typed("Quote")["status"])) == statuses()


@pytest.mark.parametrize(
    ("name", "messages"),
    [("Quote", ["QuoteMessage"]), ("Frame", [each.__name__ for each in schemas.SENT.values()])],
)
def test_what_the_widget_reads_is_in_the_document(name: str, messages: list[str]) -> None:
    known = schemas.asyncapi()["components"]["schemas"]
    read = set(typed(name))

    assert read
    assert read <= {key for message in messages for key in known[message]["properties"]}


def test_every_status_that_a_reader_has_to_know_of_has_a_mark_and_words() -> None:
    assert set(assets.look()["marks"]) == statuses() - {"live"}
    labels = set(assets.labels("en"))
    # The widget's words for `fallback` are the name of the source that stands in.
    assert labels & statuses() == statuses() - {"live", "fallback"}
    assert labels - statuses() == {"rates", "offline", "pause", "source"}


def test_every_direction_has_an_arrow() -> None:
    assert set(assets.look()["arrows"]) == set(get_args(Direction)) - {""}


def test_both_themes_have_the_same_colours() -> None:
    assert set(assets.look()["light"]) == set(assets.look()["dark"])


def test_the_line_without_a_script_has_the_colours_of_the_widget() -> None:
    [style] = exported("style.js", "STYLE")
    for theme in ("light", "dark"):
        for name, colour in assets.look()[theme].items():
            assert colour in style
            assert f"--{name}:{colour};" in line.page((), line.Look())


def test_a_shape_of_the_widget_is_a_path_without_a_script() -> None:
    assert line._path("50% 0, 100% 100%, 0 100%") == "M5 0 10 10 0 10z"
    assert line._path("2% 40%, 35% 5%") == "M0.2 4 3.5 0.5z"
