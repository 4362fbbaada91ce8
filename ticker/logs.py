"""
The log of this process: text for people or JSON for machines, with priorities for journald.

No line has a secret: `***` replaces everything that was passed to `never_show`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

Form = Literal["text", "json"]
FORMS: tuple[Form, ...] = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
# These log a line for every client, and for every poll that finds the one before still running.
_LOUD = {"websockets": logging.WARNING, "apscheduler": logging.ERROR}
_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""The priorities of syslog, which journald reads at the start of a line."""

_secrets: set[str] = set()
_formatter: Formatter | None = None


def never_show(secrets: Iterable[str]) -> None:
    """Hide these in every line from now on."""
    _secrets.update(filter(None, secrets))


def hidden(text: str) -> str:
    """The text without the secrets that this process knows."""
    return without(text, _secrets)


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` in place of each secret, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


class Formatter(logging.Formatter):
    """
    A record as text or as one line of JSON.

    `who` is put before every message. `journal`: whether journald reads, which adds the time itself.
    """

    def __init__(self, form: Form, *, who: str = "", journal: bool = False) -> None:
        text = f"{who}%(message)s" if journal else f"%(asctime)s %(levelname)-7s {who}%(message)s"
        super().__init__(f"{who}%(message)s" if form == "json" else text)
        self.form = form
        self.journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = hidden(super().format(record))
        if self.form == "json":
            text = as_json(record.levelname, record.created, text)
        return _with_priority(text, record.levelno) if self.journal else text


def as_json(level: str, seconds: float, message: str) -> str:
    """One line of ASCII, which every locale can show."""
    at = datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")
    return json.dumps({"level": level.lower(), "time": at, "message": message})


def _with_priority(text: str, level: int) -> str:
    priority = next((priority for least, priority in _PRIORITIES if level >= least), 7)
    return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


def journal_reads() -> bool:
    """Whether standard error leads to journald, by systemd's JOURNAL_STREAM."""
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def start(form: Form, level: str, *, who: str = "") -> None:
    """Log to standard error from now on. Earlier secrets are forgotten."""
    global _formatter
    _formatter = Formatter(form, who=who, journal=journal_reads())
    _secrets.clear()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name, least in _LOUD.items():
        logging.getLogger(name).setLevel(least)


def arguments() -> tuple[str, ...]:
    """The arguments with which another process of ours logs in the same way."""
    form = _formatter.form if _formatter else "text"
    level = logging.getLevelName(logging.getLogger().level).lower()
    return ("--log-format", form, "--log-level", level if level in LEVELS else "info")


def fail(words: str) -> None:
    """Print why the process ends."""
    formatter = _formatter or Formatter("text")
    text = hidden(words)
    if formatter.form == "json":
        text = as_json("error", time.time(), text)
    print(_with_priority(text, logging.ERROR) if formatter.journal else text, file=sys.stderr)
