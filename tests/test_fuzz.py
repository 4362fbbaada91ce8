"""Requests that a fuzzer derives from the published document: no 5xx, and no answer that is not in it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stage import answer_holds_to_the_schema, frame_holds_to_the_schema

from ticker import schemas

ROOT = Path(__file__).parent.parent
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
EVENTS = "/v1/events"
# By the standard of oEmbed, that is the answer to another format; elsewhere it is a fault.
STANDARDS = """
[[operations]]
include-path = "/oembed"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "501"]
"""
LEAST = 5000
"""Requests in all."""

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a complete service with stand-ins for the banks."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "ticker", "demo", "--port", "0", "--data-dir", f"{folder}/data"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout
        try:
            line = process.stdout.readline()
            assert line.startswith("ready http://"), (folder / "log").read_text()
            yield line.removeprefix("ready ").strip()
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_answer_to_a_right_or_wrong_request_leaves_the_document(demo: str, tmp_path: Path) -> None:
    requests = 0
    while requests < LEAST:
        requests += fuzzed(demo, tmp_path, most=LEAST // 100)


def fuzzed(url: str, folder: Path, *, most: int) -> int:
    """
    How many requests one round made: at most `most` random ones for a route, and those for its limits.

    Fails unless every answer was as documented.
    """
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}openapi.json", "--no-color"]
    command += ["--checks", ",".join(CHECKS), "--max-examples", str(most), "--request-timeout", "60"]
    # It never ends; it has a test of its own.
    command += ["--exclude-path", EVENTS, "--warnings", "off"]
    (folder / "schemathesis.toml").write_text(STANDARDS)
    found = subprocess.run(
        command, cwd=folder, env={**os.environ, "NO_PROXY": "127.0.0.1"}, capture_output=True, text=True
    )

    assert found.returncode == 0, found.stdout + found.stderr
    [(generated, passed)] = re.findall(r"(\d+) generated, (\d+) passed", found.stdout)
    assert generated == passed
    return int(passed)


HEARD = st.sampled_from(
    ["", "KGS", "KGS,TJS/USD", "usd/kgs", "KGS,,", "0-0", "1-1", f"{10**30}-1", "1-1-1", "%", ","]
)
WORDS = HEARD | st.text(st.characters(codec="utf-8"), max_size=40)
NAMES = st.sampled_from(
    sorted(
        each["$ref"].rpartition("/")[2]
        for each in schemas.openapi()["paths"][EVENTS]["get"]["parameters"]
        if each["$ref"] != "#/components/parameters/Last-Event-ID"
    )
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    query=st.lists(st.tuples(NAMES | st.text(st.characters(codec="utf-8"), max_size=9), WORDS), max_size=4),
    last=st.none() | HEARD | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40),
)
def test_no_answer_to_a_request_for_events_leaves_the_document(
    demo: str, query: list[tuple[str, str]], last: str | None
) -> None:
    path = f"{EVENTS}?{urlencode(query)}"
    with (
        closing(http.client.HTTPConnection(urlsplit(demo).netloc, timeout=60)) as connection,
        closing(asked(connection, path, last)) as answer,
    ):
        is_open = answer.status == 200
        body = b"" if is_open else answer.read()

        assert answer.status < 500
        answer_holds_to_the_schema(path, answer.status, dict(answer.getheaders()), body)
        if is_open:
            lines = iter(answer.readline, b"")
            data = next(each for each in lines if each.startswith(b"data: ")).removeprefix(b"data: ")
            frame_holds_to_the_schema(json.loads(data))


def asked(connection: http.client.HTTPConnection, path: str, last: str | None) -> http.client.HTTPResponse:
    connection.request("GET", path, headers={} if last is None else {"Last-Event-ID": last})
    return connection.getresponse()
