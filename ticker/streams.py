"""Standard input, output and error. If they are missing or broken, the service continues."""

from __future__ import annotations

import logging
import os
import sys

log = logging.getLogger(__name__)

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


class Lost(Exception):
    """The output of a command can't be written. Says why."""


class Unread(Lost):
    """Nobody reads the output of a command any more."""


def complete() -> None:
    """
    Open `/dev/null` in place of those that were closed at the start.

    This must be done first: the next opened file would get their numbers, such as a socket that of standard
    output.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - for the whole process


def say(line: str) -> None:
    """Print a line for the parent process. If it can't be written, the service continues."""
    try:
        print(line, flush=True)
    except OSError as error:
        log.warning("standard output can't be written: %s: %s", error.strerror, line)
        _mute(sys.stdout.fileno())


def tell(text: str) -> None:
    """Print the output of a command, in characters that the terminal has. Raises Lost."""
    try:
        print(_in_signs_of(text, sys.stdout.encoding), flush=True)
    except OSError as error:
        _mute(sys.stdout.fileno())
        kind = Unread if isinstance(error, BrokenPipeError) else Lost
        raise kind(f"the output can't be written: {error.strerror}") from None


def _in_signs_of(text: str, encoding: str) -> str:
    """The text in characters of the encoding: the dot between quotes becomes a bar."""
    for sign in ("•", "|"), ("–", "-"):
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = text.replace(*sign)
    return text.encode(encoding, "replace").decode(encoding)


def _mute(number: int) -> None:
    """Redirect standard output to `/dev/null`: Python would write again at its end, and fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
