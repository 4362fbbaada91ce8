"""
`python -m tests.tools.autobahn [--python python2.7] [--client FOLDER]`: 301 cases in three minutes.

The client is the PyPI package `autobahntestsuite`, which needs Python 2.7: so it is no part of the test run.
It is installed in a folder of its own, which `--client` keeps for the next time.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from .summary import summary

START_SECONDS = 20


def installed(folder: Path, python: str) -> Path:
    """The fuzzing client, installed at the first time."""
    client = folder / "client" / "bin" / "wstest"
    if not client.exists():
        if not which(python):
            sys.exit(f"autobahn: no {python} here, which the fuzzing client needs")
        venv.create(folder / "maker", with_pip=True)
        # The last one that makes environments of Python 2.7.
        run(folder / "maker" / "bin" / "pip", "install", "--quiet", "virtualenv<20.22")
        run(folder / "maker" / "bin" / "virtualenv", "--quiet", f"--python={python}", folder / "client")
        run(folder / "client" / "bin" / "pip", "install", "--quiet", "autobahntestsuite")
    return client


def run(*command: str | Path, folder: Path | None = None) -> None:
    subprocess.run([str(each) for each in command], cwd=folder, check=True)


@contextmanager
def echo() -> Iterator[int]:
    """The port of our connection as an echo."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.tools.autobahn.echo", "--port", str(port)]
    with subprocess.Popen(command) as process:
        try:
            end = time.monotonic() + START_SECONDS
            while not answers(port):
                if time.monotonic() > end or process.poll() is not None:
                    sys.exit("autobahn: our own server does not answer")
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


def fuzz(client: Path, folder: Path, port: int) -> Path:
    """The report of all cases but 12 and 13: they compress, and we offer no compression."""
    spec = {
        "outdir": "./reports",
        "servers": [{"agent": "ticker", "url": f"ws://127.0.0.1:{port}/v1/stream"}],
        "cases": ["*"],
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    run(client, "--mode=fuzzingclient", "--spec=spec.json", folder=folder)
    return folder / "reports" / "index.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.autobahn", description=__doc__)
    parser.add_argument("--client", type=Path, help="where the client is, or is to be installed")
    parser.add_argument("--python", default="python2.7", metavar="PROGRAM", help="(%(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as path, echo() as port:
        client = installed(given.client.resolve() if given.client else Path(path), given.python)
        table, faults = summary(fuzz(client, Path(path), port))
    print(table)
    if faults:
        sys.exit(f"failed: {', '.join(sorted(faults))}")


if __name__ == "__main__":
    main()
