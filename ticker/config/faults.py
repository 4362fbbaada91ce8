"""What is wrong with a configuration, in words."""

from __future__ import annotations

from pydantic import ValidationError


class ConfigError(Exception):
    """The configuration can't be used. Says which file, which key and why."""


def in_words(error: ValidationError) -> str:
    """Every fault as `server.port: ...`, without the values, which may be secrets."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )
