"""From the file and the environment to the settings."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ticker.config.faults import ConfigError, in_words
from ticker.config.settings import Settings


def load(path: Path | None, *, environment: Mapping[str, str] = os.environ) -> Settings:
    """
    Read the file (none: the defaults). Secrets are the environment's: `TICKER_REDIS_URL` replaces
    `redis.url`, as it may hold a password, and `TICKER_<SOURCE>_KEY` is the key of a source.

    Raises ConfigError that names the file, the key and what is wrong.
    """
    where = str(path) if path else "the defaults"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
        if url := environment.get("TICKER_REDIS_URL"):
            document["redis"] = {**document.get("redis", {}), "url": url}
        _refuse_keys(document, where)
        for name, key in environment.items():
            if (match := _KEY_VARIABLE.fullmatch(name)) and key:
                source = match[1].lower()
                of_all = document.setdefault("sources", {})
                of_all[source] = {**of_all.get(source, {}), "key": key}
        # Numbers are read from their text, so that a band of 3.3 is not 3.29999.
        return Settings.model_validate(_exact(document))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{where}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{where}: {in_words(error)}") from None


_KEY_VARIABLE = re.compile(r"TICKER_([A-Z0-9]+)_KEY")


def _refuse_keys(document: Mapping[str, Any], where: str) -> None:
    """A file is copied and shown; a secret in it is refused. Raises ConfigError."""
    sections = document.get("sources", {})
    for source, section in sections.items() if isinstance(sections, dict) else ():
        if isinstance(section, dict) and "key" in section:
            raise ConfigError(
                f"{where}: sources.{source}.key: a key is no setting; give it as TICKER_{source.upper()}_KEY"
            )


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return Decimal(repr(value)) if isinstance(value, float) else value
