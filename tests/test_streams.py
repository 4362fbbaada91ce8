"""A service whose standard streams are closed, or on a full disk, at its start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from services import READY_SECONDS, ROOT

PORT_FILE = r"""
import os, sys
import ticker.edge
from ticker.cli import main

place, told = sys.argv.pop(), ticker.edge.address_of

def address_of(*given):
    address = told(*given)
    with open(place, "w") as file:
        file.write(address)
    return address

ticker.edge.address_of = address_of
sys.exit(main())
"""
"""The command line, which writes its address to a file, named last: its output may be closed."""

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@contextmanager
def started(folder: Path, redirections: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A demo with these redirections of a shell, and its address."""
    arguments = ["demo", "--port", "0", "--data-dir", f"{folder}/data", f"{folder}/address"]
    with subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-c", PORT_FILE, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield process, address(process, folder / "address")
        finally:
            process.kill()


def address(process: subprocess.Popen[bytes], file: Path) -> str:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if file.exists() and (found := file.read_text()):
            return found
        time.sleep(0.05)
    raise AssertionError(f"it did not start: {process.poll()}")


def answer(url: str) -> bytes:
    with urlopen(url, timeout=READY_SECONDS) as response:  # noqa: S310 - on loopback
        body: bytes = response.read()
    return body


@pytest.mark.parametrize(
    "redirections",
    [
        "<&-",
        ">&-",
        "2>&-",
        "<&- >&- 2>&-",
        ">/dev/full",
        "2>/dev/full",
        ">/dev/full 2>/dev/full",
    ],
)
def test_closed_and_full_streams_change_nothing(short_path: Path, redirections: str) -> None:
    with started(short_path, redirections) as (process, url):
        until_it_has_quotes(url)
        # A socket in place of a stream would be written to, or closed, by whoever means the stream.
        streams = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
        assert {each for each in streams if each not in ("/dev/null", "/dev/full")} == set()

        process.send_signal(signal.SIGTERM)
        assert process.wait(READY_SECONDS) == 0


def until_it_has_quotes(url: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        try:
            if b'"KGS/USD"' in answer(f"{url}v1/quotes"):
                return
        except URLError:
            pass
        time.sleep(0.1)
    raise AssertionError("it has no quotes")


def test_a_command_whose_output_is_lost_says_so_and_fails(short_path: Path) -> None:
    with started(short_path, "") as (_, url):
        until_it_has_quotes(url)
        command = [sys.executable, "-m", "ticker", "quotes", "--url", url]
        with Path("/dev/full").open("w") as full:
            found = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)

    assert found.returncode == 1
    assert found.stderr == "ticker quotes: the output can't be written: No space left on device\n"
