"""A bare Debian in a folder: an operator's server with a running systemd, or the base of a container."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from services import ROOT, processes

SUITE = "bookworm"
PACKAGES = "ca-certificates,python3,python3-venv"
"""What the images of Python have beyond Debian's least."""
SERVER_PACKAGES = ("adduser", "dbus", "iproute2", "systemd-sysv")
"""What a server has and an image has not."""
BASE = Path(tempfile.gettempdir(), f"ticker-tests-{SUITE}-{os.getuid()}")
"""It is made once for all runs: that takes minutes."""
BOOTED_SECONDS = 120
"""Usual are 3 to 8."""
STEP_SECONDS = 600
BUNDLE = "etc/ssl/certs/tests.crt"
"""The authorities that this machine trusts, also for its package registries."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base(*tools: str) -> Path:
    """The folder with the least of Debian, Python and certificates. Skips the test where none can be made."""
    # debootstrap makes device nodes and owners, and a container of systemd needs its own cgroup.
    # tests/run says beforehand that these tests are left out.
    if os.getuid() != 0:
        pytest.skip("only root can make a Debian to test in")
    for tool in ("debootstrap", *tools):
        if not shutil.which(tool):
            pytest.fail(f"no {tool} here to make a Debian to test in; tests/run --all installs it")
    if not BASE.is_dir():
        _make()
    return BASE


def _make() -> None:
    making = BASE.with_suffix(f".{os.getpid()}")
    words = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(making))
    subprocess.run(words, check=True, stdout=sys.stderr, timeout=1500)
    bundle = os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt"
    shutil.copy(bundle, making / BUNDLE)
    making.rename(BASE)


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A copy of the base, which is removed at the end."""
    place = folder / "debian"
    subprocess.run(["cp", "-a", str(base()), str(place)], check=True)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def variables() -> list[str]:
    """The environment of a shell within, in which pip trusts whom it trusts here."""
    own = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("PIP_DEFAULT")]
    return [f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", f"PIP_CERT=/{BUNDLE}", *own]


def inside(place: Path, text: str) -> str:
    """Run a shell's script in the folder, with this machine's network; what it printed."""
    return _run(["chroot", str(place)], text)


def _run(way: list[str], text: str) -> str:
    command = [*way, "env", "-i", *variables(), "bash", "-euo", "pipefail", "-c", text]
    found = subprocess.run(command, capture_output=True, text=True, timeout=STEP_SECONDS)
    assert found.returncode == 0, f"{text}\n{found.stdout[-4000:]}{found.stderr[-4000:]}"
    return found.stdout


@dataclass(frozen=True)
class Server:
    """A Debian whose systemd runs, with a network of its own."""

    place: Path
    pid: int
    """The first process within."""

    def run(self, text: str, *, online: bool = False) -> str:
        """Run a shell's script as root in the project's folder; `online`, with this machine's network."""
        own = [] if online else ["--net"]
        way = ["nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--pid", *own]
        return _run([*way, "--wdns=/root/ticker"], text)

    def until(self, text: str, seconds: float = 60) -> None:
        """Wait until a shell's script succeeds."""
        self.run(
            f"for try in $(seq {seconds * 5:.0f}); do if {text}; then exit 0; fi; sleep 0.2; done; {text}"
        )


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A bare server with the project in /root/ticker."""
    base("systemd-nspawn", "nsenter")
    with copied(folder) as place:
        packages = " ".join(SERVER_PACKAGES)
        inside(
            place,
            f"apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -yqq {packages} >/dev/null",
        )
        words = (
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--private-network",
            f"--bind-ro={ROOT}:/root/ticker",
        )
        with (folder / "boot.log").open("w") as log:
            box = subprocess.Popen(
                ["systemd-nspawn", *words, f"--directory={place}", "--boot"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield Server(place, _first(box, folder / "boot.log"))
        finally:
            box.terminate()
            box.wait(60)


def _first(box: subprocess.Popen[bytes], log: Path) -> int:
    """The pid of its init, once it has booted."""
    ends = time.monotonic() + BOOTED_SECONDS
    while time.monotonic() < ends and box.poll() is None:
        found = [pid for pid, words in processes(parent=box.pid) if "systemd" in words]
        if found and _has_booted(found[0]):
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"systemd does not boot here: {log.read_text()[-2000:]}")


def _has_booted(pid: int) -> bool:
    words = ("nsenter", f"--target={pid}", "--mount", "--pid", "systemctl", "is-system-running")
    found = subprocess.run(words, capture_output=True, text=True)
    return found.stdout.strip() in ("running", "degraded")
